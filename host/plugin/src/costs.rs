//! What an operator's plugin costs, counted per call and never per record.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

/// An operator's costs since it was made, or between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Costs {
    /// Calls that began.
    pub calls: u64,
    /// Calls that failed.
    pub failed_calls: u64,
    /// Records (or groups) handed over.
    pub records_in: u64,
    /// Records (or groups) given back.
    pub records_out: u64,
    /// Records that the plugin rejected.
    pub rejected: u64,
    /// Bytes handed over.
    pub bytes_in: u64,
    /// Bytes given back.
    pub bytes_out: u64,
    /// Time in the guest, without the reader of the result.
    pub guest_time: Duration,
    /// Time to lower parameters into the guest and to check what it returned.
    pub boundary_time: Duration,
    /// Instances started.
    pub instances_started: u64,
    /// Instances dropped, for an error or for too much memory.
    pub instances_dropped: u64,
    /// Lines of its log that were left out.
    pub log_lines_dropped: u64,
    /// Updates of its own metrics that were left out.
    pub metric_updates_dropped: u64,
    /// The most memory that one instance ever had; never the difference of two moments.
    pub memory_bytes_high: u64,
}

impl Costs {
    /// What was added after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(earlier.calls),
            failed_calls: self.failed_calls.saturating_sub(earlier.failed_calls),
            records_in: self.records_in.saturating_sub(earlier.records_in),
            records_out: self.records_out.saturating_sub(earlier.records_out),
            rejected: self.rejected.saturating_sub(earlier.rejected),
            bytes_in: self.bytes_in.saturating_sub(earlier.bytes_in),
            bytes_out: self.bytes_out.saturating_sub(earlier.bytes_out),
            guest_time: self.guest_time.saturating_sub(earlier.guest_time),
            boundary_time: self.boundary_time.saturating_sub(earlier.boundary_time),
            instances_started: self.instances_started.saturating_sub(earlier.instances_started),
            instances_dropped: self.instances_dropped.saturating_sub(earlier.instances_dropped),
            log_lines_dropped: self.log_lines_dropped.saturating_sub(earlier.log_lines_dropped),
            metric_updates_dropped: self
                .metric_updates_dropped
                .saturating_sub(earlier.metric_updates_dropped),
            memory_bytes_high: self.memory_bytes_high,
        }
    }
}

/// Where the costs are counted.
#[derive(Debug, Default)]
pub(crate) struct CostMeter {
    calls: AtomicU64,
    failed_calls: AtomicU64,
    records_in: AtomicU64,
    records_out: AtomicU64,
    rejected: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    guest_ns: AtomicU64,
    boundary_ns: AtomicU64,
    instances_started: AtomicU64,
    instances_dropped: AtomicU64,
    memory_bytes_high: AtomicU64,
    /// What was told already by [`CostMeter::news`].
    told: Mutex<Costs>,
}

/// Records and bytes that crossed the boundary in one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Volume {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

impl CostMeter {
    pub(crate) fn call_began(&self, given: Volume) {
        self.calls.fetch_add(1, Relaxed);
        self.records_in.fetch_add(given.records as u64, Relaxed);
        self.bytes_in.fetch_add(given.bytes as u64, Relaxed);
    }

    pub(crate) fn call_returned(&self, returned: Volume) {
        self.records_out.fetch_add(returned.records as u64, Relaxed);
        self.bytes_out.fetch_add(returned.bytes as u64, Relaxed);
    }

    pub(crate) fn rejected(&self, records: usize) {
        self.rejected.fetch_add(records as u64, Relaxed);
    }

    pub(crate) fn call_failed(&self) {
        self.failed_calls.fetch_add(1, Relaxed);
    }

    pub(crate) fn spent(&self, in_guest: Duration, at_boundary: Duration, memory_bytes: usize) {
        self.guest_ns.fetch_add(nanos(in_guest), Relaxed);
        self.boundary_ns.fetch_add(nanos(at_boundary), Relaxed);
        self.memory_bytes_high.fetch_max(memory_bytes as u64, Relaxed);
    }

    pub(crate) fn instance_started(&self) {
        self.instances_started.fetch_add(1, Relaxed);
    }

    pub(crate) fn instance_dropped(&self) {
        self.instances_dropped.fetch_add(1, Relaxed);
    }

    /// All counts; what a guest's words and metrics lost is counted where they are kept.
    pub(crate) fn snapshot(&self, log_lines_dropped: u64, metric_updates_dropped: u64) -> Costs {
        Costs {
            calls: self.calls.load(Relaxed),
            failed_calls: self.failed_calls.load(Relaxed),
            records_in: self.records_in.load(Relaxed),
            records_out: self.records_out.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            guest_time: Duration::from_nanos(self.guest_ns.load(Relaxed)),
            boundary_time: Duration::from_nanos(self.boundary_ns.load(Relaxed)),
            instances_started: self.instances_started.load(Relaxed),
            instances_dropped: self.instances_dropped.load(Relaxed),
            log_lines_dropped,
            metric_updates_dropped,
            memory_bytes_high: self.memory_bytes_high.load(Relaxed),
        }
    }

    /// What `now` has more than the last time this was asked.
    pub(crate) fn news(&self, now: Costs) -> Costs {
        let mut told = self.told.lock();
        let news = now.since(&told);
        *told = now;
        news
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
