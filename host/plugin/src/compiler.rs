//! Threads that compile components.
//!
//! **Batches do not wait for them**: where guests run, a component is compiled in the time that the cores have left. A
//! lower priority alone does not do that: Linux lets a thread run to the end of its slice, milliseconds, before one
//! that wakes up, unless it is of the idle policy. Where the cores have no time left, that policy would take for ever,
//! and no thread may leave it again; so what is not done in time is begun once more, at a lower priority.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, mpsc};
use std::thread::available_parallelism;
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use wasmtime::Engine;
use wasmtime::component::Component;

/// How long cores that have time left may take, and how much longer for each MiB: an idle one compiles a MiB in less
/// than half a second.
const PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_PER_MIB: Duration = Duration::from_secs(1);

/// How much lower the priority of eager threads is: on a machine where all cores are busy, they get about a tenth of the time.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The threads, one of each kind for each core, as long as this is not dropped.
#[derive(Debug)]
pub(crate) struct Compiler {
    /// They run where a core has nothing else to do.
    idle: ThreadPool,
    /// They run at a lower priority.
    eager: ThreadPool,
}

impl Compiler {
    pub(crate) fn start() -> Result<Self, ThreadPoolBuildError> {
        let cores = available_parallelism().map_or(1, usize::from);
        Ok(Self {
            idle: pool("idle-compiler", cores, idle_policy)?,
            eager: pool("compiler", cores, lower_priority)?,
        })
    }

    /// Compiles, and waits for that.
    ///
    /// Panics where the compiler does.
    pub(crate) fn compile(
        &self,
        engine: &Engine,
        component: &[u8],
        guests_run: bool,
    ) -> wasmtime::Result<Component> {
        let compiled = guests_run.then(|| self.compile_on_idle_cores(engine, component)).flatten();
        compiled.unwrap_or_else(|| self.eager.install(|| Component::from_binary(engine, component)))
    }

    /// `None`: none were idle long enough.
    fn compile_on_idle_cores(
        &self,
        engine: &Engine,
        component: &[u8],
    ) -> Option<wasmtime::Result<Component>> {
        let mib = component.len().div_ceil(1 << 20);
        let patience = PATIENCE + PATIENCE_PER_MIB * u32::try_from(mib).unwrap_or(u32::MAX);
        let (done, compiled) = mpsc::sync_channel(1);
        let (engine, component) = (engine.clone(), Arc::<[u8]>::from(component));
        // What waits its turn while nobody waits for it any more is neither kept nor compiled.
        let wanted = Arc::downgrade(&component);
        self.idle.spawn(move || {
            if let Some(component) = wanted.upgrade() {
                let compile = || Component::from_binary(&engine, &component);
                let _ = done.send(catch_unwind(AssertUnwindSafe(compile)));
            }
        });
        match compiled.recv_timeout(patience).ok()? {
            Ok(compiled) => Some(compiled),
            Err(panic) => resume_unwind(panic),
        }
    }
}

fn pool(
    name: &'static str,
    threads: usize,
    start: fn(),
) -> Result<ThreadPool, ThreadPoolBuildError> {
    let threads = ThreadPoolBuilder::new().num_threads(threads);
    threads
        .thread_name(move |index| format!("{name}-{index}"))
        .start_handler(move |_| start())
        .build()
}

/// Has this thread alone run behind the others, which only Linux can do.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "compiling goes on at full priority");
    }
}

/// Has this thread alone run where a core has nothing else to do. There is no way back.
fn idle_policy() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::{
            NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
            set_thread_priority_and_policy, thread_native_id,
        };
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let set = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
        if let Err(error) = set {
            tracing::debug!(?error, "compiling does not wait for idle cores");
            lower_priority();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with nothing in it.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_component_is_compiled_late_where_the_cores_have_no_time_for_it() {
        let compiler = Compiler::start().unwrap();
        let mut busy = Vec::new();
        for _ in 0..compiler.idle.current_num_threads() {
            let (until_dropped, wait) = mpsc::channel::<()>();
            busy.push(until_dropped);
            compiler.idle.spawn(move || wait.recv().unwrap_or_default());
        }
        let engine = Engine::default();
        assert!(compiler.compile_on_idle_cores(&engine, EMPTY).is_none());
        compiler.compile(&engine, EMPTY, true).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn threads_have_the_policy_of_their_pool() {
        use thread_priority::NormalThreadSchedulePolicy::{Idle, Other};
        use thread_priority::{ThreadSchedulePolicy, thread_schedule_policy};

        let compiler = Compiler::start().unwrap();
        let policy = |pool: &ThreadPool| pool.install(thread_schedule_policy).unwrap();
        assert_eq!(policy(&compiler.idle), ThreadSchedulePolicy::Normal(Idle));
        assert_eq!(policy(&compiler.eager), ThreadSchedulePolicy::Normal(Other));
    }
}
