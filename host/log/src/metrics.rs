//! Counters that a server can export, updated once a batch.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The upper bounds of the buckets of sync latency, in microseconds; one more has no bound.
pub const SYNC_BUCKETS_MICROS: [u64; 11] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 1_000_000];

/// What the log has done since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsSnapshot {
    /// Batches appended.
    pub appends_total: u64,
    /// Their bytes.
    pub append_bytes_total: u64,
    /// Their records.
    pub append_records_total: u64,
    /// Batches that an idempotent producer had sent before.
    pub duplicates_total: u64,
    /// Reads.
    pub reads_total: u64,
    /// Bytes returned by them.
    pub read_bytes_total: u64,
    /// Rounds of fdatasync.
    pub syncs_total: u64,
    /// The time spent in them.
    pub sync_micros_total: u64,
    /// How many rounds took at most [`SYNC_BUCKETS_MICROS`] (not cumulative); the last: longer.
    pub sync_buckets: [u64; SYNC_BUCKETS_MICROS.len() + 1],
    /// Transactions committed.
    pub commits_total: u64,
    /// Transactions aborted.
    pub aborts_total: u64,
    /// Partitions whose torn tail was cut off when the log was opened.
    pub truncations_total: u64,
    /// Partitions that take no more appends until the log is opened again.
    pub poisoned_partitions: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    appends: AtomicU64,
    append_bytes: AtomicU64,
    append_records: AtomicU64,
    duplicates: AtomicU64,
    reads: AtomicU64,
    read_bytes: AtomicU64,
    syncs: AtomicU64,
    sync_micros: AtomicU64,
    sync_buckets: [AtomicU64; SYNC_BUCKETS_MICROS.len() + 1],
    commits: AtomicU64,
    aborts: AtomicU64,
    truncations: AtomicU64,
    poisoned: AtomicU64,
}

impl Metrics {
    pub(crate) fn appended(&self, bytes: u64, records: u64) {
        self.appends.fetch_add(1, Relaxed);
        self.append_bytes.fetch_add(bytes, Relaxed);
        self.append_records.fetch_add(records, Relaxed);
    }

    pub(crate) fn duplicate(&self) {
        self.duplicates.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self, bytes: u64) {
        self.reads.fetch_add(1, Relaxed);
        self.read_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn synced(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.syncs.fetch_add(1, Relaxed);
        self.sync_micros.fetch_add(micros, Relaxed);
        let bucket = SYNC_BUCKETS_MICROS.partition_point(|&bound| bound < micros);
        if let Some(count) = self.sync_buckets.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn committed(&self) {
        self.commits.fetch_add(1, Relaxed);
    }

    pub(crate) fn aborted(&self) {
        self.aborts.fetch_add(1, Relaxed);
    }

    pub(crate) fn truncated(&self) {
        self.truncations.fetch_add(1, Relaxed);
    }

    pub(crate) fn poisoned(&self) {
        self.poisoned.fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot {
            appends_total: self.appends.load(Relaxed),
            append_bytes_total: self.append_bytes.load(Relaxed),
            append_records_total: self.append_records.load(Relaxed),
            duplicates_total: self.duplicates.load(Relaxed),
            reads_total: self.reads.load(Relaxed),
            read_bytes_total: self.read_bytes.load(Relaxed),
            syncs_total: self.syncs.load(Relaxed),
            sync_micros_total: self.sync_micros.load(Relaxed),
            sync_buckets: std::array::from_fn(|index| {
                self.sync_buckets.get(index).map_or(0, |count| count.load(Relaxed))
            }),
            commits_total: self.commits.load(Relaxed),
            aborts_total: self.aborts.load(Relaxed),
            truncations_total: self.truncations.load(Relaxed),
            poisoned_partitions: self.poisoned.load(Relaxed),
        }
    }
}
