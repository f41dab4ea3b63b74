//! The instances of one operator: those that wait, and how many are at work.
//! **No more than `instances_max` are at work at a time**; a call above that waits for one to end.
//! Operators are called in the order of a graph without cycles, so that this never comes round.

use parking_lot::{Condvar, Mutex};

use crate::instance::{Instance, StartError};
use crate::limits::Limits;

/// See the module.
pub(crate) struct Instances {
    working_max: usize,
    idle_max: usize,
    now: Mutex<Now>,
    freed: Condvar,
}

struct Now {
    /// Configured, and needed by no call.
    idle: Vec<Instance>,
    working: usize,
}

/// An instance that works for a call. Dropping it drops the instance.
pub(crate) struct Taken<'a> {
    instance: Instance,
    place: Place<'a>,
}

/// One of the places of those that are at work; free again when it is dropped, also by a panic.
struct Place<'a>(&'a Instances);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.now.lock().working -= 1;
        self.0.freed.notify_one();
    }
}

impl Instances {
    pub(crate) fn new(limits: &Limits) -> Self {
        let working_max = limits.instances_max.max(1);
        Self {
            working_max,
            idle_max: limits.idle_instances_max.min(working_max),
            now: Mutex::new(Now { idle: Vec::new(), working: 0 }),
            freed: Condvar::new(),
        }
    }

    /// An idle instance, or a new one; waits while too many are at work.
    pub(crate) fn take(
        &self,
        start: impl FnOnce() -> Result<Instance, StartError>,
    ) -> Result<Taken<'_>, StartError> {
        let idle = {
            let mut now = self.now.lock();
            self.freed.wait_while(&mut now, |now| now.working >= self.working_max);
            now.working += 1;
            now.idle.pop()
        };
        let place = Place(self);
        let instance = idle.map_or_else(start, Ok)?;
        Ok(Taken { instance, place })
    }

    /// Keeps an instance for later, if there is room.
    pub(crate) fn keep(&self, instance: Instance) {
        let mut now = self.now.lock();
        if now.idle.len() < self.idle_max {
            now.idle.push(instance);
        }
    }

    /// Drops an idle one to make room for another operator's.
    pub(crate) fn drop_idle(&self) -> bool {
        let instance = self.now.lock().idle.pop();
        instance.is_some()
    }
}

impl Taken<'_> {
    pub(crate) fn instance(&mut self) -> &mut Instance {
        &mut self.instance
    }

    pub(crate) fn is_worn(&self, limits: &Limits) -> bool {
        self.instance.is_worn(limits)
    }

    /// Sound, and free for the next call.
    pub(crate) fn put_back(self) {
        let Self { instance, place } = self;
        place.0.keep(instance);
    }
}
