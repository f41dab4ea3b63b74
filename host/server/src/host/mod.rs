//! A host in this process: log, Kafka clients, plugins, engine and the pipelines it is to run, opened together.
//!
//! **The order of opening is the order of dependence**: the log first, because its lock says that nobody else
//! has the folder. What a person applied is saved before it counts as applied, and comes back with the host.

mod groups;
mod layout;
mod open_error;
mod pipeline_files;
mod pipelines;
mod restore;
pub mod plugins;
mod upgrades;
mod upkeep;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_engine::broker::{Broker, Embedded};
use tidemill_engine::clock::SystemClock;
use tidemill_engine::engine::{Engine, EngineConfig, EngineHost};
use tidemill_kafka::coordinator::Coordinator;
use tidemill_kafka::{Bound, Server};
use tidemill_log::{Blocking, Environment, Log, LogConfig, TopicName};
use tidemill_plugin::{Registry, Runtime, RuntimeConfig};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::api::ApiError;
use crate::config::Config;
use crate::metrics;

pub use layout::Layout;
pub use open_error::OpenError;
pub use pipelines::PipelineError;

use pipeline_files::PipelineFiles;
use plugins::RegistrySource;

/// Everything that a ready host has.
pub struct Host {
    config: Config,
    log: Arc<Log>,
    kafka: Server,
    kafka_addresses: Vec<SocketAddr>,
    broker: Arc<dyn Broker>,
    runtime: Arc<Runtime>,
    registry: Arc<Registry>,
    engine: Arc<Engine>,
    files: PipelineFiles,
    /// One change of a pipeline at a time, so that its file and the engine agree.
    changes: tokio::sync::Mutex<()>,
    /// Saved pipelines that did not come back, and why.
    broken: Arc<Mutex<BTreeMap<String, String>>>,
    groups: Coordinator,
    batch_times: Arc<Mutex<metrics::BatchTimes>>,
    watches: Mutex<BTreeMap<String, AbortHandle>>,
    upkeep: CancellationToken,
}

impl Host {
    /// Opens everything, pushes the ready plugins, and starts the pipelines that are to run.
    ///
    /// A pipeline that cannot start any more is reported and left out; the host starts all the same.
    pub async fn open(config: Config) -> Result<Arc<Host>, OpenError> {
        let bound = Bound::bind(config.kafka.clone())?;
        let kafka_addresses = bound.addresses().to_vec();
        let layout = Layout::make(&config.data)?;
        let environment = Environment::real();
        let log = Log::open(&layout.log, environment.clone(), LogConfig::default()).await?;
        let runtime = Runtime::new(RuntimeConfig {
            code_cache: Some(layout.compiled.clone()),
            component_bytes_max: config.plugin_bytes_max,
            ..RuntimeConfig::default()
        })?;
        let registry = Arc::new(plugins::open_registry(&runtime, &layout, &config)?);
        let broker: Arc<dyn Broker> = Arc::new(Embedded::new(Arc::clone(&log), Blocking::Threads));
        let engine = Engine::start(
            EngineConfig {
                workers: config.workers,
                checkpoints: layout.checkpoints.clone(),
                ids: Arc::new(Uuid::new_v4),
            },
            EngineHost {
                broker: Arc::clone(&broker),
                plugins: Arc::new(RegistrySource::new(Arc::clone(&runtime), Arc::clone(&registry))),
                clock: Arc::new(SystemClock::new()),
            },
        );
        let files = PipelineFiles::open(layout.pipelines.clone())?;
        let broken = Arc::default();
        let groups = groups::open(&log, &environment, config.groups.clone(), &engine, &broken);
        let kafka = bound.open(Arc::clone(&log), groups.clone());
        let host = Arc::new(Host {
            config,
            log,
            kafka,
            kafka_addresses,
            broker,
            runtime,
            registry,
            engine,
            files,
            changes: tokio::sync::Mutex::new(()),
            broken,
            groups,
            batch_times: Arc::default(),
            watches: Mutex::default(),
            upkeep: CancellationToken::new(),
        });
        host.restore_pipelines().await?;
        upkeep::start(&host.log, host.upkeep.clone());
        Host::watch_canaries(&host);
        Ok(host)
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn log(&self) -> Arc<Log> {
        Arc::clone(&self.log)
    }

    /// Where Kafka clients connect to, with the real ports.
    pub fn kafka_addresses(&self) -> &[SocketAddr] {
        &self.kafka_addresses
    }

    pub fn broker(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.broker)
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The consumer groups.
    pub fn groups(&self) -> &Coordinator {
        &self.groups
    }

    /// All metrics as OpenMetrics text.
    pub fn metrics(&self) -> String {
        let pipelines = self.pipelines();
        let custom = pipelines.iter().flat_map(|status| self.custom_metrics(&status.name));
        let counted = metrics::Counted {
            log: self.log.metrics(),
            kafka: self.kafka.metrics(),
            groups: self.groups.metrics(),
            custom: custom.collect(),
            pipelines,
        };
        metrics::encode(counted, &self.batch_times.lock())
    }

    /// What the plugins of a pipeline count themselves.
    fn custom_metrics(&self, pipeline: &str) -> Vec<metrics::OfOperator> {
        let Some(graph) = self.engine.graph(pipeline) else { return Vec::new() };
        let told = graph.plugins().map(|(name, operator)| metrics::OfOperator {
            pipeline: pipeline.to_owned(),
            operator: name.to_owned(),
            samples: operator.metrics(),
        });
        told.collect()
    }

    /// A topic that is there, and how many partitions it has.
    pub fn topic(&self, text: &str) -> Result<(TopicName, u32), ApiError> {
        let name = TopicName::new(text).map_err(|_| ApiError::no_such_topic(text))?;
        let described = self.log.describe(&name).ok_or_else(|| ApiError::no_such_topic(text))?;
        Ok((name, described.config.partitions))
    }

    /// The same, but not one of the log's own.
    pub fn writable_topic(&self, text: &str) -> Result<(TopicName, u32), ApiError> {
        let (name, partitions) = self.topic(text)?;
        if name.is_internal() {
            let error = format!("`{name}` is one of the log's own topics");
            return Err(ApiError::new(axum::http::StatusCode::FORBIDDEN, error));
        }
        Ok((name, partitions))
    }

    /// Stops serving Kafka clients and the pipelines, and closes the log. Running batches have `batches_timeout` to finish; what is not
    /// committed then did not happen, and is done again after the next start.
    pub async fn close(&self, batches_timeout: Duration) {
        self.upkeep.cancel();
        let clients = tokio::time::timeout(batches_timeout, self.kafka.close());
        let (clients, ()) = tokio::join!(clients, self.engine.shutdown(batches_timeout));
        if clients.is_err() {
            tracing::warn!("stopped without waiting for every Kafka client");
        }
        self.groups.close().await;
        self.log.close().await;
    }
}
