//! The worker threads that run tasks, shared by all pipelines.
//!
//! Each pipeline has a [`Lane`]. A free worker takes the next task of the lane that has used the
//! least time so far. **A pipeline with a thousand tasks waiting delays another one by one task
//! for each worker, not by a thousand.** Tasks are blocking functions; nothing async runs here.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::clock::Clock;

type Job = Box<dyn FnOnce() + Send>;

/// A task did not come back: it panicked, or the pool has stopped.
#[derive(Debug, thiserror::Error)]
#[error("a task of lane `{lane}` ended without a result: {reason}")]
pub struct Lost {
    lane: Arc<str>,
    reason: &'static str,
}

/// A fixed number of worker threads.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    lanes: Mutex<Lanes>,
    work: Condvar,
    /// No threads: tasks run where they are submitted, one after the other.
    inline: bool,
}

#[derive(Default)]
struct Lanes {
    lanes: Vec<LaneQueue>,
    next_id: u64,
    /// The time used by the lane that was served last: nobody starts below it.
    floor: Duration,
    stopped: bool,
}

struct LaneQueue {
    id: u64,
    waiting: VecDeque<Job>,
    used: Duration,
}

/// One pipeline's way into the pool. Dropping it forgets the tasks that still wait.
pub struct Lane {
    id: u64,
    name: Arc<str>,
    shared: Arc<Shared>,
}

impl Pool {
    /// Starts `workers` threads. With none, tasks run on the thread that submits them, which
    /// makes a run repeatable.
    #[must_use]
    pub fn start(workers: usize, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared {
            clock,
            lanes: Mutex::default(),
            work: Condvar::new(),
            inline: workers == 0,
        });
        let threads = (0..workers).filter_map(|index| spawn_worker(index, &shared)).collect();
        Self { shared, threads: Mutex::new(threads) }
    }

    /// A new lane. It starts level with the lane served last, so that having been away earns no credit.
    #[must_use]
    pub fn lane(&self, name: &str) -> Lane {
        let mut lanes = self.shared.lanes.lock();
        let id = lanes.next_id;
        lanes.next_id += 1;
        let used = lanes.floor;
        lanes.lanes.push(LaneQueue { id, waiting: VecDeque::new(), used });
        Lane { id, name: name.into(), shared: Arc::clone(&self.shared) }
    }

    /// Lets running tasks end, drops waiting ones, and ends the threads.
    pub fn stop(&self) {
        {
            let mut lanes = self.shared.lanes.lock();
            lanes.stopped = true;
            lanes.lanes.iter_mut().for_each(|lane| lane.waiting.clear());
        }
        self.shared.work.notify_all();
        for thread in self.threads.lock().drain(..) {
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
    /// Dropping the future leaves the task running and drops its result.
    pub fn run<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        task: F,
    ) -> impl Future<Output = Result<T, Lost>> + Send + use<T, F> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Nobody waits for it any more: its batch has failed.
            if sender.is_closed() {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(task));
            let _ = sender.send(result);
        });
        self.submit(job);
        let lane = Arc::clone(&self.name);
        async move {
            match receiver.await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(_)) => Err(Lost { lane, reason: "it panicked; the log has the place" }),
                Err(_) => Err(Lost { lane, reason: "the workers were stopped" }),
            }
        }
    }

    fn submit(&self, job: Job) {
        if self.shared.inline {
            job();
            return;
        }
        let mut lanes = self.shared.lanes.lock();
        if lanes.stopped {
            return;
        }
        let floor = lanes.floor;
        if let Some(lane) = lanes.lanes.iter_mut().find(|lane| lane.id == self.id) {
            if lane.waiting.is_empty() {
                lane.used = lane.used.max(floor);
            }
            lane.waiting.push_back(job);
        }
        drop(lanes);
        self.shared.work.notify_one();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.shared.lanes.lock().lanes.retain(|lane| lane.id != self.id);
    }
}

fn spawn_worker(index: usize, shared: &Arc<Shared>) -> Option<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    let spawned = std::thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || while work_once(&shared) {});
    spawned.inspect_err(|error| tracing::error!(index, %error, "cannot start a worker thread")).ok()
}

/// Waits for a task and runs it; false once the pool has stopped.
fn work_once(shared: &Shared) -> bool {
    let Some((lane, job)) = next_job(shared) else { return false };
    let began = shared.clock.monotonic();
    job();
    let used = shared.clock.monotonic().saturating_sub(began);
    if let Some(lane) = shared.lanes.lock().lanes.iter_mut().find(|queue| queue.id == lane) {
        lane.used += used;
    }
    true
}

fn next_job(shared: &Shared) -> Option<(u64, Job)> {
    let mut lanes = shared.lanes.lock();
    loop {
        if lanes.stopped {
            return None;
        }
        let waiting = lanes.lanes.iter_mut().filter(|lane| !lane.waiting.is_empty());
        if let Some(lane) = waiting.min_by_key(|lane| lane.used)
            && let Some(job) = lane.waiting.pop_front()
        {
            let (id, used) = (lane.id, lane.used);
            lanes.floor = lanes.floor.max(used);
            return Some((id, job));
        }
        shared.work.wait(&mut lanes);
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
