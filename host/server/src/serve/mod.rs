//! `tidemill serve`: a host from start to stop.
//!
//! **The order is the point.** Start: the port is bound (so that a second host fails at once), then the log is
//! locked and recovered, then plugins, engine and pipelines; only then `/readyz` says 200. Stop, on SIGTERM or
//! SIGINT: no new requests, running batches finish or abort, the log is closed; within [`STOP_TIMEOUT`].

mod logs;
mod stop;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::{self, App};
use crate::cli::{Failure, Output, write_line};
use crate::clock;
use crate::config::{Config, LogFormat, Overrides};
use crate::host::{Host, OpenError};

/// From the signal to the end of the process.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of that the running batches get.
const BATCHES_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Args)]
#[command(after_help = "Examples:\n  tidemill serve --data ./data\n  \
                        tidemill serve --data /srv/tidemill --http 127.0.0.1:9000 --log-format json\n  \
                        tidemill serve --data ./data --kafka 0.0.0.0:9092=broker.example.org:9092\n  \
                        tidemill serve --data ./data --registry s3://bucket/plugins\n  \
                        TIDEMILL_DATA=/srv/tidemill tidemill serve --config host.toml")]
pub struct ServeArgs {
    /// Folder for everything durable. It is made if it is not there.
    #[arg(long, env = "TIDEMILL_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the HTTP API. There is no authentication: beyond loopback, whoever reaches it may do everything.
    #[arg(long, env = "TIDEMILL_HTTP", value_name = "ADDR")]
    http: Option<String>,
    /// Address for Kafka clients; may be given more than once, `none` for nowhere. ADDR=HOST:PORT says what they
    /// are told to connect to. Default: 127.0.0.1:9092.
    #[arg(long, env = "TIDEMILL_KAFKA", value_name = "ADDR", value_delimiter = ',')]
    kafka: Option<Vec<String>>,
    /// Where plugins are pushed to, in common with other hosts: s3://bucket/prefix or file:///folder. Default: the
    /// data folder.
    #[arg(long, env = "TIDEMILL_REGISTRY", value_name = "URL")]
    registry: Option<String>,
    /// Configuration file (TOML). Environment and flags stand above it.
    #[arg(long, env = "TIDEMILL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Threads that run batches. Default: one for each core.
    #[arg(long, env = "TIDEMILL_WORKERS", value_name = "N")]
    workers: Option<usize>,
    /// Form of the log lines on stderr.
    #[arg(long, env = "TIDEMILL_LOG_FORMAT", value_enum)]
    log_format: Option<LogFormat>,
    /// What is logged, such as `info` or `warn,tidemill_engine=debug`.
    #[arg(long, env = "TIDEMILL_LOG", value_name = "FILTER")]
    log_level: Option<String>,
    /// Stop when standard input ends, so that a parent process takes its host with it.
    #[arg(long, hide = true)]
    end_with_stdin: bool,
}

/// Why a host did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("start the host's runtime")]
    Runtime(#[source] std::io::Error),
    #[error("listen on {address}")]
    Bind { address: SocketAddr, source: std::io::Error },
    #[error("wait for signals")]
    Signals(#[source] std::io::Error),
    #[error("open the data folder `{data}`", data = data.display())]
    Open { data: PathBuf, source: Box<OpenError> },
    #[error("serve HTTP")]
    Http(#[source] std::io::Error),
}

impl ServeError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            ServeError::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                Some("is another host running? --http names another address; port 0 takes a free one".to_owned())
            }
            ServeError::Bind { .. } => Some("--http names another address, such as 127.0.0.1:8080".to_owned()),
            ServeError::Open { source, .. } => source.hint(),
            ServeError::Runtime(_) | ServeError::Signals(_) | ServeError::Http(_) => None,
        }
    }
}

/// What is printed once the host is ready.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadyLine {
    http: String,
    /// As Kafka clients want their `bootstrap.servers`.
    kafka: String,
    data: PathBuf,
    pid: u32,
    start_ms: u128,
}

