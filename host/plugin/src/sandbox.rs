//! Everything that a guest can reach, and nothing of it is real.
//!
//! Time is the batch's, randomness comes from the call's place in the pipeline, there are no files,
//! no sockets, no environment and no input; output goes to the log. **No function here blocks,
//! reads the machine's clock or opens anything.** That is why WASI is implemented here and not taken
//! from `wasmtime-wasi`: its polling enters a tokio runtime, which panics on a thread that is in one
//! already, and its monotonic clock sleeps for real. Those are most of what plugins import.

mod entropy;
mod granted;
mod limiter;
mod linker;
mod log_allowance;
mod metrics;
mod output;
mod state;
mod time;
mod voice;
mod wasi;

pub use linker::ImportFault;
pub(crate) use linker::{check_imports, grants_needed, linker};
pub use metrics::{Metric, MetricSample};
pub(crate) use state::{Exited, GuestState, TimedOut};
pub(crate) use voice::Voice;
