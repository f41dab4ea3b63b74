//! The worker threads that run tasks, shared by all pipelines.
//!
//! Each pipeline has a [`Lane`]. A free worker takes the next task of the lane that has used the
//! least time so far. **A pipeline with a thousand tasks waiting delays another one by one task
//! for each worker, not by a thousand**, and a task that lasts long by one call of a plugin: between its calls it
//! [gives way](give_way). Tasks are blocking functions; nothing async runs here.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::clock::Clock;

/// How long a task works before it gives way.
const TURN: Duration = Duration::from_millis(5);

/// For so long after a call that overran its time, a lane gets half of the workers at most: such a call lasts far
/// longer than a turn, and others would wait for it at every worker.
const RESTRAINT: Duration = Duration::from_secs(2);

/// Tasks that stand aside at a time. Each holds a thread.
const ASIDE_MAX: usize = 64;

/// A task, and whether nobody waits for its result any more.
struct Job {
    run: Box<dyn FnOnce() + Send>,
    abandoned: Arc<AtomicBool>,
}

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
    lanes: Mutex<Lanes>,
    work: Condvar,
    /// None: tasks run where they are submitted, one after the other.
    workers: usize,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Lanes {
    lanes: Vec<LaneQueue>,
    next_id: u64,
    /// The time used by the lane that was served last: nobody starts below it.
    floor: Duration,
    /// Threads there are, tasks that run on them, and tasks that stand aside.
    threads: usize,
    running: usize,
    aside: usize,
    stopped: bool,
}

struct LaneQueue {
    id: u64,
    waiting: VecDeque<Turn>,
    used: Duration,
    running: usize,
    restrained_until: Duration,
    /// Its [`Lane`] was dropped; it goes when its last task has ended.
    is_closed: bool,
}

/// What waits for a worker.
enum Turn {
    Begin(Job),
    /// A task that stands aside.
    GoOn(SyncSender<()>),
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
            let until = shared.clock.monotonic() + RESTRAINT;
            if let Some(lane) = shared.lanes.lock().lane(*lane) {
                lane.restrained_until = until;
            }
        }
    });
}

impl Task {
    fn give_way(&mut self) {
        let now = self.shared.clock.monotonic();
        if now.saturating_sub(self.since) < TURN {
            return;
        }
        let mut lanes = self.shared.lanes.lock();
        lanes.account(self.lane, now.saturating_sub(self.since));
        self.since = now;
        if !lanes.others_wait(self.lane, now, self.shared.workers) || lanes.aside >= ASIDE_MAX {
            return;
        }
        lanes.aside += 1;
        if lanes.threads < self.shared.workers + lanes.aside {
            lanes.threads += 1;
            drop(lanes);
            let spawned = self.shared.spawn_worker();
            lanes = self.shared.lanes.lock();
            if !spawned || lanes.stopped {
                // Nobody could work in its place, or call it.
                lanes.aside -= 1;
                return;
            }
        }
        let (sender, receiver) = sync_channel(1);
        if let Some(lane) = lanes.lane(self.lane) {
            // Before the tasks of its lane that have not begun: they may need what it holds.
            lane.waiting.push_front(Turn::GoOn(sender));
        }
        lanes.leave(self.lane);
        drop(lanes);
        self.shared.work.notify_one();
        let called = receiver.recv();
        let mut lanes = self.shared.lanes.lock();
        lanes.aside -= 1;
        if called.is_err() {
            // The pool stops: it ends beside the others.
            lanes.enter(self.lane);
        }
        drop(lanes);
        self.since = self.shared.clock.monotonic();
    }
}

impl Lanes {
    fn lane(&mut self, id: u64) -> Option<&mut LaneQueue> {
        self.lanes.iter_mut().find(|lane| lane.id == id)
    }

    fn account(&mut self, id: u64, used: Duration) {
        if let Some(lane) = self.lane(id) {
            lane.used += used;
        }
    }

    fn enter(&mut self, id: u64) {
        self.running += 1;
        if let Some(lane) = self.lane(id) {
            lane.running += 1;
        }
    }

    fn leave(&mut self, id: u64) {
        self.running -= 1;
        if let Some(lane) = self.lane(id) {
            lane.running -= 1;
        }
        self.forget_ended();
    }

    /// Forgets the lanes that were dropped and whose tasks have ended.
    fn forget_ended(&mut self) {
        let has_tasks = |lane: &LaneQueue| lane.running > 0 || !lane.waiting.is_empty();
        self.lanes.retain(|lane| !lane.is_closed || has_tasks(lane));
    }

    /// Whether a lane that has used less than this one could have its worker.
    fn others_wait(&self, id: u64, now: Duration, workers: usize) -> bool {
        let used = self.lanes.iter().find(|lane| lane.id == id).map(|lane| lane.used);
        let others = self.lanes.iter().filter(|lane| lane.id != id && lane.is_due(now, workers));
        !self.stopped && others.into_iter().any(|lane| Some(lane.used) < used)
    }

