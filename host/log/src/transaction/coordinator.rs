//! Who holds a transactional id, and how its transactions end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use super::markers::{Marked, NEVER, has_marker, make_durable, wait_all, write_markers};
use super::record::{self, Status, Step};
use super::{Committed, Transaction, TransactionError};
use crate::batch::ControlKind;
use crate::fields::STRING_BYTES_MAX;
use crate::groups::{Change, Kind, Written};
use crate::identity::{Offset, ProducerEpoch, ProducerId, TopicPartition};
use crate::log::Core;
use crate::partition::{AppendError, Partition};

/// All transactional ids.
pub(crate) struct Coordinator {
    /// The only one of `__transaction_state`.
    pub(super) partition: Arc<Partition>,
    pub(super) entries: Mutex<HashMap<Arc<str>, Arc<Entry>>>,
    /// Committed transactions whose markers may not be durable yet.
    pub(super) unfinished: Mutex<Vec<Unfinished>>,
}

/// A committed transaction whose markers may not be durable yet. Only when they are may the
/// log forget that they are to be written.
#[derive(Clone)]
pub(super) struct Unfinished {
    pub step: Step,
    pub markers: Marked,
}

/// One transactional id.
pub(crate) struct Entry {
    /// Held while a transaction of the id begins or ends.
    pub(super) busy: tokio::sync::Mutex<()>,
    pub(super) holder: Mutex<Holder>,
}

/// Who holds the id.
pub(super) struct Holder {
    pub producer_id: ProducerId,
    pub epoch: ProducerEpoch,
    pub phase: Phase,
    /// Its handle was dropped.
    pub is_abandoned: bool,
}

/// How far the transaction is.
pub(super) enum Phase {
    Empty,
    Open(Open),
    /// The commit point was written, and is durable with everything before `prepared`.
    Committing {
        open: Open,
        prepared: Offset,
        marked: Marked,
    },
}

/// What an open transaction has touched.
#[derive(Clone, Default)]
pub(super) struct Open {
    pub since_ms: i64,
    pub partitions: BTreeMap<TopicPartition, Arc<Partition>>,
    /// Offsets that count with the commit.
    pub changes: Vec<Written>,
}

impl Entry {
    pub(super) fn new(producer_id: ProducerId, epoch: ProducerEpoch) -> Self {
        let holder = Holder { producer_id, epoch, phase: Phase::Empty, is_abandoned: false };
        Self { busy: tokio::sync::Mutex::default(), holder: Mutex::new(holder) }
    }

    /// Notes that the transaction of `epoch` writes to `partition`.
    pub(super) fn register(
        &self,
        id: &str,
        epoch: ProducerEpoch,
        partition: &Arc<Partition>,
    ) -> Result<(), TransactionError> {
        let mut holder = self.holder.lock();
        let is_current = holder.epoch == epoch;
        match &mut holder.phase {
            Phase::Open(open) if is_current => {
                open.partitions.insert(partition.at().clone(), partition.clone());
                Ok(())
            }
            _ => Err(TransactionError::Fenced { id: id.to_owned(), epoch }),
        }
    }

    /// Notes offsets that the transaction of `epoch` has written at `log_offset`.
    pub(super) fn add_changes(&self, epoch: ProducerEpoch, changes: &[Change], log_offset: Offset) {
        let mut holder = self.holder.lock();
        if holder.epoch != epoch {
            return;
        }
        if let Phase::Open(open) = &mut holder.phase {
            open.changes.extend(changes.iter().map(|change| (change.clone(), log_offset)));
        }
    }

    /// Notes that nobody will end the transaction of `epoch`.
    pub(super) fn abandon(&self, epoch: ProducerEpoch) {
        let mut holder = self.holder.lock();
        holder.is_abandoned |= holder.epoch == epoch;
    }

    /// What the transaction of `epoch` has touched, if it is still open.
    fn open_of(&self, epoch: ProducerEpoch) -> Option<Open> {
        let holder = self.holder.lock();
        match &holder.phase {
            Phase::Open(open) if holder.epoch == epoch => Some(open.clone()),
            _ => None,
        }
    }
}

