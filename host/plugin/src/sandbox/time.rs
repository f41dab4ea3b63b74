//! The guest's clocks.

/// Monotonic time at the start of every call.
const MONOTONIC_START_NS: u64 = 1_000_000_000;

/// What each reading adds, so that a loop that waits for time to pass ends.
const READING_NS: u64 = 1_000;

/// The batch's time, and a monotonic clock that only the guest itself moves.
#[derive(Debug, Clone)]
pub(crate) struct VirtualTime {
    wall_ms: u64,
    monotonic_ns: u64,
}

impl VirtualTime {
    /// Time before 1970 is 1970: WASI cannot express it.
    pub(crate) fn at(time_ms: i64) -> Self {
        Self { wall_ms: time_ms.try_into().unwrap_or(0), monotonic_ns: MONOTONIC_START_NS }
    }

    /// Seconds and nanoseconds since 1970-01-01 UTC.
    pub(crate) fn wall(&self) -> (u64, u32) {
        // Below 10^9.
        (self.wall_ms / 1_000, (self.wall_ms % 1_000) as u32 * 1_000_000)
    }

    pub(crate) fn monotonic(&mut self) -> u64 {
        self.monotonic_ns = self.monotonic_ns.saturating_add(READING_NS);
        self.monotonic_ns
    }

    /// A sleep until `instant` is over at once.
    pub(crate) fn pass_until(&mut self, instant: u64) {
        self.monotonic_ns = self.monotonic_ns.max(instant);
    }

    pub(crate) fn has_passed(&self, instant: u64) -> bool {
        self.monotonic_ns >= instant
    }

    pub(crate) fn in_future(&self, duration: u64) -> u64 {
        self.monotonic_ns.saturating_add(duration)
    }
}
