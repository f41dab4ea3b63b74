//! What goes out: answers to parked requests, and what is to be made durable.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::identity::{Generation, InstanceId, MemberId, ProtocolName, SaveId, Ticket};
use super::snapshot::Snapshot;

/// Why a request was not granted. Each is one of Kafka's error codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A dynamic member must come back with this id.
    #[error("join again as member {member}")]
    MemberIdRequired {
        /// Its id from now on.
        member: MemberId,
    },
    /// The group does not know the member (any more).
    #[error("the group has no such member")]
    UnknownMember,
    /// The member believes in another generation.
    #[error("the group is in generation {current}, not in {named}")]
    IllegalGeneration {
        /// The member's.
        named: Generation,
        /// The group's.
        current: Generation,
    },
    /// A new generation is being made: join again.
    #[error("the group is making a new generation")]
    RebalanceInProgress,
    /// Another client has taken the instance's place.
    #[error("another client has joined as this instance")]
    FencedInstance,
    /// No way to divide partitions that all members support.
    #[error("the member has no protocol in common with the group")]
    InconsistentProtocol,
    /// The session timeout is out of bounds.
    #[error("a session timeout of {timeout:?} is not between {min:?} and {max:?}")]
    SessionTimeout {
        /// The member's.
        timeout: Duration,
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// The group has as many members as it may have.
    #[error("the group has {max} members, as many as it may have")]
    GroupFull {
        /// As many.
        max: usize,
    },
    /// The request says more than the group keeps.
    #[error("{size} {what}; at most {max} are allowed")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// So much.
        size: usize,
        /// At most.
        max: usize,
    },
    /// The group's new state could not be made durable.
    #[error("the group could not be saved")]
    NotSaved,
    /// The group was removed at this moment: ask again.
    #[error("the group has just been removed")]
    Dead,
}

/// The answer to a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The generation that the member takes part in.
    pub generation: Generation,
    /// The group's type.
    pub protocol_type: Arc<str>,
    /// The way to divide partitions that was chosen.
    pub protocol: ProtocolName,
    /// Who assigns.
    pub leader: MemberId,
    /// The member's own id.
    pub member: MemberId,
    /// For the leader: everybody. For others: nobody.
    pub members: Vec<JoinedMember>,
}

/// A member, as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub id: MemberId,
    /// Of a static member: its own name.
    pub instance: Option<InstanceId>,
    /// What it says about itself for the chosen protocol.
    pub metadata: Bytes,
}

/// The answer to a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The group's type.
    pub protocol_type: Arc<str>,
    /// The way to divide partitions that was chosen.
    pub protocol: ProtocolName,
    /// What the leader assigned; empty where it assigned nothing.
    pub assignment: Bytes,
}

/// The answer to a parked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a join.
    Join(Result<Joined, Refusal>),
    /// To a sync.
    Sync(Result<Synced, Refusal>),
}

/// A state of the group that is to be made durable.
///
/// **Saves of one group are made in the order in which they were asked for**, each one ends with
/// [`super::Group::saved`].
#[derive(Debug)]
#[must_use]
pub struct Save {
    /// To be named when it is over.
    pub id: SaveId,
    /// What to write.
    pub snapshot: Snapshot,
    /// Answers that go out once it is durable; if that fails, they become [`Refusal::NotSaved`].
    pub then: Vec<(Ticket, Answer)>,
}

/// What an input brought about, in order.
#[derive(Debug, Default)]
#[must_use]
pub struct Effects {
    /// Answers to parked requests.
    pub answers: Vec<(Ticket, Answer)>,
    /// What is to be made durable.
    pub saves: Vec<Save>,
    /// How many rebalances began.
    pub rebalances: u32,
}