    /// The next that may have a worker, which it has from here on.
    fn next(&mut self, now: Duration, workers: usize) -> Option<(u64, Turn)> {
        if self.running >= workers {
            return None;
        }
        let due = self.lanes.iter_mut().filter(|lane| lane.is_due(now, workers));
        let lane = due.min_by_key(|lane| lane.used)?;
        let turn = lane.waiting.pop_front()?;
        let (id, used) = (lane.id, lane.used);
        self.floor = self.floor.max(used);
        self.enter(id);
        Some((id, turn))
    }
}

impl LaneQueue {
    fn is_due(&self, now: Duration, workers: usize) -> bool {
        let is_restrained = now < self.restrained_until;
        let share = if is_restrained { (workers / 2).max(1) } else { workers };
        !self.waiting.is_empty() && self.running < share
    }
}

impl Pool {
    /// Starts `workers` threads. With none, tasks run on the thread that submits them, which
    /// makes a run repeatable.
    #[must_use]
    pub fn start(workers: usize, clock: Arc<dyn Clock>) -> Self {
        let lanes = Mutex::new(Lanes { threads: workers, ..Lanes::default() });
        let (work, threads) = (Condvar::new(), Mutex::default());
        let shared = Arc::new(Shared { clock, lanes, work, workers, threads });
        for _ in 0..workers {
            shared.spawn_worker();
        }
        Self { shared }
    }

    /// A new lane. It starts level with the lane served last, so that having been away earns no credit.
    #[must_use]
    pub fn lane(&self, name: &str) -> Lane {
        let mut lanes = self.shared.lanes.lock();
        let id = lanes.next_id;
        lanes.next_id += 1;
        let used = lanes.floor;
        lanes.lanes.push(LaneQueue {
            id,
            waiting: VecDeque::new(),
            used,
            running: 0,
            restrained_until: Duration::ZERO,
            is_closed: false,
        });
        Lane { id, name: name.into(), shared: Arc::clone(&self.shared) }
    }

