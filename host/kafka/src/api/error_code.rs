//! Kafka's error codes, and which of them an error of the log is.

use tidemill_log::{AppendError, BatchError, ProducerError, ReadError, TopicError};

/// A code of Kafka's protocol, named as there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub(crate) enum ErrorCode {
    UnknownServerError = -1,
    None = 0,
    OffsetOutOfRange = 1,
    CorruptMessage = 2,
    UnknownTopicOrPartition = 3,
    MessageTooLarge = 10,
    InvalidTopic = 17,
    InvalidRequiredAcks = 21,
    UnsupportedVersion = 35,
    TopicAlreadyExists = 36,
    InvalidPartitions = 37,
    InvalidConfig = 40,
    InvalidRequest = 42,
    UnsupportedForMessageFormat = 43,
    OutOfOrderSequenceNumber = 45,
    InvalidProducerEpoch = 47,
    InvalidTxnState = 48,
    KafkaStorageError = 56,
    FetchSessionIdNotFound = 70,
    InvalidFetchSessionEpoch = 71,
    FencedLeaderEpoch = 74,
    UnknownLeaderEpoch = 75,
    UnsupportedCompressionType = 76,
    InvalidRecord = 87,
}

impl ErrorCode {
    pub(crate) const fn code(self) -> i16 {
        self as i16
    }

    pub(crate) const fn of_topic(error: &TopicError) -> Self {
        match error {
            TopicError::Exists { .. } => Self::TopicAlreadyExists,
            TopicError::Unknown { .. } => Self::UnknownTopicOrPartition,
            TopicError::Internal { .. } => Self::InvalidTopic,
            TopicError::Config { .. } => Self::InvalidConfig,
            TopicError::Partitions { .. } => Self::InvalidPartitions,
            TopicError::Disk { .. } | TopicError::Open { .. } => Self::KafkaStorageError,
        }
    }

    pub(crate) const fn of_batch(error: &BatchError) -> Self {
        match error {
            BatchError::Truncated { .. }
            | BatchError::Length { .. }
            | BatchError::Checksum { .. } => Self::CorruptMessage,
            BatchError::Compressed { .. } | BatchError::UnknownCodec { .. } => {
                Self::UnsupportedCompressionType
            }
            _ => Self::InvalidRecord,
        }
    }

    pub(crate) const fn of_append(error: &AppendError) -> Self {
        match error {
            AppendError::UnknownPartition { .. } | AppendError::Deleted { .. } => {
                Self::UnknownTopicOrPartition
            }
            AppendError::TooLarge { .. } => Self::MessageTooLarge,
            AppendError::NotPlain { .. } => Self::InvalidTxnState,
            AppendError::Internal { .. } => Self::InvalidTopic,
            AppendError::Producer { source: ProducerError::Fenced { .. }, .. } => {
                Self::InvalidProducerEpoch
            }
            AppendError::Producer { source: ProducerError::OutOfOrder { .. }, .. } => {
                Self::OutOfOrderSequenceNumber
            }
            AppendError::DiskFull { .. } | AppendError::Poisoned { .. } => Self::KafkaStorageError,
        }
    }

    pub(crate) const fn of_read(error: &ReadError) -> Self {
        match error {
            ReadError::UnknownPartition { .. } => Self::UnknownTopicOrPartition,
            ReadError::OutOfRange { .. } => Self::OffsetOutOfRange,
            // Loud in every client, unlike a storage error, which they retry in silence.
            ReadError::Damaged { .. } => Self::CorruptMessage,
            ReadError::Disk { .. } => Self::KafkaStorageError,
        }
    }
}
