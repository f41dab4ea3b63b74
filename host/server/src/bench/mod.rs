//! `tidemill bench`: figures, each beside something measured in the same run.
//!
//! An absolute figure says more about the machine than about Tidemill, so every command prints a ratio: to
//! native code that does the same work in memory, or to one appender. **Results are checked before a figure is
//! printed.** Data is prepared outside the timed region.

mod append;
mod boundary;
mod corpus;
mod hot_swap;
mod latency;
mod plugin;
mod scratch;
mod word_count;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;
use tidemill_engine::broker::BrokerError;
use tidemill_log::{AppendError, BuildError, TopicError};
use tidemill_plugin::{BatchFault, CallError, ConfigureError, LoadError, RuntimeError};

use crate::cli::{Failure, Output};
use crate::host::{OpenError, PipelineError};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  tidemill bench word-count\n  tidemill bench append -o json\n  tidemill bench boundary --smoke"
)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Subcommand)]
enum BenchCommand {
    /// Count words from log to log, beside a native count in memory.
    #[command(
        after_help = "Examples:\n  tidemill bench word-count\n  tidemill bench word-count --lines 10000000 --partitions 4 --workers 4"
    )]
    WordCount(word_count::WordCountArgs),
    /// Call plugins over columns, beside the same code run natively.
    #[command(after_help = "Example:\n  tidemill bench boundary")]
    Boundary(boundary::BoundaryArgs),
    /// Call any components over columns, beside each other.
    #[command(
        after_help = "Example:\n  tidemill bench plugin mine-0.1.wasm mine-0.2.wasm --param length_min=7"
    )]
    Plugin(plugin::PluginArgs),
    /// Append with 64 producers at once, beside one.
    #[command(after_help = "Example:\n  tidemill bench append --seconds 5")]
    Append(append::AppendArgs),
    /// Send single records through a pipeline, from produce to readable.
    #[command(after_help = "Example:\n  tidemill bench latency --records 500")]
    Latency(latency::LatencyArgs),
    /// Put other versions of a plugin into a pipeline under load, beside the batches between.
    #[command(after_help = "Example:\n  tidemill bench hot-swap --swaps 100")]
    HotSwap(hot_swap::HotSwapArgs),
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("make a scratch folder")]
    Folder(#[source] std::io::Error),
    #[error("start the benchmark's runtime")]
    Runtime(#[source] std::io::Error),
    #[error("open a host on the scratch folder")]
    Open(#[from] Box<OpenError>),
    #[error(transparent)]
    Topic(#[from] TopicError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    #[error(transparent)]
    Sandbox(#[from] RuntimeError),
    #[error(transparent)]
    Batch(#[from] BatchFault),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Configure(#[from] ConfigureError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("read `{}`", path.display())]
    Component { path: PathBuf, source: std::io::Error },
    #[error("{what}")]
    Wrong { what: String },
    #[error("the pipeline did not finish within {} s", within.as_secs())]
    TimedOut { within: Duration },
}

impl BenchError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            BenchError::Wrong { .. } => Some(
                "a figure for a wrong result would be worthless; please report this".to_owned(),
            ),
            BenchError::Folder(_) => Some("TMPDIR names another folder".to_owned()),
            _ => None,
        }
    }
}

/// The value below which `percent` of a sorted list lie, by nearest rank.
fn percentile<T>(sorted: &[T], percent: usize) -> Option<&T> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1))
}

/// Runs one benchmark on a runtime like a host's.
pub fn run(args: BenchArgs, output: Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(BenchError::Runtime)?;
    runtime.block_on(async {
        match args.command {
            BenchCommand::WordCount(args) => {
                print(output, &word_count::run(&args).await?, word_count::Figures::text)
            }
            BenchCommand::Boundary(args) => print(output, &boundary::run(&args)?, boundary::text),
            BenchCommand::Plugin(args) => print(output, &plugin::run(&args)?, plugin::text),
            BenchCommand::Append(args) => {
                print(output, &append::run(&args).await?, append::Figures::text)
            }
            BenchCommand::Latency(args) => {
                print(output, &latency::run(&args).await?, latency::Figures::text)
            }
            BenchCommand::HotSwap(args) => {
                print(output, &hot_swap::run(&args).await?, hot_swap::Figures::text)
            }
        }
    })
}

fn print<T: Serialize>(
    output: Output,
    figures: &T,
    text: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    output.print(figures, text)
}
