//! Moves the engine's epoch, by which guests are interrupted.
//!
//! One thread for each runtime. **It sleeps without waking while no guest runs**, and holds no
//! engine alive. Deadlines are counted in its ticks and not in the machine's time, so that a
//! machine that stood still does not time guests out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// The length of a tick.
pub(crate) const TICK: Duration = Duration::from_millis(2);

/// Ticks without a guest until the thread sleeps for good: waking it costs a call something.
const LINGER_TICKS: u32 = 100;

#[derive(Debug, Default)]
struct Shared {
    /// Guests that run.
    running: AtomicUsize,
    ticks: AtomicU64,
    asleep: AtomicBool,
    closed: AtomicBool,
}

/// The thread, as long as this is not dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { asleep: AtomicBool::new(true), ..Shared::default() });
        let (engine, of_thread) = (engine.weak(), Arc::clone(&shared));
        let handle = thread::Builder::new()
            .name("plugin-ticker".to_owned())
            .spawn(move || run(&engine, &of_thread))?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// Ticks while a guest runs, until the value is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, SeqCst);
        if self.shared.asleep.load(SeqCst) {
            self.thread.unpark();
        }
        Running(&self.shared)
    }

    /// Whether a guest runs, or ran a moment ago.
    pub(crate) fn is_awake(&self) -> bool {
        !self.shared.asleep.load(SeqCst)
    }

    /// Ticks that make up at least `time`. One more, for the current one is already under way.
    pub(crate) fn ticks_in(time: Duration) -> u64 {
        let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
        u64::try_from(ticks).unwrap_or(u64::MAX / 2).saturating_add(1)
    }
}

/// A guest that runs.
pub(crate) struct Running<'a>(&'a Shared);

impl Running<'_> {
    /// Ticks so far, of the whole runtime.
    pub(crate) fn ticks(&self) -> u64 {
        self.0.ticks.load(SeqCst)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.closed.store(true, SeqCst);
        self.thread.unpark();
    }
}

fn run(engine: &EngineWeak, shared: &Shared) {
    let mut idle_ticks = LINGER_TICKS;
    while !shared.closed.load(SeqCst) {
        if idle_ticks >= LINGER_TICKS {
            sleep_until_needed(shared);
            idle_ticks = 0;
        }
        thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else {
            return;
        };
        engine.increment_epoch();
        shared.ticks.fetch_add(1, SeqCst);
        drop(engine);
        idle_ticks = if shared.running.load(SeqCst) == 0 { idle_ticks + 1 } else { 0 };
    }
}

fn sleep_until_needed(shared: &Shared) {
    // Announced before the last look: a call that begins now either is seen here or sees this.
    shared.asleep.store(true, SeqCst);
    while shared.running.load(SeqCst) == 0 && !shared.closed.load(SeqCst) {
        thread::park();
    }
    shared.asleep.store(false, SeqCst);
}