/// Runs a host until it is told to stop.
pub fn run(args: ServeArgs, output: Output) -> Result<(), Failure> {
    let end_with_stdin = args.end_with_stdin;
    let config = args.into_config()?;
    logs::install(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.workers.min(4))
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let served = runtime.block_on(serve(config, output, end_with_stdin));
    // Whatever still hangs on a disk or a socket does not hold up the end: all that counts is durable.
    runtime.shutdown_background();
    served
}

impl ServeArgs {
    fn into_config(self) -> Result<Config, Failure> {
        let overrides = Overrides {
            data: self.data,
            http: self.http,
            kafka: self.kafka,
            registry: self.registry,
            workers: self.workers,
            log_format: self.log_format,
            log_level: self.log_level,
        };
        Ok(Config::resolve(self.config.as_deref(), overrides)?)
    }
}

async fn serve(config: Config, output: Output, end_with_stdin: bool) -> Result<(), Failure> {
    let started = clock::now();
    let listener = bind(config.http).await?;
    let address = listener
        .local_addr()
        .map_err(|source| ServeError::Bind { address: config.http, source })?;
    let mut stop = stop::Stop::watch(end_with_stdin).map_err(ServeError::Signals)?;
    let stopping = CancellationToken::new();
    let app = App::new(stopping.clone());
    let http = tokio::spawn(
        axum::serve(listener, api::router(app.clone()))
            .with_graceful_shutdown(stopping.clone().cancelled_owned())
            .into_future(),
    );

    let data = config.data.clone();
    let host = tokio::select! {
        opened = Host::open(config) => opened.map_err(|source| ServeError::Open { data: data.clone(), source: Box::new(source) })?,
        why = stop.asked() => {
            tracing::info!(why, "stopped before it was ready");
            return Ok(());
        }
    };
    app.open(Arc::clone(&host));
    announce(address, &host, data, started.elapsed(), output)?;

    let why = stop.asked().await;
    tracing::info!(why, "stopping");
    let stop_started = clock::now();
    stopping.cancel();
    let orderly = async {
        host.close(BATCHES_TIMEOUT).await;
        http.await
    };
    match tokio::time::timeout(STOP_TIMEOUT - Duration::from_millis(500), orderly).await {
        Ok(Ok(served)) => served.map_err(ServeError::Http)?,
        Ok(Err(panicked)) => tracing::error!(%panicked, "the HTTP server panicked"),
        Err(_) => tracing::warn!("stopped without waiting for every request"),
    }
    tracing::info!(took_ms = stop_started.elapsed().as_millis() as u64, "stopped");
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener =
        TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, source })?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "listening beyond this machine without authentication");
    }
    Ok(listener)
}

fn announce(
    address: SocketAddr,
    host: &Host,
    data: PathBuf,
    took: Duration,
    output: Output,
) -> Result<(), Failure> {
    let kafka: Vec<String> = host.kafka_addresses().iter().map(ToString::to_string).collect();
    let ready = ReadyLine {
        http: format!("http://{address}"),
        kafka: kafka.join(","),
        data,
        pid: std::process::id(),
        start_ms: took.as_millis(),
    };
    tracing::info!(http = ready.http, kafka = ready.kafka, data = %ready.data.display(), start_ms = ready.start_ms as u64, "ready");
    let line = match output {
        Output::Json => serde_json::to_string(&ready).map_err(Failure::Encode)?,
        Output::Text => format!(
            "tidemill is ready at {}{} with the data in {}; Ctrl-C stops it",
            ready.http,
            if kafka.is_empty() {
                String::new()
            } else {
                format!(", for Kafka clients at {},", ready.kafka)
            },
            ready.data.display()
        ),
    };
    // Nobody has to read it.
    let _ = write_line(line.as_bytes());
    Ok(())
}
