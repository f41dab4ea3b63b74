//! Everything that a guest can reach, and nothing of it is real.
//!
//! Time is the batch's, randomness comes from the call's place in the pipeline, there are no files,
//! no sockets, no environment and no input; output goes to the log. **No function here blocks,
//! reads the machine's clock or opens anything.** That is why WASI is implemented here and not taken
//! from `wasmtime-wasi`, whose host functions enter a tokio runtime, create sockets before they
//! ask whether they may, and sleep for real.

mod entropy;
mod granted;
mod limiter;
mod linker;
mod metrics;
mod output;
mod state;
mod time;
mod wasi;

pub use linker::ImportFault;
pub(crate) use linker::{check_imports, linker};
pub(crate) use metrics::Metrics;
pub use metrics::{Metric, MetricKind, MetricSample};
pub(crate) use output::LogName;
pub(crate) use state::{Exited, GuestState, TimedOut};
