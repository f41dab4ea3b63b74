//! Time, injected. **Only this module reads the machine's clocks.**

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock and a clock that never goes back.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01 UTC. May jump.
    fn now_ms(&self) -> i64;

    /// Time since some fixed moment. Never goes back; for durations only.
    fn elapsed(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct RealClock {
    started: Instant,
}

impl RealClock {
    /// A clock whose [`Clock::elapsed`] starts now.
    #[allow(clippy::disallowed_methods)] // The one place that reads the machine's clocks.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for RealClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for RealClock {
    #[allow(clippy::disallowed_methods)] // As above.
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