impl Coordinator {
    /// The partition that transactions are noted in.
    pub(crate) fn log(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// The partitions for which a transaction that is not over has offsets of `group`.
    pub(crate) fn pending_offsets(&self, group: &str) -> Vec<TopicPartition> {
        let entries: Vec<_> = self.entries.lock().values().cloned().collect();
        let mut pending = Vec::new();
        for entry in entries {
            let holder = entry.holder.lock();
            if let Phase::Open(open) | Phase::Committing { open, .. } = &holder.phase {
                pending.extend(open.changes.iter().filter_map(|(change, _)| match &change.kind {
                    Kind::Offset { at, .. } if change.group == group => Some(at.clone()),
                    _ => None,
                }));
            }
        }
        pending.sort_unstable();
        pending.dedup();
        pending
    }

    /// Begins a transaction: earlier holders of `id` are fenced, what they left is ended.
    pub(crate) async fn begin(
        &self,
        core: &Arc<Core>,
        id: &str,
    ) -> Result<Transaction, TransactionError> {
        if id.is_empty() || id.len() > STRING_BYTES_MAX {
            return Err(TransactionError::Id { bytes: id.len() });
        }
        let (id, entry) = self.entry(core, id).await?;
        let _busy = entry.busy.lock().await;
        self.settle(core, &id, &entry).await?;
        let (producer_id, epoch) = next_epoch(core, &entry).await?;
        let mut holder = entry.holder.lock();
        holder.producer_id = producer_id;
        holder.epoch = epoch;
        holder.is_abandoned = false;
        let since_ms = core.environment.clock.now_ms();
        holder.phase = Phase::Open(Open { since_ms, ..Open::default() });
        drop(holder);
        Ok(Transaction::new(core.clone(), id, entry.clone(), producer_id, epoch))
    }

    async fn entry(
        &self,
        core: &Arc<Core>,
        id: &str,
    ) -> Result<(Arc<str>, Arc<Entry>), TransactionError> {
        if let Some((id, entry)) = self.entries.lock().get_key_value(id) {
            return Ok((id.clone(), entry.clone()));
        }
        let producer_id = allocate(core).await?;
        let mut entries = self.entries.lock();
        let id: Arc<str> = id.into();
        // Another may have been faster; its producer id counts, ours is never used.
        let fresh = || Arc::new(Entry::new(producer_id, ProducerEpoch::NONE));
        let entry = entries.entry(id.clone()).or_insert_with(fresh).clone();
        Ok((id, entry))
    }

    /// Ends what an earlier holder left: commits what is past its commit point, aborts the rest.
    ///
    /// `entry.busy` must be held.
    pub(super) async fn settle(
        &self,
        core: &Arc<Core>,
        id: &Arc<str>,
        entry: &Entry,
    ) -> Result<(), TransactionError> {
        let prepared = {
            let mut holder = entry.holder.lock();
            match &holder.phase {
                Phase::Empty => return Ok(()),
                Phase::Committing { prepared, .. } => Some(*prepared),
                Phase::Open(_) => {
                    // From here on the old holder can register nothing.
                    holder.epoch = ProducerEpoch::new(holder.epoch.get().saturating_add(1));
                    None
                }
            }
        };
        match prepared {
            Some(prepared) => self.finish(core, id, entry, prepared).await.map(drop),
            None => self.abort_open(core, entry).await,
        }
    }

    /// Commits the transaction of `epoch`.
    pub(super) async fn commit(
        &self,
        core: &Arc<Core>,
        id: &Arc<str>,
        entry: &Entry,
        epoch: ProducerEpoch,
    ) -> Result<Committed, TransactionError> {
        let _busy = entry.busy.lock().await;
        let fenced = || TransactionError::Fenced { id: id.to_string(), epoch };
        let open = entry.open_of(epoch).ok_or_else(fenced)?;
        let ready = match self.partition.check_writable() {
            Ok(()) => make_durable(&open).await,
            poisoned => poisoned,
        };
        if let Err(error) = ready {
            return Err(self.give_up(core, entry, error).await);
        }
        let prepared = {
            let _no_rewrite = core.rewrites.read().await;
            self.prepare(core, id, entry, &open)
        };
        match prepared {
            Ok(prepared) => self.finish(core, id, entry, prepared).await,
            // A part of the record may be on disk, or all of it: no marker may be written.
            Err(source @ AppendError::Poisoned { .. }) => {
                Err(TransactionError::Unknown { id: id.to_string(), source })
            }
            Err(error) => Err(self.give_up(core, entry, error).await),
        }
    }

    /// Writes the commit point, together with news of earlier transactions.
    fn prepare(
        &self,
        core: &Core,
        id: &Arc<str>,
        entry: &Entry,
        open: &Open,
    ) -> Result<Offset, AppendError> {
        let mut holder = entry.holder.lock();
        let now_ms = core.environment.clock.now_ms();
        let finished = self.take_finished();
        let mut steps: Vec<_> = finished.iter().map(completed).collect();
        steps.push(prepare_step(id, &holder, open, now_ms));
        let written = self.write(core, &steps, now_ms);
        let prepared = match &written {
            Ok(prepared) => Some(*prepared),
            // As far as this process can tell: the next start decides.
            Err(AppendError::Poisoned { .. }) => Some(NEVER),
            Err(_) => None,
        };
        if let Some(prepared) = prepared {
            // Without an await in between: whoever finds it unwritten may abort.
            let (open, marked) = (open.clone(), Marked::new());
            holder.phase = Phase::Committing { open, prepared, marked };
        }
        if written.is_err() {
            self.unfinished.lock().extend(finished);
        }
        written
    }

    /// Waits for the commit point, then tells the readers of all partitions.
    async fn finish(
        &self,
        core: &Arc<Core>,
        id: &Arc<str>,
        entry: &Entry,
        prepared: Offset,
    ) -> Result<Committed, TransactionError> {
        let durable = self.partition.wait_durable(prepared).await;
        durable.map_err(|source| TransactionError::Unknown { id: id.to_string(), source })?;
        let marked = {
            let _no_rewrite = core.rewrites.read().await;
            self.mark_committed(core, id, &mut entry.holder.lock())
        };
        let unfinished = |source| TransactionError::Unfinished { id: id.to_string(), source };
        let (committed, hidden) = marked.map_err(unfinished)?;
        wait_all(hidden).await.map_err(unfinished)?;
        Ok(committed)
    }

    /// Writes the markers, and lets the offsets count. Returns what readers do not see yet.
    fn mark_committed(
        &self,
        core: &Core,
        id: &str,
        holder: &mut Holder,
    ) -> Result<(Committed, Marked), AppendError> {
        let (producer_id, epoch) = (holder.producer_id, holder.epoch);
        let Phase::Committing { open, marked, .. } = &mut holder.phase else {
            unreachable!("only a transaction past its commit point is marked committed");
        };
        let written = write_markers(open, marked, ControlKind::Commit, producer_id, epoch);
        let offsets = core.groups.partition().at();
        if has_marker(marked, offsets) {
            core.groups.apply(std::mem::take(&mut open.changes));
        }
        if let (Some(error), true) = (&written.error, written.is_partial) {
            // It stays committed: `maintain`, or the next start, writes what is missing.
            return Err(error.clone());
        }
        let ends = marked.iter().map(|(partition, end)| (partition.at().clone(), *end));
        let committed = Committed { producer_id, epoch, ends: ends.collect() };
        let (open, markers) = (std::mem::take(open), std::mem::take(marked));
        let step = prepare_step(id, holder, &open, core.environment.clock.now_ms());
        self.unfinished.lock().push(Unfinished { step, markers });
        holder.phase = Phase::Empty;
        core.metrics.committed();
        match written.error {
            Some(error) => Err(error),
            None => Ok((committed, written.hidden)),
        }
    }

    /// Aborts the transaction of `epoch`.
    pub(super) async fn abort(
        &self,
        core: &Arc<Core>,
        id: &Arc<str>,
        entry: &Entry,
        epoch: ProducerEpoch,
    ) -> Result<(), TransactionError> {
        let _busy = entry.busy.lock().await;
        if entry.open_of(epoch).is_none() {
            return Err(TransactionError::Fenced { id: id.to_string(), epoch });
        }
        self.abort_open(core, entry).await
    }

    /// Aborts what is open, with the epoch that the holder has now.
    pub(super) async fn abort_open(
        &self,
        core: &Core,
        entry: &Entry,
    ) -> Result<(), TransactionError> {
        let written = {
            let _no_rewrite = core.rewrites.read().await;
            let mut holder = entry.holder.lock();
            let (producer_id, epoch) = (holder.producer_id, holder.epoch);
            let Phase::Open(open) = &mut holder.phase else { return Ok(()) };
            let mut marked = Marked::new();
            let written = write_markers(open, &mut marked, ControlKind::Abort, producer_id, epoch);
            if written.is_partial {
                // `maintain` goes on with the others.
                open.partitions.retain(|at, _| !has_marker(&marked, at));
                holder.is_abandoned = true;
            } else {
                holder.phase = Phase::Empty;
                core.metrics.aborted();
            }
            written
        };
        if let Some(error) = written.error {
            return Err(error.into());
        }
        wait_all(written.hidden).await.map_err(TransactionError::from)
    }

    /// Aborts after `error`, which is what the caller hears.
    async fn give_up(&self, core: &Core, entry: &Entry, error: AppendError) -> TransactionError {
        if let Err(abort) = self.abort_open(core, entry).await {
            tracing::warn!(error = %abort, "abort after a failed commit");
        }
        error.into()
    }

    /// Writes `steps`; they are durable with everything before the returned offset.
    pub(super) fn write(
        &self,
        core: &Core,
        steps: &[Step],
        now_ms: i64,
    ) -> Result<Offset, AppendError> {
        let timeout_ms = core.config.transaction_timeout_ms;
        match record::encode(steps, timeout_ms, now_ms) {
            Some(batch) => Ok(self.partition.write(batch)?.end),
            None => Ok(self.partition.end()),
        }
    }

    /// Those whose markers are durable by now.
    pub(super) fn take_finished(&self) -> Vec<Unfinished> {
        let mut unfinished = self.unfinished.lock();
        let all = std::mem::take(&mut *unfinished);
        let (finished, rest) = all.into_iter().partition(Unfinished::is_durable);
        *unfinished = rest;
        finished
    }
}

impl Unfinished {
    fn is_durable(&self) -> bool {
        let durable = |(partition, end): &(Arc<Partition>, Offset)| match partition.is_durable(*end)
        {
            Ok(durable) => durable,
            // What was deleted needs no marker.
            Err(AppendError::Deleted { .. }) => true,
            Err(_) => false,
        };
        self.markers.iter().all(durable)
    }
}

pub(super) fn completed(unfinished: &Unfinished) -> Step {
    Step { status: Status::CompleteCommit, partitions: Vec::new(), ..unfinished.step.clone() }
}

fn prepare_step(id: &str, holder: &Holder, open: &Open, at_ms: i64) -> Step {
    Step {
        id: id.to_owned(),
        producer_id: holder.producer_id,
        epoch: holder.epoch,
        status: Status::PrepareCommit,
        partitions: open.partitions.keys().cloned().collect(),
        at_ms,
    }
}

/// The epoch of the next transaction; a new producer when the epochs are used up.
async fn next_epoch(
    core: &Arc<Core>,
    entry: &Entry,
) -> Result<(ProducerId, ProducerEpoch), TransactionError> {
    let (producer_id, epoch) = {
        let holder = entry.holder.lock();
        (holder.producer_id, holder.epoch.get())
    };
    // One epoch is kept in reserve for fencing.
    if epoch < i16::MAX - 2 {
        return Ok((producer_id, ProducerEpoch::new(epoch + 1)));
    }
    Ok((allocate(core).await?, ProducerEpoch::new(0)))
}

async fn allocate(core: &Arc<Core>) -> Result<ProducerId, TransactionError> {
    let shared = core.clone();
    let work = move || shared.producer_ids.allocate(&shared.environment);
    let allocated = core.environment.blocking.start(work).await;
    allocated.map_err(|source| TransactionError::ProducerId { source })
}
