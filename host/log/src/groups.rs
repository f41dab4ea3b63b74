//! The offsets of consumer groups, with metadata: records of an internal topic.
//!
//! **A committed offset is durable before it is answered**, and the newest one in the order
//! of the log counts.

mod record;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::batch::{Batch, BatchBuilder, Batches, ControlKind, EncodedBatch};
use crate::fields::STRING_BYTES_MAX;
use crate::identity::{LeaderEpoch, Offset, ProducerId, TopicName, TopicPartition};
use crate::partition::{AppendError, DeleteError, Isolation, Partition, ReadError};

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
            Self::Append(error) => error.hint(),
        }
    }
}

/// Offsets of one group, in the order of the commit.
pub(crate) type Offsets = Vec<(TopicPartition, CommittedOffset)>;

/// A change of one group's offset; without an offset it is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub group: String,
    pub at: TopicPartition,
    pub offset: Option<CommittedOffset>,
}

/// All groups.
pub(crate) struct Groups {
    partition: Arc<Partition>,
    table: Mutex<Table>,
}

type Table = BTreeMap<String, BTreeMap<TopicPartition, Known>>;

struct Known {
    offset: CommittedOffset,
    /// Where in the internal topic it came to count: the newest wins.
    log_offset: Offset,
}

impl Groups {
    /// Reads the internal topic, in which no transaction may be open any more.
    pub(crate) fn load(partition: Arc<Partition>) -> Result<Self, ReadError> {
        let groups = Self { partition, table: Mutex::default() };
        let mut pending: HashMap<ProducerId, Vec<Change>> = HashMap::new();
        let mut from = groups.partition.offsets().log_start;
        loop {
            let fetched = groups.partition.read(from, READ_BYTES, Isolation::Uncommitted)?;
            if fetched.bytes.is_empty() {
                return Ok(groups);
            }
            for batch in Batches::new(&fetched.bytes).flatten() {
                groups.replay(&batch, &mut pending);
            }
            from = fetched.next;
        }
    }

    fn replay(&self, batch: &Batch<'_>, pending: &mut HashMap<ProducerId, Vec<Change>>) {
        let header = batch.header();
        let producer = header.producer_id;
        if header.attributes.is_control() {
            let changes = pending.remove(&producer).unwrap_or_default();
            if ControlKind::of(batch) == Some(ControlKind::Commit) {
                self.apply(changes, header.base_offset);
            }
            return;
        }
        let changes = record::decode_batch(batch);
        if header.attributes.is_transactional() {
            pending.entry(producer).or_default().extend(changes);
        } else {
            self.apply(changes, header.base_offset);
        }
    }

    pub(crate) fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// Takes changes into account that count since `log_offset`.
    pub(crate) fn apply(&self, changes: Vec<Change>, log_offset: Offset) {
        let mut table = self.table.lock();
        for Change { group, at, offset } in changes {
            let known = table.entry(group).or_default();
            match offset {
                Some(offset) => {
                    if known.get(&at).is_none_or(|before| before.log_offset <= log_offset) {
                        known.insert(at, Known { offset, log_offset });
                    }
                }
                None => {
                    known.remove(&at);
                }
            }
        }
        table.retain(|_, known| !known.is_empty());
    }

    /// The offsets of `group`.
    pub(crate) fn committed(&self, group: &str) -> Offsets {
        let table = self.table.lock();
        let known = table.get(group).into_iter().flatten();
        known.map(|(at, known)| (at.clone(), known.offset.clone())).collect()
    }

    /// The names of all groups with offsets.
    pub(crate) fn names(&self) -> Vec<String> {
        self.table.lock().keys().cloned().collect()
    }

    /// The changes that forget what all groups know of `topic`.
    pub(crate) fn changes_without(&self, topic: &TopicName) -> Vec<Change> {
        self.changes_where(|at| at.topic == *topic, |_| None)
    }

    /// The changes that forget `group`.
    pub(crate) fn changes_without_group(&self, group: &str) -> Vec<Change> {
        let forget = |(at, _)| Change { group: group.to_owned(), at, offset: None };
        self.committed(group).into_iter().map(forget).collect()
    }

    /// The changes that make an empty table this one.
    fn snapshot(&self) -> Vec<Change> {
        self.changes_where(|_| true, |known| Some(known.offset.clone()))
    }

    fn changes_where(
        &self,
        wanted: impl Fn(&TopicPartition) -> bool,
        offset: impl Fn(&Known) -> Option<CommittedOffset>,
    ) -> Vec<Change> {
        let table = self.table.lock();
        let all = table.iter().flat_map(|(group, known)| known.iter().map(move |it| (group, it)));
        let matching = all.filter(|(_, (at, _))| wanted(at));
        matching
            .map(|(group, (at, known))| Change {
                group: group.clone(),
                at: at.clone(),
                offset: offset(known),
            })
            .collect()
    }

    /// Appends plain changes durably and takes them into account.
    pub(crate) async fn commit(
        &self,
        changes: Vec<Change>,
        now_ms: i64,
    ) -> Result<(), AppendError> {
        for chunk in changes.chunks(CHANGES_PER_BATCH_MAX) {
            let Some(batch) = encode(chunk, now_ms) else { continue };
            let written = self.partition.write(batch)?;
            self.partition.wait_durable(written.end).await?;
            self.apply(chunk.to_vec(), written.appended.base_offset);
        }
        Ok(())
    }

    /// Writes what counts to the end of the internal topic, and deletes what is before.
    ///
    /// No offset may be committed meanwhile.
    pub(crate) async fn rewrite(&self, now_ms: i64) -> Result<(), DeleteError> {
        let start = self.partition.end();
        self.commit(self.snapshot(), now_ms).await?;
        self.partition.forget_before(start).await
    }
}

/// So that a batch stays well below its limit.
pub(crate) const CHANGES_PER_BATCH_MAX: usize = 100;

/// Checks the offsets of one commit.
pub(crate) fn check(group: &str, offsets: Offsets, at_ms: i64) -> Result<Vec<Change>, GroupError> {
    if group.is_empty() || group.len() > STRING_BYTES_MAX {
        return Err(GroupError::Name { bytes: group.len() });
    }
    let change = |(at, offset): (TopicPartition, CommittedOffset)| {
        let bytes = offset.metadata.len();
        if bytes > CommittedOffset::METADATA_BYTES_MAX {
            return Err(GroupError::Metadata { at, bytes });
        }
        let offset = Some(CommittedOffset { at_ms, ..offset });
        Ok(Change { group: group.to_owned(), at, offset })
    };
    offsets.into_iter().map(change).collect()
}

/// The batch that carries `changes`; `None` without any.
pub(crate) fn encode(changes: &[Change], now_ms: i64) -> Option<EncodedBatch> {
    let mut builder = BatchBuilder::new();
    for change in changes {
        let key = record::encode_key(change);
        let value = change.offset.as_ref().map(record::encode_value);
        let pushed = builder.push(Some(&key), value.as_deref(), &[], now_ms);
        debug_assert!(pushed.is_ok(), "checked fields fit a batch");
    }
    builder.finish()
}
