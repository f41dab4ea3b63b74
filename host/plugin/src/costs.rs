//! What an operator's plugin costs, counted per call and never per record.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::Serialize;

/// A snapshot of an operator's costs since it was made.
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
    /// Bytes handed over.
    pub bytes_in: u64,
    /// Bytes given back.
    pub bytes_out: u64,
    /// Time in the guest, with lowering and checking, without the reader of the result.
    pub guest_time: Duration,
    /// Instances started.
    pub instances_started: u64,
    /// Instances dropped, for an error or for too much memory.
    pub instances_dropped: u64,
    /// The most memory that one instance ever had.
    pub memory_bytes_high: u64,
}

/// Where the costs are counted.
#[derive(Debug, Default)]
pub(crate) struct CostMeter {
    calls: AtomicU64,
    failed_calls: AtomicU64,
    records_in: AtomicU64,
    records_out: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    guest_ns: AtomicU64,
    instances_started: AtomicU64,
    instances_dropped: AtomicU64,
    memory_bytes_high: AtomicU64,
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

    pub(crate) fn call_failed(&self) {
        self.failed_calls.fetch_add(1, Relaxed);
    }

    pub(crate) fn spent(&self, in_guest: Duration, memory_bytes: usize) {
        let ns = u64::try_from(in_guest.as_nanos()).unwrap_or(u64::MAX);
        self.guest_ns.fetch_add(ns, Relaxed);
        self.memory_bytes_high.fetch_max(memory_bytes as u64, Relaxed);
    }

    pub(crate) fn instance_started(&self) {
        self.instances_started.fetch_add(1, Relaxed);
    }

    pub(crate) fn instance_dropped(&self) {
        self.instances_dropped.fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Costs {
        Costs {
            calls: self.calls.load(Relaxed),
            failed_calls: self.failed_calls.load(Relaxed),
            records_in: self.records_in.load(Relaxed),
            records_out: self.records_out.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            guest_time: Duration::from_nanos(self.guest_ns.load(Relaxed)),
            instances_started: self.instances_started.load(Relaxed),
            instances_dropped: self.instances_dropped.load(Relaxed),
            memory_bytes_high: self.memory_bytes_high.load(Relaxed),
        }
    }
}
