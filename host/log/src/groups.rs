//! The offsets of consumer groups, with metadata, and what their coordinator saves of them:
//! records of an internal topic.
//!
//! **A committed offset is durable before it is answered**, and the newest one in the order
//! of the log counts. The topic is compacted, so that its size and the time of a start follow
//! what groups have committed, not how often.

mod record;
mod table;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::batch::{Batch, BatchBuilder, Batches, ControlKind, EncodedBatch};
use crate::fields::STRING_BYTES_MAX;
use crate::identity::{LeaderEpoch, Offset, ProducerId, TopicName, TopicPartition};
use crate::partition::{AppendError, Isolation, Partition, ReadError};
pub(crate) use table::Offsets;
use table::Table;

/// The internal topic's name, as in Kafka.
pub(crate) const TOPIC: &str = "__consumer_offsets";

/// How much is read at once when the log is opened.
const READ_BYTES: usize = 4 << 20;

/// How far a group has come in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset to go on with.
    pub offset: Offset,
    /// The leader epoch of the record before it, where known.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Whatever the group wants to remember, at most [`CommittedOffset::METADATA_BYTES_MAX`].
    pub metadata: String,
    /// When it was committed; set by the log.
    pub at_ms: i64,
}

impl CommittedOffset {
    /// The longest metadata.
    pub const METADATA_BYTES_MAX: usize = STRING_BYTES_MAX;

    /// An offset with metadata.
    pub fn new(offset: Offset, metadata: impl Into<String>) -> Self {
        Self { offset, leader_epoch: None, metadata: metadata.into(), at_ms: 0 }
    }
}

/// Why offsets were not committed. None of them was.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// A group has a name of 1 to 32,767 bytes.
    #[error("a group's name of {bytes} bytes; 1 to {STRING_BYTES_MAX} are allowed")]
    Name {
        /// Its length.
        bytes: usize,
    },
    /// The metadata are too long.
    #[error("metadata of {bytes} bytes for {at}; at most {STRING_BYTES_MAX} are allowed")]
    Metadata {
        /// For which partition.
        at: TopicPartition,
        /// Their length.
        bytes: usize,
    },
    /// What a coordinator wants to save is too long.
    #[error("a group's state of {bytes} bytes; at most {STATE_BYTES_MAX} are allowed")]
    State {
        /// Its length.
        bytes: usize,
    },
    /// The internal topic took no append.
    #[error("commit offsets")]
    Append(#[from] AppendError),
}

impl GroupError {
    /// Whether the same commit can succeed later, without a restart.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Append(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// What the person can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Name { .. } => "choose another group name",
            Self::Metadata { .. } => "commit shorter metadata",
            Self::State { .. } => "let fewer members join the group",
            Self::Append(error) => error.hint(),
        }
    }
}

/// A change of what is known of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub group: String,
    pub kind: Kind,
}

/// What changes of a group; without a value it is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Offset { at: TopicPartition, offset: Option<CommittedOffset> },
    State(Option<Bytes>),
}

impl Change {
    fn offset(group: &str, at: TopicPartition, offset: CommittedOffset) -> Self {
        Self { group: group.to_owned(), kind: Kind::Offset { at, offset: Some(offset) } }
    }

    fn forget(group: &str, at: TopicPartition) -> Self {
        Self { group: group.to_owned(), kind: Kind::Offset { at, offset: None } }
    }

    fn state(group: &str, state: Option<Bytes>) -> Self {
        Self { group: group.to_owned(), kind: Kind::State(state) }
    }
}

/// A change and the offset of the batch that it was written with: the newest counts.
pub(crate) type Written = (Change, Offset);

/// All groups.
pub(crate) struct Groups {
    partition: Arc<Partition>,
    table: Mutex<Table>,
    /// No transaction that was open before it is still open.
    settled: Mutex<Offset>,
}

impl Groups {
    /// Reads the internal topic, in which no transaction may be open any more.
    pub(crate) fn load(partition: Arc<Partition>) -> Result<Self, ReadError> {
        let mut table = Table::default();
        let mut pending: HashMap<ProducerId, Vec<Written>> = HashMap::new();
        let mut from = partition.offsets().log_start;
        loop {
            let fetched = partition.read(from, READ_BYTES, Isolation::Uncommitted)?;
            if fetched.bytes.is_empty() {
                break;
            }
            for batch in Batches::new(&fetched.bytes).flatten() {
                replay(&batch, &mut table, &mut pending);
            }
            from = fetched.next;
        }
        table.tidy(from);
        Ok(Self { partition, table: Mutex::new(table), settled: Mutex::new(from) })
    }

    pub(crate) fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// Takes changes into account that have come to count.
    pub(crate) fn apply(&self, changes: Vec<Written>) {
        let mut table = self.table.lock();
        changes.into_iter().for_each(|(change, at)| table.apply(change, at));
    }

