//! Finishes or aborts the transactions that a crash has left.
//!
//! **A transaction is committed if and only if its commit point is in the log**; the marker
//! is then written to the partitions that lost it. All others are aborted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use super::coordinator::{Coordinator, Entry, Unfinished, completed};
use super::markers::Marked;
use super::record::{self, Status, Step};
use crate::batch::{Batches, ControlKind};
use crate::identity::{Offset, ProducerEpoch, ProducerId};
use crate::open::OpenError;
use crate::partition::{Isolation, OpenTransaction, Partition};

/// How much is read at once.
const READ_BYTES: usize = 4 << 20;

/// One transaction: no other has the same pair.
type Key = (ProducerId, ProducerEpoch);

/// What the log of transactions says.
#[derive(Default)]
struct Replay {
    holders: HashMap<String, Key>,
    /// Past their commit point, and perhaps without all markers.
    prepared: BTreeMap<Key, Step>,
}

/// What the coordinator starts with.
pub(crate) struct Recovered {
    pub coordinator: Coordinator,
    /// All producer ids in use are below it.
    pub producer_ids_end: i64,
}

impl Coordinator {
    /// Reads the log of transactions, and ends all that are open in `partitions`.
    pub(crate) async fn recover(
        partition: Arc<Partition>,
        partitions: &[Arc<Partition>],
        timeout_ms: u64,
        now_ms: i64,
    ) -> Result<Recovered, OpenError> {
        let replay = replay(&partition)?;
        let unfinished = end_open(partitions, &replay).await?;
        let epochs = newest_epochs(partitions, &replay);
        let producer_ids_end = epochs.keys().next_back().map_or(0, |id| id.get() + 1);
        let entries = replay.holders.into_iter().map(|(id, (producer_id, _))| {
            let epoch = epochs.get(&producer_id).copied().unwrap_or(ProducerEpoch::NONE);
            (Arc::from(id), Arc::new(Entry::new(producer_id, epoch)))
        });
        let coordinator = Self {
            partition,
            entries: Mutex::new(entries.collect()),
            unfinished: Mutex::default(),
        };
        coordinator.note_finished(&unfinished, timeout_ms, now_ms).await?;
        Ok(Recovered { coordinator, producer_ids_end })
    }

    /// The markers are durable: no later start has to look for them.
    async fn note_finished(
        &self,
        finished: &[Unfinished],
        timeout_ms: u64,
        now_ms: i64,
    ) -> Result<(), OpenError> {
        let steps: Vec<_> = finished.iter().map(completed).collect();
        if let Some(batch) = record::encode(&steps, timeout_ms, now_ms) {
            let written = self.partition.write(batch)?;
            self.partition.wait_durable(written.end).await?;
        }
        Ok(())
    }
}

fn replay(partition: &Arc<Partition>) -> Result<Replay, OpenError> {
    let mut replay = Replay::default();
    let mut from = partition.offsets().log_start;
    loop {
        let fetched = partition.read(from, READ_BYTES, Isolation::Uncommitted)?;
        if fetched.bytes.is_empty() {
            return Ok(replay);
        }
        for batch in Batches::new(&fetched.bytes).flatten() {
            let offset = batch.header().base_offset;
            for step in record::decode_batch(&batch) {
                replay.apply(step.ok_or(OpenError::TransactionRecord { offset })?);
            }
        }
        from = fetched.next;
    }
}

impl Replay {
    fn apply(&mut self, step: Step) {
        let key = (step.producer_id, step.epoch);
        let newest = self.holders.entry(step.id.clone()).or_insert(key);
        // News of an earlier transaction may come after those of a later one.
        if newest.0 < key.0 || (newest.0 == key.0 && newest.1 < key.1) {
            *newest = key;
        }
        match step.status {
            Status::PrepareCommit => {
                self.prepared.insert(key, step);
            }
            Status::CompleteCommit => {
                self.prepared.remove(&key);
            }
            Status::Empty => {}
        }
    }
}

/// Decides how a transaction that is open in a partition ends: pure.
fn decide_end(open: &OpenTransaction, prepared: &BTreeMap<Key, Step>) -> ControlKind {
    if prepared.contains_key(&(open.producer_id, open.epoch)) {
        ControlKind::Commit
    } else {
        ControlKind::Abort
    }
}

/// Writes the missing markers and makes all of them durable; returns what is prepared.
async fn end_open(
    partitions: &[Arc<Partition>],
    replay: &Replay,
) -> Result<Vec<Unfinished>, OpenError> {
    let mut ends: Vec<(Arc<Partition>, Offset)> = Vec::new();
    for partition in partitions {
        for open in partition.open_transactions() {
            let kind = decide_end(&open, &replay.prepared);
            let marked = partition.write_marker(kind, open.producer_id, open.epoch)?;
            tracing::info!(
                partition = %partition.at(), producer_id = %open.producer_id, epoch = %open.epoch,
                first_offset = %open.first, end = ?kind, "transaction ended after a crash"
            );
            ends.push((partition.clone(), marked.end));
        }
    }
    for (partition, end) in ends {
        partition.wait_durable(end).await?;
    }
    let unfinished = |step: &Step| Unfinished { step: step.clone(), markers: Marked::new() };
    Ok(replay.prepared.values().map(unfinished).collect())
}

/// The newest epoch of every producer that anybody remembers.
fn newest_epochs(
    partitions: &[Arc<Partition>],
    replay: &Replay,
) -> BTreeMap<ProducerId, ProducerEpoch> {
    let mut newest = BTreeMap::new();
    let written = partitions.iter().flat_map(|partition| partition.producer_epochs());
    for (id, epoch) in replay.holders.values().copied().chain(written) {
        let known = newest.entry(id).or_insert(epoch);
        *known = epoch.max(*known);
    }
    newest
}
