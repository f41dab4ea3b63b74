//! A clock that moves only when it is told to.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use crate::clock::Clock;

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct SimulatedClock {
    started_ms: i64,
    now_ms: AtomicI64,
}

impl SimulatedClock {
    /// A clock that stands at `now_ms`.
    pub const fn new(now_ms: i64) -> Self {
        Self { started_ms: now_ms, now_ms: AtomicI64::new(now_ms) }
    }

    /// Lets time pass.
    pub fn advance_ms(&self, by_ms: i64) {
        self.now_ms.fetch_add(by_ms, SeqCst);
    }
}

impl Clock for SimulatedClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(SeqCst)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now_ms().abs_diff(self.started_ms))
    }
}
