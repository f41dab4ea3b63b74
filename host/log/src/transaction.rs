//! Transactions: records in many partitions, and offsets of groups, that count together.
//!
//! **The commit point is one record in `__transaction_state`, durable only after all data
//! is.** Then a marker in every partition tells readers. Whatever a crash leaves is finished
//! or aborted when the log is opened. Every transaction has an epoch of its own, so that a
//! marker can never end another one.

mod record;

mod coordinator;
mod markers;
mod producer_ids;

mod recovery;
mod sweep;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use coordinator::Coordinator;
pub(crate) use producer_ids::ProducerIds;

use crate::batch::EncodedBatch;
use crate::groups::{self, CommittedOffset, GroupError};
use crate::identity::{Offset, ProducerEpoch, ProducerId, Sequence, TopicPartition};
use crate::log::Core;
use crate::partition::{AppendError, Appended, Partition};
use coordinator::Entry;

/// The internal topic's name, as in Kafka.
pub(crate) const TOPIC: &str = "__transaction_state";

/// Why a transaction failed.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// A transactional id has 1 to 32,767 bytes.
    #[error("a transactional id of {bytes} bytes; 1 to 32767 are allowed")]
    Id {
        /// Its length.
        bytes: usize,
    },
    /// Another holder of the id has begun, or the transaction took too long. Nothing counts.
    #[error("the transaction of {id:?} with epoch {epoch} was fenced; it is aborted")]
    Fenced {
        /// The transactional id.
        id: String,
        /// The epoch of the transaction.
        epoch: ProducerEpoch,
    },
    /// A batch cannot be part of a transaction twice.
    #[error("a batch that has a producer already cannot join the transaction of {id:?}")]
    Stamped {
        /// The transactional id.
        id: String,
    },
    /// An append failed; the transaction can only be aborted.
    #[error("append in a transaction")]
    Append(#[from] AppendError),
    /// The offsets cannot be committed.
    #[error("commit offsets in a transaction")]
    Offsets(#[from] GroupError),
    /// No producer id could be had.
    #[error("allocate a producer id")]
    ProducerId {
        /// The cause.
        source: std::io::Error,
    },
    /// **It is not known whether the transaction is committed**: the next start decides.
    #[error("it is unknown until restart whether the transaction of {id:?} is committed")]
    Unknown {
        /// The transactional id.
        id: String,
        /// What went wrong.
        source: AppendError,
    },
    /// The transaction is committed, but not all readers see it yet.
    /// [`crate::Log::maintain`] goes on, and so does the next start.
    #[error("the transaction of {id:?} is committed, but not readable everywhere yet")]
    Unfinished {
        /// The transactional id.
        id: String,
        /// What went wrong.
        source: AppendError,
    },
}

impl TransactionError {
    /// Whether the same transaction, from its beginning, can succeed later without a restart.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Append(error) => error.is_retryable(),
            Self::Offsets(error) => error.is_retryable(),
            Self::ProducerId { .. } => true,
            _ => false,
        }
    }

    /// What the person can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Id { .. } => "choose another transactional id",
            Self::Fenced { .. } => "only one holder of a transactional id may run at a time",
            Self::Stamped { .. } => "append plain batches",
            Self::Append(error) => error.hint(),
            Self::Offsets(error) => error.hint(),
            Self::ProducerId { .. } => "check the disk and its space",
            Self::Unknown { .. } | Self::Unfinished { .. } => {
                "check the disk and its space; a restart of the host finishes the transaction"
            }
        }
    }
}

/// What was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The producer of the transaction's batches.
    pub producer_id: ProducerId,
    /// Its epoch, which no other transaction of that producer has.
    pub epoch: ProducerEpoch,
    /// For every partition, the offset after the transaction's marker.
    pub ends: Vec<(TopicPartition, Offset)>,
}

/// An open transaction.
///
/// Dropped without [`Transaction::commit`] or [`Transaction::abort`], it is aborted by the
/// next [`crate::Log::maintain`], or the next one to begin with the same id.
#[must_use = "a transaction counts only when it is committed"]
pub struct Transaction {
    core: Arc<Core>,
    id: Arc<str>,
    entry: Arc<Entry>,
    producer_id: ProducerId,
    epoch: ProducerEpoch,
    streams: HashMap<TopicPartition, Stream>,
    is_over: bool,
}

/// What the transaction has written to one partition.
struct Stream {
    partition: Arc<Partition>,
    next_sequence: Sequence,
}

impl Transaction {
    pub(crate) fn new(
        core: Arc<Core>,
        id: Arc<str>,
        entry: Arc<Entry>,
        producer_id: ProducerId,
        epoch: ProducerEpoch,
    ) -> Self {
        let streams = HashMap::new();
        Self { core, id, entry, producer_id, epoch, streams, is_over: false }
    }

    /// The transactional id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The producer id of the transaction's batches.
    pub const fn producer_id(&self) -> ProducerId {
        self.producer_id
    }

