//! The worker threads that run tasks, shared by all pipelines.
//!
//! Each pipeline has a [`Lane`]. A free worker takes the next task of the lane that has used the
//! least time so far. **A pipeline with a thousand tasks waiting delays another one by one task
//! for each worker, not by a thousand**, and a task that lasts long by one call of a plugin: between its calls it
//! [gives way](give_way). Tasks are blocking functions; nothing async runs here.

mod lanes;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use self::lanes::{Job, Lanes, RESTRAINT, Turn};
use crate::clock::Clock;

/// How long a task works before it gives way.
const TURN: Duration = Duration::from_millis(5);

/// Tasks that stand aside at a time. Each holds a thread.
const ASIDE_MAX: usize = 64;

/// Nobody waits for the result of this thread's task any more: its batch has failed, or its pipeline is gone.
#[derive(Debug, thiserror::Error)]
#[error("nobody waits for the result of this task")]
pub struct Abandoned;

/// A task did not come back: it panicked, or the pool has stopped.
#[derive(Debug, thiserror::Error)]
#[error("a task of lane `{lane}` ended without a result: {reason}")]
pub struct Lost {
    lane: Arc<str>,
    reason: &'static str,
}

/// A fixed number of workers: threads that run a task. A task that stands aside keeps its thread, and another one
/// works meanwhile.
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    work: Condvar,
    /// None: tasks run where they are submitted, one after the other.
    workers: usize,
}

struct State {
    lanes: Lanes,
    /// As many as workers, and one for each task that stands aside.
    threads: Vec<JoinHandle<()>>,
    /// Tasks that stand aside.
    aside: usize,
    stopped: bool,
}

/// One pipeline's way into the pool. Dropping it forgets the tasks that still wait.
pub struct Lane {
    id: u64,
    name: Arc<str>,
    shared: Arc<Shared>,
}

thread_local! {
    static RUNNING: RefCell<Option<Task>> = const { RefCell::new(None) };
}

/// The task that this thread runs.
struct Task {
    shared: Arc<Shared>,
    lane: u64,
    abandoned: Arc<AtomicBool>,
    /// When its turn began.
    since: Duration,
}

/// Lets another lane's task go first, where this thread runs one that has worked for longer than a turn. It goes on
/// when its lane is the one that has used the least.
///
/// Whatever the task holds, it holds meanwhile: no lock that another task takes may be among it.
///
/// # Errors
/// [`Abandoned`]: the task is to end.
pub fn give_way() -> Result<(), Abandoned> {
    RUNNING.with_borrow_mut(|task| {
        let Some(task) = task else { return Ok(()) };
        task.give_way();
        if task.abandoned.load(Relaxed) { Err(Abandoned) } else { Ok(()) }
    })
}

/// Notes that a call of this thread's task overran its time.
pub fn overran() {
    RUNNING.with_borrow(|task| {
        if let Some(Task { shared, lane, .. }) = task {
            let now = shared.clock.monotonic();
            shared.state.lock().lanes.restrain(*lane, now);
        }
    });
}

impl Task {
    fn give_way(&mut self) {
        let now = self.shared.clock.monotonic();
        if now.saturating_sub(self.since) < TURN {
            return;
        }
        let mut state = self.shared.state.lock();
        state.lanes.account(self.lane, now.saturating_sub(self.since));
        self.since = now;
        if state.stopped || state.aside >= ASIDE_MAX || !state.lanes.others_wait(self.lane, now) {
            return;
        }
        let needed = self.shared.workers + state.aside + 1;
        if state.threads.len() < needed && !self.shared.spawn_worker(&mut state) {
            // Nobody could work in its place.
            return;
        }
        let (call, called) = sync_channel(1);
        state.aside += 1;
        state.lanes.stand_aside(self.lane, call);
        drop(state);
        self.shared.work.notify_one();
        let called = called.recv();
        let mut state = self.shared.state.lock();
        state.aside -= 1;
        if called.is_err() {
            // The pool stops: it ends beside the others.
            state.lanes.enter(self.lane);
        }
        drop(state);
        self.since = self.shared.clock.monotonic();
    }
}

