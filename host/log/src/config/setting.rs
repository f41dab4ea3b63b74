//! The settings of a topic under the names that Kafka gives them.
//!
//! **A setting that would mean nothing here is refused by name**: nobody is to believe that it
//! works.

use serde::{Deserialize, Serialize};

use super::{Cleanup, Flush, Ratio, TimestampType, TopicConfig};

/// Kafka's way to say "no limit" or "never".
const NEVER: &str = "9223372036854775807";

/// One setting of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// `cleanup.policy`
    CleanupPolicy,
    /// `compression.type`
    CompressionType,
    /// `delete.retention.ms`
    DeleteRetentionMs,
    /// `flush.messages`
    FlushMessages,
    /// `flush.ms`
    FlushMs,
    /// `index.interval.bytes`
    IndexIntervalBytes,
    /// `max.message.bytes`
    MaxMessageBytes,
    /// `message.timestamp.type`
    MessageTimestampType,
    /// `min.cleanable.dirty.ratio`
    MinCleanableDirtyRatio,
    /// `min.compaction.lag.ms`
    MinCompactionLagMs,
    /// `retention.bytes`
    RetentionBytes,
    /// `retention.ms`
    RetentionMs,
    /// `segment.bytes`
    SegmentBytes,
    /// `segment.ms`
    SegmentMs,
}

/// What values a setting has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// One of some words.
    Word,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A fraction.
    Double,
    /// Words with commas between them.
    List,
}

/// Why a setting was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There is no such setting, or it would mean nothing.
    #[error("topics have no setting {name}")]
    Unknown {
        /// As given.
        name: String,
    },
    /// The value is none for the setting.
    #[error("invalid value {value} for {name}: {expected}")]
    Value {
        /// The setting.
        name: &'static str,
        /// As given.
        value: String,
        /// What is possible.
        expected: String,
    },
}

impl SettingError {
    /// What the person can do.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { .. } => {
                let names: Vec<_> = Setting::ALL.iter().map(|setting| setting.name()).collect();
                format!("these can be set: {}", names.join(", "))
            }
            Self::Value { .. } => "see `tidemill topic create --help`".to_owned(),
        }
    }
}

