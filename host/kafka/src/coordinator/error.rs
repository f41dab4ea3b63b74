//! Why the coordinator did not do what it was asked for.

use tidemill_log::{GroupError, ReadError, TopicPartition};

use crate::group::Refusal;

/// The longest name of a group: lengths have 16 bits on disk.
pub const NAME_BYTES_MAX: usize = i16::MAX as usize;

/// Nothing was changed, unless the log says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// The group's state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A group has a name of 1 to 32,767 bytes.
    #[error("a group's name of {bytes} bytes; 1 to {NAME_BYTES_MAX} are allowed")]
    Name {
        /// Its length.
        bytes: usize,
    },
    /// A name that is for pipelines.
    #[error("group `{group}` has a name that is for pipelines alone")]
    Reserved {
        /// The group.
        group: String,
    },
    /// The positions are a pipeline's own.
    #[error("group `{group}` holds the positions of pipeline `{pipeline}`")]
    Owned {
        /// The group.
        group: String,
        /// Whose it is.
        pipeline: String,
    },
    /// There is no such group.
    #[error("there is no group `{group}`")]
    Unknown {
        /// As asked for.
        group: String,
    },
    /// Members are at work, and would not notice.
    #[error("group `{group}` has members")]
    HasMembers {
        /// The group.
        group: String,
    },
    /// More groups than the coordinator keeps.
    #[error("there are {max} groups with members, as many as there may be")]
    TooManyGroups {
        /// So many.
        max: usize,
    },
    /// More metadata of members than the coordinator keeps.
    #[error("the members of all groups say as much about themselves as they may: {max} bytes")]
    TooManyBytes {
        /// So much.
        max: usize,
    },
    /// Nothing to count from.
    #[error("group `{group}` has committed nothing for {at}")]
    NothingCommitted {
        /// The group.
        group: String,
        /// The partition.
        at: TopicPartition,
    },
    /// A partition cannot be read.
    #[error("look into the partition")]
    Read(#[from] ReadError),
    /// The log took no change.
    #[error("change the offsets of a group")]
    Log(#[from] GroupError),
    /// The host is about to end.
    #[error("the coordinator is closing")]
    Closing,
}

impl CoordinatorError {
    /// Whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => {
                matches!(refusal, Refusal::RebalanceInProgress | Refusal::NotSaved | Refusal::Dead)
            }
            Self::Log(error) => error.is_retryable(),
            Self::Read(error) => error.is_retryable(),
            Self::TooManyGroups { .. } | Self::TooManyBytes { .. } | Self::HasMembers { .. } => {
                true
            }
            Self::Name { .. }
            | Self::Reserved { .. }
            | Self::Owned { .. }
            | Self::Unknown { .. }
            | Self::NothingCommitted { .. }
            | Self::Closing => false,
        }
    }

    /// What the person can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Owned { .. } => {
                Some("they go with the pipeline: `tidemill pipeline delete` forgets them")
            }
            Self::Unknown { .. } => Some("`tidemill group list` shows what is there"),
            Self::HasMembers { .. } => {
                Some("stop its consumers first; one that died is gone with its session timeout")
            }
            Self::Name { .. } => Some("clients name it as `group.id`"),
            Self::Reserved { .. } => Some("choose another `group.id`"),
            Self::Log(error) => Some(error.hint()),
            Self::NothingCommitted { .. } => {
                Some("give a place: earliest, latest, an offset or a time")
            }
            Self::Refused(_)
            | Self::Read(_)
            | Self::TooManyGroups { .. }
            | Self::TooManyBytes { .. }
            | Self::Closing => None,
        }
    }
}
