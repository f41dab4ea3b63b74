//! The log as the engine needs it: read committed records, commit a batch as one.
//!
//! [`Embedded`] is the log in this process. An external Kafka cluster fits behind the same
//! trait: everything here is something that Kafka's protocol offers.
//! **[`Producer::commit`] is all or nothing, and a fenced producer commits nothing.**

mod embedded;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use embedded::Embedded;
pub use tidemill_log::Blocking;

/// One partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// Counted from zero.
    pub partition: u32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// What can be read of a partition just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that is still there.
    pub start: i64,
    /// One past the last committed offset (Kafka's last stable offset).
    pub end: i64,
    /// Bytes from `start` to `end`, roughly: for planning only.
    pub bytes: u64,
}

/// Whole record batches, as stored.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Kafka v2 record batches. The first may begin before the offset asked for, the last may
    /// end after the limit; batches of aborted transactions and control batches are left out.
    pub batches: Vec<Bytes>,
    /// Where the next fetch goes on.
    pub next: i64,
}

/// The position a consumer group committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Of this partition.
    pub at: TopicPartition,
    /// The next offset to read.
    pub offset: i64,
    /// What was committed beside it.
    pub metadata: String,
}

/// Encoded records for one partition.
#[derive(Debug)]
pub struct Output {
    /// Where they go.
    pub to: TopicPartition,
    /// In order.
    pub batches: Vec<tidemill_log::EncodedBatch>,
}

/// All that one commit makes true at once.
#[derive(Debug)]
pub struct Commit {
    /// Records, appended in this order.
    pub outputs: Vec<Output>,
    /// The consumer group whose positions move.
    pub group: String,
    /// Its new positions.
    pub offsets: Vec<Committed>,
}

/// A failure of the log.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The topic or partition does not exist.
    #[error("topic `{topic}` has no partition {partition}")]
    Unknown {
        /// As asked for.
        topic: String,
        /// As asked for.
        partition: u32,
    },
    /// The offset is no longer, or not yet, there.
    #[error("offset {offset} of {at} is outside {start}..{end}")]
    OutOfRange {
        /// As asked for.
        at: TopicPartition,
        /// As asked for.
        offset: i64,
        /// The first offset that is there.
        start: i64,
        /// One past the last.
        end: i64,
    },
    /// A newer producer with the same transactional id has begun.
    #[error("producer `{transactional_id}` was fenced by a newer one")]
    Fenced {
        /// Whose.
        transactional_id: String,
    },
    /// Anything else, told by the log itself.
    #[error("{action}")]
    Log {
        /// What was tried, verb first.
        action: String,
        /// Whether trying again may help.
        retryable: bool,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl BrokerError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Log { retryable: true, .. })
    }
}

/// A partitioned log with transactions.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// How many partitions the topic has; `None` where there is no such topic.
    async fn partitions(&self, topic: &str) -> Result<Option<u32>, BrokerError>;

    /// Creates the topic unless it is there; gives back how many partitions it has.
    async fn ensure_topic(&self, topic: &str, partitions: u32) -> Result<u32, BrokerError>;

    /// Deletes the topic and its records; nothing there is fine.
    async fn delete_topic(&self, topic: &str) -> Result<(), BrokerError>;

    /// What can be read of each partition of a topic just now.
    async fn bounds(&self, topic: &str) -> Result<Vec<Bounds>, BrokerError>;

    /// Reads committed records from `from` up to `to`, about `bytes_max` bytes and at least one batch.
    async fn fetch(
        &self,
        at: &TopicPartition,
        from: i64,
        to: i64,
        bytes_max: usize,
    ) -> Result<Fetched, BrokerError>;

    /// Returns once one of the partitions has records at or after its offset. Cancel safe.
    async fn wait_for_records(
        &self,
        positions: &[(TopicPartition, i64)],
    ) -> Result<(), BrokerError>;

    /// The group's positions.
    async fn committed(&self, group: &str) -> Result<Vec<Committed>, BrokerError>;

    /// Forgets the group and its positions.
    async fn delete_group(&self, group: &str) -> Result<(), BrokerError>;

    /// A producer that fences every earlier one with the same id and aborts what they left open.
    async fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, BrokerError>;
}

/// Commits one batch after the other.
#[async_trait]
pub trait Producer: Send + Sync {
    /// Durable and visible on return.
    /// # Errors
    /// Nothing of the commit is visible, now or later, unless the error is retryable and says
    /// that its fate is unknown: then ask [`Broker::committed`].
    /// # Cancel safety
    /// Not cancel safe: the commit may have happened.
    async fn commit(&mut self, commit: Commit) -> Result<(), BrokerError>;
}
