//! Threads that compile components.
//!
//! **They stand back behind the threads that run batches**: a component that is pushed into a busy host is compiled
//! later, and batches keep the cores.

use rayon::{ThreadPool, ThreadPoolBuilder};
use wasmtime::Engine;
use wasmtime::component::Component;

/// How much lower their priority is: on a machine where all cores are busy, they get about a tenth of the time.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The threads, as long as this is not dropped; one for each core.
#[derive(Debug)]
pub(crate) struct Compiler(ThreadPool);

impl Compiler {
    pub(crate) fn start() -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = ThreadPoolBuilder::new().thread_name(|index| format!("compiler-{index}"));
        threads.start_handler(|_| stand_back()).build().map(Self)
    }

    /// Compiles on all threads; waits for them.
    pub(crate) fn compile(&self, engine: &Engine, component: &[u8]) -> wasmtime::Result<Component> {
        self.0.install(|| Component::from_binary(engine, component))
    }
}

/// Lowers the priority of this thread alone, which only Linux can.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "compiling goes on at full priority");
    }
}
