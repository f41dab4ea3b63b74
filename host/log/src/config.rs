//! Settings of the log and of its topics, checked once.

mod ratio;
mod setting;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use ratio::Ratio;
pub use setting::{Setting, SettingError, SettingKind};

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flush {
    /// After an fdatasync: an acknowledged record survives power loss.
    Always,
    /// Before; the disk is synced about every so many milliseconds. **Acknowledged records of
    /// the last interval can be lost with the machine** (not with the process).
    IntervalMs(u64),
}

/// Which time a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// That of the append.
    LogAppendTime,
}

/// What becomes of old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cleanup {
    /// They go by age and size.
    pub delete: bool,
    /// They go when a newer one of the same key is there.
    pub compact: bool,
}

impl Cleanup {
    /// By age and size only.
    pub const DELETE: Self = Self { delete: true, compact: false };
    /// By key only.
    pub const COMPACT: Self = Self { delete: false, compact: true };

    /// Reads Kafka's list of words.
    fn parse(text: &str) -> Option<Self> {
        let mut cleanup = Self { delete: false, compact: false };
        for word in text.split(',').map(str::trim) {
            match word {
                "delete" => cleanup.delete = true,
                "compact" => cleanup.compact = true,
                _ => return None,
            }
        }
        Some(cleanup)
    }
}

impl std::fmt::Display for Cleanup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match (self.compact, self.delete) {
            (true, true) => "compact,delete",
            (true, false) => "compact",
            (false, _) => "delete",
        })
    }
}

/// A topic's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicConfig {
    /// How many partitions the topic has.
    pub partitions: u32,
    /// When an append is acknowledged.
    pub flush: Flush,
    /// A segment is closed before it grows beyond this.
    pub segment_bytes: u64,
    /// A segment is closed when it is this old.
    pub segment_ms: u64,
    /// Segments with only older records are deleted; none: no limit.
    pub retention_ms: Option<u64>,
    /// Oldest segments are deleted while a partition is larger; none: no limit.
    pub retention_bytes: Option<u64>,
    /// The largest batch accepted.
    pub message_bytes_max: u64,
    /// One index entry for so many bytes.
    pub index_interval_bytes: u64,
    /// Which time a record carries.
    pub timestamp_type: TimestampType,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// How long a tombstone stays in a compacted topic.
    pub delete_retention_ms: u64,
    /// Younger records are not compacted.
    pub min_compaction_lag_ms: u64,
    /// The share of bytes since the last compaction from which on the next one is due.
    pub min_cleanable_dirty_ratio: Ratio,
    /// The settings that somebody chose, also where they are as by default.
    pub explicit: BTreeSet<Setting>,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            partitions: 1,
            flush: Flush::Always,
            segment_bytes: 128 << 20,
            segment_ms: 7 * 24 * 60 * 60 * 1000,
            retention_ms: Some(7 * 24 * 60 * 60 * 1000),
            retention_bytes: None,
            message_bytes_max: 16 << 20,
            index_interval_bytes: 16 << 10,
            timestamp_type: TimestampType::CreateTime,
            cleanup: Cleanup::DELETE,
            delete_retention_ms: 24 * 60 * 60 * 1000,
            min_compaction_lag_ms: 0,
            min_cleanable_dirty_ratio: Ratio::from_millionths(500_000),
            explicit: BTreeSet::new(),
        }
    }
}

/// A setting outside of its bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} = {value} is not between {min} and {max}")]
pub struct ConfigError {
    /// The setting's name.
    pub setting: &'static str,
    /// Its value.
    pub value: u64,
    /// The smallest value allowed.
    pub min: u64,
    /// The largest value allowed.
    pub max: u64,
}

impl TopicConfig {
    /// The most partitions of a topic.
    pub const PARTITIONS_MAX: u32 = 10_000;
    /// The smallest segment.
    pub const SEGMENT_BYTES_MIN: u64 = 1 << 10;
    /// The largest segment: positions in it are 31 bits wide, as in Kafka.
    pub const SEGMENT_BYTES_MAX: u64 = (1 << 31) - 1;

    /// The smallest and the largest bound of a batch's size.
    pub const MESSAGE_BYTES: (u64, u64) = (128, 1 << 30);
    /// The longest time that a relaxed topic is not synced.
    pub const FLUSH_MS_MAX: u64 = 60_000;

    /// Checks every setting.
    ///
    /// # Errors
    /// [`ConfigError`] names the first one that is out of bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        bounds("partitions", self.partitions.into(), 1, Self::PARTITIONS_MAX.into())?;
        let segment = (Self::SEGMENT_BYTES_MIN, Self::SEGMENT_BYTES_MAX);
        bounds("segment_bytes", self.segment_bytes, segment.0, segment.1)?;
        bounds("segment_ms", self.segment_ms, 1, i64::MAX.cast_unsigned())?;
        // A batch must fit a segment of its own, whatever `segment_bytes` says.
        let (min, max) = Self::MESSAGE_BYTES;
        bounds("message_bytes_max", self.message_bytes_max, min, max)?;
        bounds("index_interval_bytes", self.index_interval_bytes, 1, 1 << 30)?;
        if let Flush::IntervalMs(interval) = self.flush {
            bounds("flush interval (ms)", interval, 1, Self::FLUSH_MS_MAX)?;
        }
        let ages = [
            ("retention_ms", self.retention_ms.unwrap_or(0)),
            ("retention_bytes", self.retention_bytes.unwrap_or(0)),
            ("delete_retention_ms", self.delete_retention_ms),
            ("min_compaction_lag_ms", self.min_compaction_lag_ms),
        ];
        ages.into_iter().try_for_each(|(name, age)| bounds(name, age, 0, i64::MAX.cast_unsigned()))
    }
}

fn bounds(setting: &'static str, value: u64, min: u64, max: u64) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ConfigError { setting, value, min, max })
}

/// The log's own settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// A transaction that is open for longer is aborted by [`crate::Log::maintain`].
    pub transaction_timeout_ms: u64,
    /// A producer that has not written for so long is forgotten.
    pub producer_expiry_ms: u64,
    /// The log of transactions is written anew when it has grown to so many bytes; that of
    /// groups is compacted in segments of an eighth of it.
    pub internal_bytes_max: u64,
    /// What the keys of one pass of compaction may take of memory.
    pub compaction_bytes_max: u64,
    /// How many partitions are recovered at the same time.
    pub recovery_threads: u32,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            transaction_timeout_ms: 60_000,
            producer_expiry_ms: 24 * 60 * 60 * 1000,
            internal_bytes_max: 32 << 20,
            compaction_bytes_max: 64 << 20,
            recovery_threads: 4,
        }
    }
}

impl LogConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`ConfigError`] names the first one that is out of bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let day_ms = 24 * 60 * 60 * 1000;
        bounds("transaction_timeout_ms", self.transaction_timeout_ms, 1, day_ms)?;
        bounds("producer_expiry_ms", self.producer_expiry_ms, 1000, 365 * day_ms)?;
        bounds("internal_bytes_max", self.internal_bytes_max, 4 << 10, 1 << 40)?;
        bounds("compaction_bytes_max", self.compaction_bytes_max, 1, 1 << 40)?;
        bounds("recovery_threads", self.recovery_threads.into(), 1, 256)
    }
}