impl Setting {
    /// All settings, by name.
    pub const ALL: [Self; 14] = [
        Self::CleanupPolicy,
        Self::CompressionType,
        Self::DeleteRetentionMs,
        Self::FlushMessages,
        Self::FlushMs,
        Self::IndexIntervalBytes,
        Self::MaxMessageBytes,
        Self::MessageTimestampType,
        Self::MinCleanableDirtyRatio,
        Self::MinCompactionLagMs,
        Self::RetentionBytes,
        Self::RetentionMs,
        Self::SegmentBytes,
        Self::SegmentMs,
    ];

    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CleanupPolicy => "cleanup.policy",
            Self::CompressionType => "compression.type",
            Self::DeleteRetentionMs => "delete.retention.ms",
            Self::FlushMessages => "flush.messages",
            Self::FlushMs => "flush.ms",
            Self::IndexIntervalBytes => "index.interval.bytes",
            Self::MaxMessageBytes => "max.message.bytes",
            Self::MessageTimestampType => "message.timestamp.type",
            Self::MinCleanableDirtyRatio => "min.cleanable.dirty.ratio",
            Self::MinCompactionLagMs => "min.compaction.lag.ms",
            Self::RetentionBytes => "retention.bytes",
            Self::RetentionMs => "retention.ms",
            Self::SegmentBytes => "segment.bytes",
            Self::SegmentMs => "segment.ms",
        }
    }

    /// The setting that Kafka calls so.
    ///
    /// # Errors
    /// [`SettingError::Unknown`].
    pub fn of_name(name: &str) -> Result<Self, SettingError> {
        let unknown = || SettingError::Unknown { name: name.to_owned() };
        Self::ALL.into_iter().find(|setting| setting.name() == name).ok_or_else(unknown)
    }

    /// What values it has.
    pub const fn kind(self) -> SettingKind {
        match self {
            Self::CleanupPolicy => SettingKind::List,
            Self::CompressionType | Self::MessageTimestampType => SettingKind::Word,
            Self::IndexIntervalBytes | Self::MaxMessageBytes | Self::SegmentBytes => {
                SettingKind::Int
            }
            Self::MinCleanableDirtyRatio => SettingKind::Double,
            _ => SettingKind::Long,
        }
    }

    /// What it does.
    pub const fn doc(self) -> &'static str {
        match self {
            Self::CleanupPolicy => {
                "delete: old segments go; compact: of every key the newest record stays; or both"
            }
            Self::CompressionType => "producer: batches are stored as the producer compressed them",
            Self::DeleteRetentionMs => "how long a tombstone stays in a compacted topic",
            Self::FlushMessages => "1: an acknowledged record is durable",
            Self::FlushMs => "acknowledge before the disk is synced, and sync this often",
            Self::IndexIntervalBytes => "one index entry for so many bytes",
            Self::MaxMessageBytes => "the largest record batch that is taken",
            Self::MessageTimestampType => "CreateTime: the producer's time; LogAppendTime: ours",
            Self::MinCleanableDirtyRatio => "the share of new bytes from which on to compact",
            Self::MinCompactionLagMs => "records younger than this are not compacted",
            Self::RetentionBytes => "the oldest segments of a larger partition go; -1: no limit",
            Self::RetentionMs => "segments with only older records go; -1: no limit",
            Self::SegmentBytes => "a segment is closed before it grows beyond this",
            Self::SegmentMs => "a segment is closed when it is this old",
        }
    }

    /// Its value in `config`, as Kafka writes it.
    pub fn get(self, config: &TopicConfig) -> String {
        let limit = |limit: Option<u64>| limit.map_or("-1".to_owned(), |limit| limit.to_string());
        match self {
            Self::CleanupPolicy => config.cleanup.to_string(),
            Self::CompressionType => "producer".to_owned(),
            Self::DeleteRetentionMs => config.delete_retention_ms.to_string(),
            Self::FlushMessages => match config.flush {
                Flush::Always => "1".to_owned(),
                Flush::IntervalMs(_) => NEVER.to_owned(),
            },
            Self::FlushMs => match config.flush {
                Flush::Always => NEVER.to_owned(),
                Flush::IntervalMs(interval) => interval.to_string(),
            },
            Self::IndexIntervalBytes => config.index_interval_bytes.to_string(),
            Self::MaxMessageBytes => config.message_bytes_max.to_string(),
            Self::MessageTimestampType => match config.timestamp_type {
                TimestampType::CreateTime => "CreateTime".to_owned(),
                TimestampType::LogAppendTime => "LogAppendTime".to_owned(),
            },
            Self::MinCleanableDirtyRatio => config.min_cleanable_dirty_ratio.to_string(),
            Self::MinCompactionLagMs => config.min_compaction_lag_ms.to_string(),
            Self::RetentionBytes => limit(config.retention_bytes),
            Self::RetentionMs => limit(config.retention_ms),
            Self::SegmentBytes => config.segment_bytes.to_string(),
            Self::SegmentMs => config.segment_ms.to_string(),
        }
    }

    /// Whether `config` sets it, rather than leaving it as it is by default.
    pub fn is_set(self, config: &TopicConfig) -> bool {
        config.explicit.contains(&self) || self.get(config) != self.get(&TopicConfig::default())
    }

    /// Sets it in `config`, or gives it back its default.
    ///
    /// # Errors
    /// [`SettingError::Value`]; `config` is as it was.
    pub fn set(self, config: &mut TopicConfig, value: Option<&str>) -> Result<(), SettingError> {
        let mut changed = config.clone();
        match value {
            Some(value) => {
                self.parse_into(&mut changed, value.trim())?;
                changed.explicit.insert(self);
            }
            None => {
                let default = self.get(&TopicConfig::default());
                // The relaxation has two names and one place.
                let is_relaxed = matches!(changed.flush, Flush::IntervalMs(_));
                if self != Self::FlushMessages || !is_relaxed {
                    self.parse_into(&mut changed, &default)?;
                }
                changed.explicit.remove(&self);
            }
        }
        *config = changed;
        Ok(())
    }

    fn parse_into(self, config: &mut TopicConfig, value: &str) -> Result<(), SettingError> {
        match self {
            Self::CleanupPolicy => {
                let words = || self.refused(value, "delete, compact, or both");
                config.cleanup = Cleanup::parse(value).ok_or_else(words)?;
            }
            Self::CompressionType if value == "producer" => {}
            Self::CompressionType => {
                return Err(self.refused(value, "only producer: batches are stored as sent"));
            }
            Self::DeleteRetentionMs => config.delete_retention_ms = self.time(value, 0)?,
            Self::FlushMessages => match value {
                "1" => config.flush = Flush::Always,
                NEVER => {}
                _ => return Err(self.refused(value, "only 1; flush.ms relaxes by time")),
            },
            Self::FlushMs => {
                config.flush = match value {
                    NEVER => Flush::Always,
                    _ => Flush::IntervalMs(self.number(value, 1, TopicConfig::FLUSH_MS_MAX)?),
                };
            }
            Self::IndexIntervalBytes => {
                config.index_interval_bytes = self.number(value, 1, 1 << 30)?;
            }
            Self::MaxMessageBytes => {
                let (min, max) = TopicConfig::MESSAGE_BYTES;
                config.message_bytes_max = self.number(value, min, max)?;
            }
            Self::MessageTimestampType => {
                config.timestamp_type = match value {
                    "CreateTime" => TimestampType::CreateTime,
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => return Err(self.refused(value, "CreateTime or LogAppendTime")),
                };
            }
            Self::MinCleanableDirtyRatio => {
                let fraction = || self.refused(value, "a fraction between 0 and 1");
                config.min_cleanable_dirty_ratio = Ratio::parse(value).ok_or_else(fraction)?;
            }
            Self::MinCompactionLagMs => config.min_compaction_lag_ms = self.time(value, 0)?,
            Self::RetentionBytes => config.retention_bytes = self.limit(value)?,
            Self::RetentionMs => config.retention_ms = self.limit(value)?,
            Self::SegmentBytes => {
                let (min, max) = (TopicConfig::SEGMENT_BYTES_MIN, TopicConfig::SEGMENT_BYTES_MAX);
                config.segment_bytes = self.number(value, min, max)?;
            }
            Self::SegmentMs => config.segment_ms = self.time(value, 1)?,
        }
        Ok(())
    }

    fn refused(self, value: &str, expected: impl Into<String>) -> SettingError {
        SettingError::Value {
            name: self.name(),
            value: value.to_owned(),
            expected: expected.into(),
        }
    }

    fn number(self, value: &str, min: u64, max: u64) -> Result<u64, SettingError> {
        let bounds = || self.refused(value, format!("a number between {min} and {max}"));
        let number: u64 = value.parse().map_err(|_| bounds())?;
        if (min..=max).contains(&number) { Ok(number) } else { Err(bounds()) }
    }

    fn time(self, value: &str, min: u64) -> Result<u64, SettingError> {
        self.number(value, min, i64::MAX.cast_unsigned())
    }

    fn limit(self, value: &str) -> Result<Option<u64>, SettingError> {
        if value == "-1" { Ok(None) } else { self.time(value, 0).map(Some) }
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_reads_back_what_it_was_set_to() {
        let values = [
            "compact,delete",
            "producer",
            "0",
            "1",
            "250",
            "4096",
            "1048588",
            "LogAppendTime",
            "0.25",
            "60000",
            "-1",
            "1000",
            "1048576",
            "3600000",
        ];
        for (setting, value) in Setting::ALL.into_iter().zip(values) {
            let mut config = TopicConfig::default();
            assert!(!setting.is_set(&config), "{setting}");
            setting.set(&mut config, Some(value)).unwrap();
            assert_eq!(setting.get(&config), value, "{setting}");
            assert!(setting.is_set(&config), "{setting}");
            config.validate().unwrap();
            assert_eq!(Setting::of_name(setting.name()), Ok(setting));
            setting.set(&mut config, None).unwrap();
            assert_eq!(config, TopicConfig::default(), "{setting}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        let mut config = TopicConfig::default();
        let mut refused = |name: &str, value: &str| {
            let setting = match Setting::of_name(name) {
                Ok(setting) => setting,
                Err(error) => return error.to_string(),
            };
            setting.set(&mut config, Some(value)).unwrap_err().to_string()
        };
        let table = [
            ("min.insync.replicas", "2", "topics have no setting min.insync.replicas"),
            (
                "compression.type",
                "zstd",
                "invalid value zstd for compression.type: only producer: batches are stored as sent",
            ),
            (
                "cleanup.policy",
                "shred",
                "invalid value shred for cleanup.policy: delete, compact, or both",
            ),
            (
                "flush.messages",
                "10000",
                "invalid value 10000 for flush.messages: only 1; flush.ms relaxes by time",
            ),
            (
                "retention.ms",
                "-2",
                "invalid value -2 for retention.ms: a number between 0 and 9223372036854775807",
            ),
            (
                "segment.bytes",
                "many",
                "invalid value many for segment.bytes: a number between 1024 and 2147483647",
            ),
            (
                "min.cleanable.dirty.ratio",
                "1.5",
                "invalid value 1.5 for min.cleanable.dirty.ratio: a fraction between 0 and 1",
            ),
        ];
        for (name, value, expected) in table {
            assert_eq!(refused(name, value), expected);
        }
        assert_eq!(config, TopicConfig::default(), "nothing was changed");
    }
}
