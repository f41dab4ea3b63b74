//! Threads that compile components.
//!
//! **They stand back behind the threads that run batches**: a component that is pushed into a busy host is compiled
//! later, and batches keep the cores. A lower priority alone does not do that: Linux lets a thread run to the end of
//! its slice, milliseconds, before one that wakes up. So half of the cores are left to guests that run.

use std::thread::available_parallelism;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use wasmtime::Engine;
use wasmtime::component::Component;

/// How much lower their priority is: on a machine where all cores are busy, they get about a tenth of the time.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The threads, as long as this is not dropped.
#[derive(Debug)]
pub(crate) struct Compiler {
    /// One for each core.
    alone: ThreadPool,
    /// One for every other core.
    beside_guests: ThreadPool,
}

impl Compiler {
    pub(crate) fn start() -> Result<Self, ThreadPoolBuildError> {
        let cores = available_parallelism().map_or(1, usize::from);
        Ok(Self { alone: pool(cores)?, beside_guests: pool(cores.div_ceil(2))? })
    }

    /// Compiles on all threads, or on half of them where guests run; waits for them.
    pub(crate) fn compile(
        &self,
        engine: &Engine,
        component: &[u8],
        guests_run: bool,
    ) -> wasmtime::Result<Component> {
        let pool = if guests_run { &self.beside_guests } else { &self.alone };
        pool.install(|| Component::from_binary(engine, component))
    }
}

fn pool(threads: usize) -> Result<ThreadPool, ThreadPoolBuildError> {
    let threads = ThreadPoolBuilder::new().num_threads(threads);
    threads.thread_name(|index| format!("compiler-{index}")).start_handler(|_| stand_back()).build()
}

/// Lowers the priority of this thread alone, which only Linux can.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "compiling goes on at full priority");
    }
}
