//! Who is next: the lanes, what waits in them, and how much each has used. No threads, no clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// For so long after a call that overran its time, a lane gets half of the workers at most: such a call lasts far
/// longer than a turn, and others would wait for it at every worker.
pub(super) const RESTRAINT: Duration = Duration::from_secs(2);

/// A task, and whether nobody waits for its result any more.
pub(super) struct Job {
    pub run: Box<dyn FnOnce() + Send>,
    pub abandoned: Arc<AtomicBool>,
}

/// What waits for a worker.
pub(super) enum Turn {
    Begin(Job),
    /// A task that stands aside.
    GoOn(SyncSender<()>),
}

/// Every lane of a pool.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    next_id: u64,
    workers: usize,
    /// The time used by the lane that was served last: nobody starts below it.
    floor: Duration,
    /// Tasks that have a worker.
    running: usize,
}

struct Lane {
    id: u64,
    waiting: VecDeque<Turn>,
    used: Duration,
    running: usize,
    restrained_until: Duration,
    /// Nobody submits to it any more; it goes when its last task has ended.
    is_closed: bool,
}

impl Lanes {
    pub fn of(workers: usize) -> Self {
        Self { workers, ..Self::default() }
    }

    /// A new lane, level with the one served last.
    pub fn open(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.lanes.push(Lane {
            id,
            waiting: VecDeque::new(),
            used: self.floor,
            running: 0,
            restrained_until: Duration::ZERO,
            is_closed: false,
        });
        id
    }

    /// Forgets the tasks that have not begun, and the lane once the others have ended.
    pub fn close(&mut self, id: u64) {
        if let Some(lane) = self.lane(id) {
            lane.is_closed = true;
            lane.waiting.retain(|turn| matches!(turn, Turn::GoOn(_)));
        }
        self.forget_ended();
    }

    pub fn submit(&mut self, id: u64, job: Job) {
        let floor = self.floor;
        if let Some(lane) = self.lane(id) {
            if lane.waiting.is_empty() {
                lane.used = lane.used.max(floor);
            }
            lane.waiting.push_back(Turn::Begin(job));
        }
    }

    /// Forgets all that waits.
    pub fn clear(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.waiting.clear());
    }

    /// The next that may have a worker, which it has from here on.
    pub fn next(&mut self, now: Duration) -> Option<(u64, Turn)> {
        let workers = self.workers;
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

    /// Whether a lane that has used less than this one could have its worker.
    pub fn others_wait(&self, id: u64, now: Duration) -> bool {
        let used = self.lanes.iter().find(|lane| lane.id == id).map(|lane| lane.used);
        let is_due = |lane: &&Lane| lane.id != id && lane.is_due(now, self.workers);
        self.lanes.iter().filter(is_due).any(|lane| Some(lane.used) < used)
    }

    /// Whether something waits for the end of its lane's restraint, not for a worker.
    pub fn is_held_back(&self) -> bool {
        self.running < self.workers && self.lanes.iter().any(|lane| !lane.waiting.is_empty())
    }

    pub fn account(&mut self, id: u64, used: Duration) {
        if let Some(lane) = self.lane(id) {
            lane.used += used;
        }
    }

    /// A call of this lane overran its time.
    pub fn restrain(&mut self, id: u64, now: Duration) {
        if let Some(lane) = self.lane(id) {
            lane.restrained_until = now + RESTRAINT;
        }
    }

    /// A task gives its worker away, until `call` calls it: before the tasks of its lane that have not begun, for
    /// they may need what it holds.
    pub fn stand_aside(&mut self, id: u64, call: SyncSender<()>) {
        if let Some(lane) = self.lane(id) {
            lane.waiting.push_front(Turn::GoOn(call));
        }
        self.leave(id);
    }

    /// A task has a worker.
    pub fn enter(&mut self, id: u64) {
        self.running += 1;
        if let Some(lane) = self.lane(id) {
            lane.running += 1;
        }
    }

    /// A task has none any more.
    pub fn leave(&mut self, id: u64) {
        self.running -= 1;
        if let Some(lane) = self.lane(id) {
            lane.running -= 1;
        }
        self.forget_ended();
    }

    fn lane(&mut self, id: u64) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.id == id)
    }

    fn forget_ended(&mut self) {
        let has_tasks = |lane: &Lane| lane.running > 0 || !lane.waiting.is_empty();
        self.lanes.retain(|lane| !lane.is_closed || has_tasks(lane));
    }
}

impl Lane {
    fn is_due(&self, now: Duration, workers: usize) -> bool {
        let is_restrained = now < self.restrained_until;
        let share = if is_restrained { (workers / 2).max(1) } else { workers };
        !self.waiting.is_empty() && self.running < share
    }
}
