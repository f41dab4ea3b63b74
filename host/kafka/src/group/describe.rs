//! What there is to know of a group.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::Group;
use super::identity::{Generation, InstanceId, MemberId, ProtocolName};
use super::member::Members;
use super::state::State;

/// The state of a group, by Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// No members; there may be offsets.
    Empty,
    /// Waits for its members to join.
    PreparingRebalance,
    /// Waits for its leader's assignment.
    CompletingRebalance,
    /// At work.
    Stable,
    /// Not there.
    Dead,
}

impl GroupState {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Empty,
        Self::PreparingRebalance,
        Self::CompletingRebalance,
        Self::Stable,
        Self::Dead,
    ];

    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A group, seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// What it is doing.
    pub state: GroupState,
    /// How many assignments it has had.
    pub generation: Generation,
    /// `consumer`, `connect`, …; `None` of a group that nobody ever joined.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen way to divide partitions, in a generation.
    pub protocol: Option<ProtocolName>,
    /// Its members.
    pub members: Vec<MemberDescription>,
}

/// A member, seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its id.
    pub id: MemberId,
    /// Of a static member: its own name.
    pub instance: Option<InstanceId>,
    /// What the client calls itself.
    pub client_id: Arc<str>,
    /// Where it connects from.
    pub client_host: Arc<str>,
    /// What it says about itself for the chosen protocol; empty outside of a stable generation.
    pub metadata: Bytes,
    /// What it was assigned; empty outside of a stable generation.
    pub assignment: Bytes,
}

impl Group {
    /// What the group is doing.
    pub fn state(&self) -> GroupState {
        match &self.state {
            State::Empty(_) => GroupState::Empty,
            State::Preparing(_) => GroupState::PreparingRebalance,
            State::Completing(_) => GroupState::CompletingRebalance,
            State::Stable(_) => GroupState::Stable,
            State::Dead => GroupState::Dead,
        }
    }

    /// How many members it has.
    pub fn member_count(&self) -> usize {
        self.state.members().map_or(0, Members::len)
    }

    /// What kind of members it has, or had last.
    pub fn protocol_type(&self) -> Option<&Arc<str>> {
        match &self.state {
            State::Empty(empty) => empty.protocol_type.as_ref(),
            other => other.members().map(|members| &members.protocol_type),
        }
    }

    /// Since when it has been empty, where it is and anybody ever joined it.
    pub fn empty_since_ms(&self) -> Option<i64> {
        match &self.state {
            State::Empty(empty) if empty.protocol_type.is_some() => Some(empty.since_ms),
            _ => None,
        }
    }

    /// Everything about it.
    pub fn describe(&self) -> Description {
        let members = self.state.members().into_iter().flat_map(|members| members.iter());
        let members = members.map(|(id, member)| {
            let (metadata, assignment) = match &self.state {
                State::Stable(state) => (
                    member.metadata(&state.roster.protocol),
                    state.assignments.get(id).cloned().unwrap_or_default(),
                ),
                _ => Default::default(),
            };
            MemberDescription {
                id: id.clone(),
                instance: member.instance.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                metadata,
                assignment,
            }
        });
        Description {
            state: self.state(),
            generation: self.generation,
            protocol_type: self.protocol_type().cloned(),
            protocol: self.state.roster().map(|roster| roster.protocol.clone()),
            members: members.collect(),
        }
    }

    /// What every member says about itself for every protocol it knows.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Bytes> {
        let members = self.state.members().into_iter().flat_map(|members| members.values());
        members.flat_map(|member| member.protocols.iter().map(|protocol| &protocol.metadata))
    }
}
