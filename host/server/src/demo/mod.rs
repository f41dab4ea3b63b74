//! `tidemill demo`: the main job end to end, on a host of its own, with a crash half way.
//!
//! An access log (or any text) goes into a topic; two pipelines work on it; the host is killed and started
//! again; at the end both results are computed from the input without Tidemill and compared.
//! **The demo uses nothing but the binary's own commands and HTTP API**, so what it shows, users have.

mod access_log;
mod check;
mod expected;
mod host_process;
mod input;
mod live;
mod pipelines;
mod report;
mod story;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::{Failure, Output};
use crate::client::ClientError;
use crate::clock;

use access_log::AccessLog;
use host_process::HostProcess;
use input::Input;
use report::Report;

/// Times to try to remove the folder.
const REMOVE_TRIES_MAX: u32 = 40;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  tidemill demo\n  tidemill demo --input /var/log/nginx/access.log\n  \
                        tidemill demo --keep        and look around afterwards"
)]
pub struct DemoArgs {
    /// Use this file instead of a generated access log: a log, or any text.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Lines to generate.
    #[arg(long, default_value_t = 200_000, conflicts_with = "input", value_parser = clap::value_parser!(u64).range(1..=50_000_000))]
    lines: u64,
    /// Seconds that writing takes at least, so that there is something to see.
    #[arg(long, default_value_t = 15.0, value_parser = parse_seconds)]
    seconds: f64,
    /// Seed of the generated log.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Leave the host up, and say where.
    #[arg(long)]
    keep: bool,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if (0.0..=3600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("between 0 and 3600".to_owned())
    }
}

/// What the demo failed of.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("read the input `{path}`", path = path.display())]
    Input { path: PathBuf, source: std::io::Error },
    #[error("the input `{path}` has no lines", path = path.display())]
    Empty { path: PathBuf },
    #[error("use the folder `{path}`", path = path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("start the demo's host")]
    Spawn(#[source] std::io::Error),
    #[error("the demo's host did not start; its last log lines are:\n{log}")]
    NoStart { log: String },
    #[error("kill the demo's host")]
    Kill(#[source] std::io::Error),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(
        "partition {partition} has {there} lines after the crash, but {acknowledged} were acknowledged"
    )]
    Lost { partition: u32, acknowledged: u64, there: u64 },
    #[error("pipeline `{pipeline}` failed: {reason}")]
    PipelineFailed { pipeline: String, reason: String },
    #[error("{count} differences between the results and the input:\n{shown}")]
    Different { count: u64, shown: String },
    #[error("interrupted")]
    Interrupted,
}

impl DemoError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            DemoError::Lost { .. } | DemoError::Different { .. } => Some(
                "this must not happen: please report it, with the output of `tidemill demo --keep`"
                    .to_owned(),
            ),
            DemoError::Client(error) => error.hint(),
            DemoError::Empty { .. } => {
                Some("without --input, an access log is generated".to_owned())
            }
            _ => None,
        }
    }

    /// Whether it is a lost answer, which a crash of the host explains.
    fn is_retryable(&self) -> bool {
        matches!(self, DemoError::Client(error) if error.is_retryable())
    }
}

/// Shows the demo. Ctrl-C ends it, with its host and its folder.
pub async fn run(args: DemoArgs, output: Output) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("tidemill-demo-").tempdir();
    let folder =
        folder.map_err(|source| DemoError::Folder { path: std::env::temp_dir(), source })?;
    let shown = tokio::select! {
        shown = show(&args, folder.path(), output) => shown,
        _ = tokio::signal::ctrl_c() => Err(DemoError::Interrupted.into()),
    };
    match shown {
        Ok(Some(kept)) => {
            print_addresses(&kept, &folder.keep());
            kept.report.verdict().map_err(Failure::from)
        }
        Ok(None) => remove(folder).await,
        Err(failure) => {
            remove(folder).await?;
            Err(failure)
        }
    }
}

/// A host that stays, and what the demo found.
struct Kept {
    host: HostProcess,
    report: Report,
}

/// The host, if it is to be kept.
async fn show(args: &DemoArgs, folder: &Path, output: Output) -> Result<Option<Kept>, Failure> {
    let input = open_input(args)?;
    let host = HostProcess::start(folder, args.keep).await?;
    let duration = Duration::from_secs_f64(args.seconds);
    let (mut host, report) = story::tell(host, &input, duration).await?;
    output.print(&report, Report::text)?;
    if args.keep {
        host.leave();
        return Ok(Some(Kept { host, report }));
    }
    host.stop().await?;
    report.verdict()?;
    Ok(None)
}

/// A host that was killed just now may still be about to end: the folder is tried again for a while.
async fn remove(folder: tempfile::TempDir) -> Result<(), Failure> {
    let path = folder.keep();
    let mut tries = 0;
    while let Err(source) = std::fs::remove_dir_all(&path) {
        tries += 1;
        if tries == REMOVE_TRIES_MAX {
            return Err(DemoError::Folder { path, source }.into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn open_input(args: &DemoArgs) -> Result<Input, DemoError> {
    let Some(path) = &args.input else {
        // Event times end about now, on a whole minute, so that retention by time leaves them alone.
        let start_ms =
            (clock::unix_ms() - AccessLog::span_ms(args.lines)).div_euclid(60_000) * 60_000;
        return Ok(Input::generate(args.seed, args.lines, start_ms));
    };
    let input =
        Input::read(path).map_err(|source| DemoError::Input { path: path.clone(), source })?;
    if input.line_count() == 0 { Err(DemoError::Empty { path: path.clone() }) } else { Ok(input) }
}

fn print_addresses(kept: &Kept, data: &Path) {
    let address = kept.host.address();
    eprintln!("\nThe host is still up at {address} with its data in {}.", data.display());
    eprintln!("  export TIDEMILL_HOST={address}");
    eprintln!("  tidemill pipeline list");
    eprintln!("  tidemill consume page-latency --max 5 -k ' '");
    if let Some(pid) = kept.host.pid() {
        eprintln!("  kill {pid}        stops it; then delete the folder");
    }
}
