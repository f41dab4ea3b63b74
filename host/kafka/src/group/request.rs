//! What comes in: requests, time, and the bounds they are held to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::identity::{Generation, InstanceId, MemberId, ProtocolName};

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// On a clock that never goes back. All deadlines are on it.
    pub at: Duration,
    /// Milliseconds since 1970-01-01 UTC, for what is saved.
    pub wall_ms: i64,
}

/// One way to divide partitions that a member supports, and what it says about itself for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Its name.
    pub name: ProtocolName,
    /// Opaque here; of consumers it holds their subscription.
    pub metadata: Bytes,
}

/// A member wants to take part in the next generation.
#[derive(Clone, Debug)]
pub struct Joining {
    /// The id that it was given; `None` where it has none yet.
    pub member: Option<MemberId>,
    /// The id to give it where it has none.
    pub fresh: MemberId,
    /// Of a static member: its own name.
    pub instance: Option<InstanceId>,
    /// Whether a dynamic member must come back with its id before it counts (KIP-394).
    pub needs_known_id: bool,
    /// What the client calls itself.
    pub client_id: Arc<str>,
    /// Where it connects from.
    pub client_host: Arc<str>,
    /// A member that is silent for longer is gone.
    pub session_timeout: Duration,
    /// How long it may take to join again.
    pub rebalance_timeout: Duration,
    /// `consumer`, `connect`, …
    pub protocol_type: Arc<str>,
    /// The best one first.
    pub protocols: Vec<Protocol>,
}

/// Who sends a heartbeat, a sync or a commit.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `None` where the request names nobody.
    pub member: Option<MemberId>,
    /// Of a static member: its own name.
    pub instance: Option<InstanceId>,
    /// The generation it believes in.
    pub generation: Generation,
}

/// A member asks for its assignment; the leader brings everybody's.
#[derive(Clone, Debug)]
pub struct Syncing {
    /// Who asks.
    pub caller: Caller,
    /// What it believes the group's type to be, where it says so.
    pub protocol_type: Option<Arc<str>>,
    /// What it believes the chosen protocol to be, where it says so.
    pub protocol: Option<ProtocolName>,
    /// Of the leader: all assignments.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// One member of a request to leave.
#[derive(Clone, Debug)]
pub struct Leaving {
    /// `None` where only the instance is named, as administrators do.
    pub member: Option<MemberId>,
    /// Of a static member: its own name.
    pub instance: Option<InstanceId>,
}

/// The bounds of every group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// How long an empty group waits for more members before its first generation.
    pub initial_rebalance_delay: Duration,
    /// The shortest session timeout that is accepted.
    pub session_timeout_min: Duration,
    /// The longest session timeout that is accepted.
    pub session_timeout_max: Duration,
    /// The most members of one group, those included that were only given an id.
    pub members_max: usize,
    /// The most bytes that one member may say about itself.
    pub member_bytes_max: usize,
    /// The most bytes that all members of a group together may say about themselves, and
    /// be assigned.
    pub group_bytes_max: usize,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self {
            initial_rebalance_delay: Duration::from_secs(3),
            session_timeout_min: Duration::from_secs(6),
            session_timeout_max: Duration::from_secs(30 * 60),
            members_max: 1000,
            member_bytes_max: 1 << 20,
            group_bytes_max: 3 << 20,
        }
    }
}
