//! Kafka's error codes, and which of them an error of the log is.

use tidemill_log::{AppendError, BatchError, GroupError, ProducerError, ReadError, TopicError};

use crate::coordinator::CoordinatorError;
use crate::group::Refusal;

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
    OffsetMetadataTooLarge = 12,
    CoordinatorNotAvailable = 15,
    InvalidTopic = 17,
    InvalidRequiredAcks = 21,
    IllegalGeneration = 22,
    InconsistentGroupProtocol = 23,
    InvalidGroupId = 24,
    UnknownMemberId = 25,
    InvalidSessionTimeout = 26,
    RebalanceInProgress = 27,
    GroupAuthorizationFailed = 30,
    UnsupportedVersion = 35,
    TopicAlreadyExists = 36,
    InvalidPartitions = 37,
    InvalidReplicationFactor = 38,
    InvalidReplicaAssignment = 39,
    InvalidConfig = 40,
    InvalidRequest = 42,
    UnsupportedForMessageFormat = 43,
    PolicyViolation = 44,
    OutOfOrderSequenceNumber = 45,
    InvalidProducerEpoch = 47,
    InvalidTxnState = 48,
    TransactionalIdAuthorizationFailed = 53,
    KafkaStorageError = 56,
    NonEmptyGroup = 68,
    GroupIdNotFound = 69,
    FetchSessionIdNotFound = 70,
    InvalidFetchSessionEpoch = 71,
    FencedLeaderEpoch = 74,
    UnknownLeaderEpoch = 75,
    UnsupportedCompressionType = 76,
    MemberIdRequired = 79,
    GroupMaxSizeReached = 81,
    FencedInstanceId = 82,
    GroupSubscribedToTopic = 86,
    InvalidRecord = 87,
    UnstableOffsetCommit = 88,
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
            TopicError::Config { .. } | TopicError::Setting { .. } => Self::InvalidConfig,
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
            AppendError::NoKey { .. } | AppendError::Unreadable { .. } => Self::InvalidRecord,
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

    pub(crate) const fn of_refusal(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::MemberIdRequired { .. } => Self::MemberIdRequired,
            Refusal::UnknownMember => Self::UnknownMemberId,
            Refusal::IllegalGeneration { .. } => Self::IllegalGeneration,
            Refusal::RebalanceInProgress => Self::RebalanceInProgress,
            Refusal::FencedInstance => Self::FencedInstanceId,
            Refusal::InconsistentProtocol => Self::InconsistentGroupProtocol,
            Refusal::SessionTimeout { .. } => Self::InvalidSessionTimeout,
            Refusal::GroupFull { .. } => Self::GroupMaxSizeReached,
            Refusal::TooLarge { .. } => Self::InvalidRequest,
            // Clients ask for the coordinator, and then again.
            Refusal::NotSaved | Refusal::Dead => Self::CoordinatorNotAvailable,
        }
    }

    pub(crate) const fn of_group(error: &CoordinatorError) -> Self {
        match error {
            CoordinatorError::Refused(refusal) => Self::of_refusal(refusal),
            CoordinatorError::Name { .. } | CoordinatorError::Log(GroupError::Name { .. }) => {
                Self::InvalidGroupId
            }
            CoordinatorError::Reserved { .. } | CoordinatorError::Owned { .. } => {
                Self::GroupAuthorizationFailed
            }
            CoordinatorError::Unknown { .. } => Self::GroupIdNotFound,
            CoordinatorError::HasMembers { .. } => Self::NonEmptyGroup,
            CoordinatorError::TooManyGroups { .. } | CoordinatorError::TooManyBytes { .. } => {
                Self::GroupMaxSizeReached
            }
            CoordinatorError::NothingCommitted { .. } => Self::InvalidRequest,
            CoordinatorError::Read(error) => Self::of_read(error),
            CoordinatorError::Log(GroupError::Metadata { .. }) => Self::OffsetMetadataTooLarge,
            CoordinatorError::Log(_) | CoordinatorError::Closing => Self::CoordinatorNotAvailable,
        }
    }
}
