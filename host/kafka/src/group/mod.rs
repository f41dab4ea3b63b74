//! A consumer group as a state machine: the classic protocol of Kafka's group coordinator.
//!
//! A [`Group`] is given requests and the time, and says what to answer and what to save. It does
//! no I/O, reads no clock and waits for nothing: whoever holds it parks requests under a
//! [`Ticket`], delivers the [`Effects`], and calls [`Group::tick`] at [`Group::next_deadline`].
//!
//! **Every ticket that was parked is answered exactly once**, unless it was cancelled.
//! **A generation has one leader, and begins only after the commits of the one before are over**,
//! so that a commit of an old owner never lands behind one of the new owner.
//!
//! The modules are in the order of a member's life: it joins, a generation is made, it gets its
//! assignment, it is present, it commits.

mod identity;
mod request;
mod answer;

mod member;
mod protocols;
mod state;

mod join;
mod rebalance;
mod sync;
mod presence;
mod commit;

mod describe;
mod snapshot;
pub mod subscription;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub use answer::{Answer, Effects, Joined, JoinedMember, Refusal, Save, Synced};
pub use describe::{Description, GroupState, MemberDescription};
pub use identity::{Generation, InstanceId, MemberId, ProtocolName, SaveId, Ticket};
pub use request::{Caller, GroupLimits, Joining, Leaving, Now, Protocol, Syncing};
pub use snapshot::{SavedMember, Snapshot, SnapshotError};

use state::{Empty, State};

/// One group.
#[derive(Debug)]
pub struct Group {
    generation: Generation,
    /// Ids that were given out to members which have not come back yet, and until when they may.
    pending: BTreeMap<MemberId, Duration>,
    /// Commits of this generation that are not over.
    commits: u32,
    saves: u64,
    state: State,
}

impl Group {
    /// A group that nobody has joined yet.
    pub fn new(wall_ms: i64) -> Self {
        Self::in_state(
            Generation::default(),
            State::Empty(Empty { protocol_type: None, since_ms: wall_ms }),
        )
    }

    fn in_state(generation: Generation, state: State) -> Self {
        Self { generation, pending: BTreeMap::new(), commits: 0, saves: 0, state }
    }

    /// Whether it was removed: ask for a new one.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, State::Dead)
    }

    /// Removes the group if nobody uses it, and says whether it did. Then everything is refused.
    pub fn retire(&mut self) -> bool {
        let is_unused = matches!(self.state, State::Empty(_));
        if is_unused && self.pending.is_empty() && self.commits == 0 {
            self.state = State::Dead;
        }
        self.is_dead()
    }

    /// Whether nothing is lost when it is removed: nobody ever joined, and nobody is about to.
    pub fn is_blank(&self) -> bool {
        self.generation == Generation::default()
            && self.commits == 0
            && self.pending.is_empty()
            && matches!(self.state, State::Empty(_))
    }

    /// The bytes that it holds for its members.
    pub fn bytes(&self) -> usize {
        let assigned = if let State::Stable(state) = &self.state { state.bytes } else { 0 };
        self.state.members().map_or(0, |members| members.bytes()) + assigned
    }

    fn next_save(&mut self) -> SaveId {
        self.saves += 1;
        SaveId(self.saves)
    }
}