impl Pool {
    /// Starts `workers` threads. With none, tasks run on the thread that submits them, which
    /// makes a run repeatable.
    #[must_use]
    pub fn start(workers: usize, clock: Arc<dyn Clock>) -> Self {
        let state =
            State { lanes: Lanes::of(workers), threads: Vec::new(), aside: 0, stopped: false };
        let (state, work) = (Mutex::new(state), Condvar::new());
        let shared = Arc::new(Shared { clock, state, work, workers });
        let mut state = shared.state.lock();
        for _ in 0..workers {
            shared.spawn_worker(&mut state);
        }
        drop(state);
        Self { shared }
    }

    /// A new lane. It starts level with the lane served last, so that having been away earns no credit.
    #[must_use]
    pub fn lane(&self, name: &str) -> Lane {
        let id = self.shared.state.lock().lanes.open();
        Lane { id, name: name.into(), shared: Arc::clone(&self.shared) }
    }

    /// Lets running tasks end, drops waiting ones, and ends the threads.
    pub fn stop(&self) {
        {
            let mut state = self.shared.state.lock();
            state.stopped = true;
            // Those that stand aside go on when nobody can call them any more.
            state.lanes.clear();
        }
        self.shared.work.notify_all();
        loop {
            let thread = self.shared.state.lock().threads.pop();
            let Some(thread) = thread else { return };
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Lane {
    /// Runs `task` on a worker; the future resolves with its result.
    ///
    /// # Errors
    /// [`Lost`] if it panicked or the pool stopped.
    /// # Cancel safety
    /// Dropping the future drops the result; a task that runs ends where it would [give way](give_way).
    pub fn run<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        task: F,
    ) -> impl Future<Output = Result<T, Lost>> + Send + use<T, F> {
        let (sender, receiver) = oneshot::channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let run = Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(task));
            let _ = sender.send(result);
        });
        self.submit(Job { run, abandoned: Arc::clone(&abandoned) });
        let (lane, waits) = (Arc::clone(&self.name), Waits(abandoned));
        async move {
            let received = receiver.await;
            drop(waits);
            match received {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(_)) => Err(Lost { lane, reason: "it panicked; the log has the place" }),
                Err(_) => Err(Lost { lane, reason: "the workers were stopped" }),
            }
        }
    }

    fn submit(&self, job: Job) {
        if self.shared.workers == 0 {
            (job.run)();
            return;
        }
        let mut state = self.shared.state.lock();
        if state.stopped {
            return;
        }
        state.lanes.submit(self.id, job);
        drop(state);
        self.shared.work.notify_one();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.shared.state.lock().lanes.close(self.id);
    }
}

/// Whoever waits for a task. Dropped, the task is abandoned.
struct Waits(Arc<AtomicBool>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Shared {
    /// Whether there is one more thread.
    fn spawn_worker(self: &Arc<Self>, state: &mut State) -> bool {
        let index = state.threads.len();
        let shared = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || shared.work());
        match spawned {
            Ok(thread) => {
                state.threads.push(thread);
                true
            }
            Err(error) => {
                tracing::error!(index, %error, "cannot start a worker thread");
                false
            }
        }
    }

    /// Runs tasks until the pool has stopped.
    fn work(self: &Arc<Self>) {
        let mut state = self.state.lock();
        while !state.stopped {
            match state.lanes.next(self.clock.monotonic()) {
                Some((lane, Turn::Begin(job))) => {
                    drop(state);
                    self.run(lane, job);
                    state = self.state.lock();
                }
                // Its own thread is the worker now.
                Some((lane, Turn::GoOn(call))) => {
                    if call.send(()).is_err() {
                        state.lanes.leave(lane);
                    }
                }
                // Nothing else may happen before the restraint is over.
                None if state.lanes.is_held_back() => {
                    self.work.wait_for(&mut state, RESTRAINT);
                }
                None => self.work.wait(&mut state),
            }
        }
    }

    fn run(self: &Arc<Self>, lane: u64, job: Job) {
        let Job { run, abandoned } = job;
        if !abandoned.load(Relaxed) {
            let since = self.clock.monotonic();
            RUNNING.set(Some(Task { shared: Arc::clone(self), lane, abandoned, since }));
            run();
        }
        let since = RUNNING.take().map(|task| task.since);
        let used = since.map(|since| self.clock.monotonic().saturating_sub(since));
        let mut state = self.state.lock();
        state.lanes.account(lane, used.unwrap_or_default());
        state.lanes.leave(lane);
        drop(state);
        // A lane may have waited for its share, not for a worker.
        self.work.notify_one();
    }
}

#[cfg(test)]
mod tests;