    /// Lets running tasks end, drops waiting ones, and ends the threads.
    pub fn stop(&self) {
        {
            let mut lanes = self.shared.lanes.lock();
            lanes.stopped = true;
            // Those that stand aside go on when nobody can call them any more.
            lanes.lanes.iter_mut().for_each(|lane| lane.waiting.clear());
        }
        self.shared.work.notify_all();
        loop {
            let thread = self.shared.threads.lock().pop();
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
        let mut lanes = self.shared.lanes.lock();
        if lanes.stopped {
            return;
        }
        let floor = lanes.floor;
        if let Some(lane) = lanes.lane(self.id) {
            if lane.waiting.is_empty() {
                lane.used = lane.used.max(floor);
            }
            lane.waiting.push_back(Turn::Begin(job));
        }
        drop(lanes);
        self.shared.work.notify_one();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut lanes = self.shared.lanes.lock();
        if let Some(lane) = lanes.lane(self.id) {
            lane.is_closed = true;
            lane.waiting.retain(|turn| matches!(turn, Turn::GoOn(_)));
        }
        lanes.forget_ended();
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
    /// Starts a thread that has been counted already; whether there is one more.
    fn spawn_worker(self: &Arc<Self>) -> bool {
        let mut threads = self.threads.lock();
        let index = threads.len();
        let shared = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || shared.work());
        match spawned {
            Ok(thread) => {
                threads.push(thread);
                true
            }
            Err(error) => {
                self.lanes.lock().threads -= 1;
                tracing::error!(index, %error, "cannot start a worker thread");
                false
            }
        }
    }

    /// Runs tasks until the pool has stopped.
    fn work(self: &Arc<Self>) {
        let mut lanes = self.lanes.lock();
        while !lanes.stopped {
            match lanes.next(self.clock.monotonic(), self.workers) {
                Some((lane, Turn::Begin(job))) => {
                    drop(lanes);
                    self.run(lane, job);
                    lanes = self.lanes.lock();
                }
                // Its own thread is the worker now.
                Some((lane, Turn::GoOn(task))) => {
                    if task.send(()).is_err() {
                        lanes.leave(lane);
                    }
                }
                None => self.wait(&mut lanes),
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
        let mut lanes = self.lanes.lock();
        lanes.account(lane, used.unwrap_or_default());
        lanes.leave(lane);
        drop(lanes);
        // A lane may have waited for its share, not for a worker.
        self.work.notify_one();
    }

    fn wait(&self, lanes: &mut MutexGuard<'_, Lanes>) {
        let restrained = lanes.lanes.iter().any(|lane| !lane.waiting.is_empty());
        if restrained && lanes.running < self.workers {
            // Nothing else may happen before its restraint is over.
            self.work.wait_for(lanes, RESTRAINT);
        } else {
            self.work.wait(lanes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn pool(workers: usize) -> (Arc<ManualClock>, Pool) {
        let clock = Arc::new(ManualClock::at(0));
        (Arc::clone(&clock), Pool::start(workers, clock))
    }

    #[tokio::test]
    async fn a_panic_is_told_and_the_worker_lives() {
        let (_, pool) = pool(1);
        let lane = pool.lane("a");
        let lost = lane.run(|| panic!("on purpose")).await.map(|(): ()| ()).unwrap_err();
        assert!(lost.to_string().contains("lane `a`"), "{lost}");
        assert_eq!(lane.run(|| 7).await.unwrap(), 7);
    }

    /// One worker, a lane with many tasks that take 10 ms each, a second lane with one: it runs second.
    #[tokio::test]
    async fn a_busy_lane_does_not_starve_another() {
        let (clock, pool) = pool(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        let (busy, light) = (pool.lane("busy"), pool.lane("light"));
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let first = busy.run(move || gate.recv().is_ok());
        let task = |name: &'static str| {
            let (order, clock) = (Arc::clone(&order), Arc::clone(&clock));
            move || {
                clock.advance(10);
                order.lock().push(name);
            }
        };
        let many: Vec<_> = (0..20).map(|_| busy.run(task("busy"))).collect();
        let one = light.run(task("light"));
        open.send(()).unwrap();
        assert!(first.await.unwrap());
        one.await.unwrap();
        for done in many {
            done.await.unwrap();
        }
        let place = order.lock().iter().position(|name| *name == "light").unwrap();
        assert!(place <= 1, "the light lane waited for {place} tasks");
    }

    /// One worker, and a task that would hold it until another lane's task has run.
    #[tokio::test]
    async fn a_long_task_gives_way_to_another_lane() {
        let (clock, pool) = pool(1);
        let (long, light) = (pool.lane("long"), pool.lane("light"));
        let (ran, has_run) = std::sync::mpsc::channel();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let long = long.run(move || {
            gate.recv().unwrap();
            let mut turns = 0;
            while has_run.try_recv().is_err() {
                clock.advance(10);
                give_way().unwrap();
                turns += 1;
            }
            turns
        });
        let light = light.run(move || ran.send(()).unwrap());
        open.send(()).unwrap();
        light.await.unwrap();
        assert_eq!(long.await.unwrap(), 1);
    }

    /// Two workers, and a lane that overruns: of its tasks, one runs at a time, and the other worker is free.
    #[tokio::test]
    async fn a_lane_that_overruns_leaves_workers_to_others() {
        let (clock, pool) = pool(2);
        let (slow, light) = (pool.lane("slow"), pool.lane("light"));
        slow.run(overran).await.unwrap();
        let (began, begins) = std::sync::mpsc::channel();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let blocked = [(); 2].map(|()| {
            let (began, gate) = (began.clone(), Arc::clone(&gate));
            slow.run(move || {
                began.send(()).unwrap();
                gate.lock().recv().unwrap();
            })
        });
        begins.recv().unwrap();
        light.run(|| ()).await.unwrap();
        assert!(begins.try_recv().is_err(), "both workers are with the lane that overran");
        clock.advance(RESTRAINT.as_millis() as i64);
        let light = light.run(|| ());
        begins.recv().unwrap();
        open.send(()).unwrap();
        open.send(()).unwrap();
        light.await.unwrap();
        for done in blocked {
            done.await.unwrap();
        }
    }

    /// One worker, and a task that stands aside while another lane's holds it.
    #[tokio::test]
    async fn a_task_that_stands_aside_goes_on_when_its_lane_is_dropped_and_when_the_pool_stops() {
        for stops in [false, true] {
            let (clock, pool) = pool(1);
            let (long, other) = (pool.lane("long"), pool.lane("other"));
            let (first, gate_of_first) = std::sync::mpsc::channel::<()>();
            let (second, gate_of_second) = std::sync::mpsc::channel::<()>();
            let (began, begins) = std::sync::mpsc::channel();
            let aside = long.run(move || {
                gate_of_first.recv().unwrap();
                clock.advance(10);
                give_way().unwrap();
                7
            });
            let holds = other.run(move || {
                began.send(()).unwrap();
                gate_of_second.recv().unwrap();
            });
            first.send(()).unwrap();
            begins.recv().unwrap();
            if stops {
                let stopping = std::thread::spawn(move || pool.stop());
                assert_eq!(aside.await.unwrap(), 7);
                second.send(()).unwrap();
                stopping.join().unwrap();
            } else {
                drop(long);
                second.send(()).unwrap();
                assert_eq!(aside.await.unwrap(), 7);
            }
            holds.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_task_that_nobody_waits_for_is_told_to_end() {
        let (_, pool) = pool(1);
        let lane = pool.lane("a");
        let (told, tells) = std::sync::mpsc::channel();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let task = lane.run(move || {
            gate.recv().unwrap();
            told.send(give_way().is_err()).unwrap();
        });
        drop(task);
        drop(lane);
        // Whether it has begun or not: then it does not begin any more.
        let _ = open.send(());
        assert!(tells.recv().unwrap_or(true));
    }

    #[tokio::test]
    async fn without_threads_tasks_run_in_order_of_submission() {
        let (_, pool) = pool(0);
        let lane = pool.lane("a");
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..5)
            .map(|index| {
                let order = Arc::clone(&order);
                lane.run(move || order.lock().push(index))
            })
            .collect();
        for done in tasks {
            done.await.unwrap();
        }
        assert_eq!(*order.lock(), [0, 1, 2, 3, 4]);
    }
}
