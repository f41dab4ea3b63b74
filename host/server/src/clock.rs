//! The machine's clocks. **No other module of the binary reads them.**
#![allow(clippy::disallowed_methods)]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// For measuring how long something takes.
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970-01-01 UTC; 0 where the machine's clock stands before that.
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