    /// Drops what nobody needs to be told of any more. To be called from time to time.
    pub(crate) fn tidy(&self) {
        // The stable offset of the call before: a transaction that ended since has been applied.
        let now = self.partition.offsets().last_stable;
        let settled = std::mem::replace(&mut *self.settled.lock(), now);
        self.table.lock().tidy(settled);
    }

    /// The offsets of `group`.
    pub(crate) fn committed(&self, group: &str) -> Offsets {
        self.table.lock().committed(group)
    }

    /// The offset of `group` in one partition.
    pub(crate) fn committed_at(&self, group: &str, at: &TopicPartition) -> Option<CommittedOffset> {
        self.table.lock().committed_at(group, at)
    }

    /// The names of all groups with offsets.
    pub(crate) fn names(&self) -> Vec<String> {
        self.table.lock().names()
    }

    /// What coordinators have saved of their groups.
    pub(crate) fn states(&self) -> Vec<(String, Bytes)> {
        self.table.lock().states()
    }

    /// The changes that forget what all groups know of `topic`.
    pub(crate) fn changes_without(&self, topic: &TopicName) -> Vec<Change> {
        self.table.lock().without_topic(topic)
    }

    /// The changes that forget `group`.
    pub(crate) fn changes_without_group(&self, group: &str) -> Vec<Change> {
        self.table.lock().without_group(group)
    }

    /// The changes that forget `group`'s offsets for `partitions`.
    pub(crate) fn changes_without_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Vec<Change> {
        self.table.lock().without_offsets(group, partitions)
    }

    /// Appends plain changes durably and takes them into account.
    pub(crate) async fn commit(
        &self,
        changes: Vec<Change>,
        now_ms: i64,
    ) -> Result<(), AppendError> {
        let mut rest = changes;
        while !rest.is_empty() {
            let later = rest.split_off(rest.len().min(CHANGES_PER_BATCH_MAX));
            if let Some(batch) = encode(&rest, now_ms) {
                let written = self.partition.write(batch)?;
                self.partition.wait_durable(written.end).await?;
                let at = written.appended.base_offset;
                self.apply(rest.into_iter().map(|change| (change, at)).collect());
            }
            rest = later;
        }
        Ok(())
    }
}

fn replay(batch: &Batch<'_>, table: &mut Table, pending: &mut HashMap<ProducerId, Vec<Written>>) {
    let header = batch.header();
    let producer = header.producer_id;
    if header.attributes.is_control() {
        let changes = pending.remove(&producer).unwrap_or_default();
        if ControlKind::of(batch) == Some(ControlKind::Commit) {
            changes.into_iter().for_each(|(change, at)| table.apply(change, at));
        }
        return;
    }
    let changes = record::decode_batch(batch).into_iter();
    let mut changes = changes.map(|change| (change, header.base_offset));
    if header.attributes.is_transactional() {
        pending.entry(producer).or_default().extend(changes);
    } else {
        changes.by_ref().for_each(|(change, at)| table.apply(change, at));
    }
}

/// So that a batch stays well below its limit.
pub(crate) const CHANGES_PER_BATCH_MAX: usize = 100;

/// The most that a coordinator can save of a group.
const STATE_BYTES_MAX: usize = 8 << 20;

/// Checks what a coordinator saves of a group.
pub(crate) fn check_state(group: &str, state: Option<Bytes>) -> Result<Change, GroupError> {
    check_name(group)?;
    match state.as_ref().map(Bytes::len) {
        Some(bytes) if bytes > STATE_BYTES_MAX => Err(GroupError::State { bytes }),
        _ => Ok(Change::state(group, state)),
    }
}

fn check_name(group: &str) -> Result<(), GroupError> {
    if group.is_empty() || group.len() > STRING_BYTES_MAX {
        return Err(GroupError::Name { bytes: group.len() });
    }
    Ok(())
}

/// Checks the offsets of one commit.
pub(crate) fn check(group: &str, offsets: Offsets, at_ms: i64) -> Result<Vec<Change>, GroupError> {
    check_name(group)?;
    let change = |(at, offset): (TopicPartition, CommittedOffset)| {
        let bytes = offset.metadata.len();
        if bytes > CommittedOffset::METADATA_BYTES_MAX {
            return Err(GroupError::Metadata { at, bytes });
        }
        Ok(Change::offset(group, at, CommittedOffset { at_ms, ..offset }))
    };
    offsets.into_iter().map(change).collect()
}

/// The batch that carries `changes`; `None` without any.
pub(crate) fn encode(changes: &[Change], now_ms: i64) -> Option<EncodedBatch> {
    let mut builder = BatchBuilder::new();
    for change in changes {
        let key = record::encode_key(change);
        let value = record::encode_value(change);
        let pushed = builder.push(Some(&key), value.as_deref(), &[], now_ms);
        debug_assert!(pushed.is_ok(), "checked fields fit a batch");
    }
    builder.finish()
}
