//! The one place of this crate that reads the machine's clock.
//! **It measures, and never decides**: nothing that a guest sees depends on it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Measures time from its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[allow(clippy::disallowed_methods, reason = "the clock module")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Milliseconds since 1970-01-01 UTC, for people to read in listings.
#[allow(clippy::disallowed_methods, reason = "the clock module")]
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
