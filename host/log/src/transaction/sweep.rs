//! What the coordinator does from time to time.

use std::sync::Arc;

use super::coordinator::{Coordinator, Entry, Phase, completed};
use super::record::{Status, Step};
use crate::identity::ProducerEpoch;
use crate::log::Core;
use crate::partition::{AppendError, DeleteError};

impl Coordinator {
    /// Ends transactions that nobody will end, and forgets those that are over.
    pub(crate) async fn maintain(&self, core: &Arc<Core>) {
        self.sweep(core).await;
        if let Err(error) = self.complete(core).await {
            tracing::warn!(%error, "completed transactions not noted");
        }
    }

    async fn sweep(&self, core: &Arc<Core>) {
        let now_ms = core.environment.clock.now_ms();
        let timeout_ms = core.config.transaction_timeout_ms;
        let entries: Vec<_> = {
            let entries = self.entries.lock();
            entries.iter().map(|(id, entry)| (id.clone(), entry.clone())).collect()
        };
        for (id, entry) in entries {
            // One that begins or ends just now needs no sweeping.
            let Ok(_busy) = entry.busy.try_lock() else { continue };
            if !needs_sweeping(&entry, now_ms, timeout_ms) {
                continue;
            }
            match self.settle(core, &id, &entry).await {
                Ok(()) => tracing::warn!(transactional_id = %id, "abandoned transaction ended"),
                Err(error) => {
                    tracing::warn!(transactional_id = %id, %error, "abandoned transaction not ended");
                }
            }
        }
    }

    /// Makes the markers of committed transactions durable, then notes that nothing is left
    /// to do for them.
    pub(crate) async fn complete(&self, core: &Arc<Core>) -> Result<(), AppendError> {
        let markers: Vec<_> = {
            let unfinished = self.unfinished.lock();
            unfinished.iter().flat_map(|transaction| transaction.markers.clone()).collect()
        };
        for (partition, end) in markers {
            // A partition that cannot be synced keeps its transactions unfinished, not others'.
            let _ = partition.wait_durable(end).await;
        }
        let _no_rewrite = core.rewrites.read().await;
        let finished = self.take_finished();
        let steps: Vec<_> = finished.iter().map(completed).collect();
        let written = self.write(core, &steps, core.environment.clock.now_ms());
        if written.is_err() {
            self.unfinished.lock().extend(finished);
        }
        written.map(drop)
    }

    /// The steps that make an empty log of transactions this one. No transaction may begin its
    /// commit meanwhile.
    fn snapshot(&self, now_ms: i64) -> Vec<Step> {
        let mut steps: Vec<_> =
            self.unfinished.lock().iter().map(|transaction| transaction.step.clone()).collect();
        for (id, entry) in self.entries.lock().iter() {
            let holder = entry.holder.lock();
            let (status, partitions) = match &holder.phase {
                Phase::Committing { open, .. } => {
                    (Status::PrepareCommit, open.partitions.keys().cloned().collect())
                }
                Phase::Empty | Phase::Open(_) => (Status::Empty, Vec::new()),
            };
            // An id that has never begun has nothing to be remembered.
            if holder.epoch != ProducerEpoch::NONE {
                steps.push(Step {
                    id: id.to_string(),
                    producer_id: holder.producer_id,
                    epoch: holder.epoch,
                    status,
                    partitions,
                    at_ms: now_ms,
                });
            }
        }
        steps
    }

    /// Writes what counts to the end of the log of transactions, and deletes what is before.
    ///
    /// `core.rewrites` must be held for writing.
    pub(crate) async fn rewrite(&self, core: &Arc<Core>) -> Result<(), DeleteError> {
        let now_ms = core.environment.clock.now_ms();
        let start = self.partition.end();
        for steps in self.snapshot(now_ms).chunks(STEPS_PER_BATCH_MAX) {
            self.write(core, steps, now_ms)?;
        }
        self.partition.forget_before(start).await
    }
}

/// So that a batch stays well below its limit.
const STEPS_PER_BATCH_MAX: usize = 50;

fn needs_sweeping(entry: &Entry, now_ms: i64, timeout_ms: u64) -> bool {
    let holder = entry.holder.lock();
    match &holder.phase {
        Phase::Empty => false,
        Phase::Open(open) => {
            let age_ms = u64::try_from(now_ms.saturating_sub(open.since_ms)).unwrap_or(0);
            holder.is_abandoned || age_ms > timeout_ms
        }
        // Its commit was cancelled, or met a full disk.
        Phase::Committing { .. } => true,
    }
}