    /// The epoch, which no other transaction of that producer has.
    pub const fn epoch(&self) -> ProducerEpoch {
        self.epoch
    }

    /// Appends `batch`; readers of committed records see it after the commit.
    ///
    /// Not durable on return: the commit makes it so.
    /// # Errors
    /// [`TransactionError::Fenced`], or what the append says; nothing was written.
    /// # Cancel safety
    /// Cancel safe: there is nothing to wait for.
    #[allow(clippy::unused_async)] // Appends may have to wait for room one day.
    pub async fn append(
        &mut self,
        at: &TopicPartition,
        batch: EncodedBatch,
    ) -> Result<Appended, TransactionError> {
        if at.topic.is_internal() {
            return Err(AppendError::Internal { at: at.clone() }.into());
        }
        let header = batch.header();
        if header.producer_id.is_some() || header.attributes.is_control() {
            return Err(TransactionError::Stamped { id: self.id.to_string() });
        }
        let partition = match self.streams.get(at) {
            Some(stream) => stream.partition.clone(),
            None => self.core.topics.partition(at).ok_or_else(|| unknown(at))?,
        };
        self.write(partition, batch)
    }

    /// Adds offsets of `group`; they count with the commit.
    ///
    /// # Errors
    /// [`TransactionError::Offsets`] for a name or metadata that are too long, else as
    /// [`Transaction::append`].
    /// # Cancel safety
    /// Cancel safe: there is nothing to wait for.
    #[allow(clippy::unused_async)] // As above.
    pub async fn commit_offsets(
        &mut self,
        group: &str,
        offsets: Vec<(TopicPartition, CommittedOffset)>,
    ) -> Result<(), TransactionError> {
        let now_ms = self.core.environment.clock.now_ms();
        let changes = groups::check(group, offsets, now_ms)?;
        for chunk in changes.chunks(groups::CHANGES_PER_BATCH_MAX) {
            let Some(batch) = groups::encode(chunk, now_ms) else { continue };
            let written = self.write(self.core.groups.partition().clone(), batch)?;
            self.entry.add_changes(self.epoch, chunk, written.base_offset);
        }
        Ok(())
    }

    fn write(
        &mut self,
        partition: Arc<Partition>,
        mut batch: EncodedBatch,
    ) -> Result<Appended, TransactionError> {
        let at = partition.at().clone();
        if !self.streams.contains_key(&at) {
            // Registered before the first write: whoever fences this transaction must know
            // where to write markers.
            self.entry.register(&self.id, self.epoch, &partition)?;
            let next_sequence = Sequence::new(0);
            let stream = Stream { partition: partition.clone(), next_sequence };
            self.streams.insert(at.clone(), stream);
        }
        let sequence =
            self.streams.get(&at).map_or(Sequence::new(0), |stream| stream.next_sequence);
        batch.stamp_transaction(self.producer_id, self.epoch, sequence);
        let count = batch.header().record_count;
        let written = partition.write(batch).map_err(|error| self.fenced_or(error))?;
        if let Some(stream) = self.streams.get_mut(&at) {
            stream.next_sequence = sequence.plus(count);
        }
        Ok(written.appended)
    }

    /// A producer that was refused has been fenced: its sequences are ours.
    fn fenced_or(&self, error: AppendError) -> TransactionError {
        match error {
            AppendError::Producer { .. } => {
                TransactionError::Fenced { id: self.id.to_string(), epoch: self.epoch }
            }
            other => other.into(),
        }
    }

    /// Commits: on return everything is durable, and readers of committed records see it in
    /// all partitions (up to transactions of others that are open before it).
    ///
    /// # Errors
    /// After [`TransactionError::Unknown`] the next start decides; after
    /// [`TransactionError::Unfinished`] it is committed; after all others it is aborted.
    /// # Cancel safety
    /// Not cancel safe: the transaction may be committed, or aborted, without an answer. It is
    /// never left half done.
    pub async fn commit(mut self) -> Result<Committed, TransactionError> {
        self.is_over = true;
        let coordinator = &self.core.coordinator;
        coordinator.commit(&self.core, &self.id, &self.entry, self.epoch).await
    }

    /// Aborts: nothing of it counts.
    ///
    /// # Errors
    /// [`TransactionError::Fenced`] where it has been aborted already, else what the disk says;
    /// the records never count in any case.
    /// # Cancel safety
    /// Cancel safe: [`crate::Log::maintain`] finishes it.
    pub async fn abort(mut self) -> Result<(), TransactionError> {
        self.is_over = true;
        let result =
            self.core.coordinator.abort(&self.core, &self.id, &self.entry, self.epoch).await;
        if result.is_err() {
            self.entry.abandon(self.epoch);
        }
        result
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.is_over {
            self.entry.abandon(self.epoch);
        }
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("id", &self.id)
            .field("producer_id", &self.producer_id)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

fn unknown(at: &TopicPartition) -> TransactionError {
    AppendError::UnknownPartition { at: at.clone() }.into()
}
