//! The states of a group, each with what only it has.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::answer::{Answer, Effects, Joined, Refusal, Synced};
use super::identity::{MemberId, ProtocolName, SaveId, Ticket};
use super::member::Members;
use super::request::{GroupLimits, Now};

/// Requests that wait, by member: a member has one at a time.
pub(super) type Parked = BTreeMap<MemberId, Ticket>;

/// Bytes for each member.
pub(super) type Assignments = BTreeMap<MemberId, Bytes>;

#[derive(Debug)]
pub(super) enum State {
    /// No members; there may be offsets.
    Empty(Empty),
    /// Waits for everybody to join.
    Preparing(Preparing),
    /// Everybody has joined; waits for the leader's assignment.
    Completing(Completing),
    /// Everybody has, or may ask for, an assignment.
    Stable(Stable),
    /// Removed.
    Dead,
}

#[derive(Debug)]
pub(super) struct Empty {
    /// What the group was before, if it was anything.
    pub protocol_type: Option<Arc<str>>,
    /// Wall clock.
    pub since_ms: i64,
}

#[derive(Debug)]
pub(super) struct Preparing {
    pub members: Members,
    /// The leader of the generation before.
    pub leader: Option<MemberId>,
    pub joins: Parked,
    pub pace: Pace,
    pub deadline: Duration,
}

/// When a generation is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The group was empty: at the deadline, which moves while members come, up to `ends_at`.
    Initial { has_grown: bool, ends_at: Duration },
    /// When all have joined, at the deadline at the latest.
    Regular,
}

/// The members of a generation.
#[derive(Debug)]
pub(super) struct Roster {
    pub members: Members,
    pub leader: MemberId,
    pub protocol: ProtocolName,
    /// Who has joined but not asked for its assignment.
    pub unsynced: BTreeSet<MemberId>,
    /// Until when it has to.
    pub sync_deadline: Duration,
}

#[derive(Debug)]
pub(super) struct Completing {
    pub roster: Roster,
    pub syncs: Parked,
    /// What the leader assigned, while it is being saved.
    pub saving: Option<(SaveId, Assignments)>,
}

#[derive(Debug)]
pub(super) struct Stable {
    pub roster: Roster,
    pub assignments: Assignments,
    /// Of the assignments.
    pub bytes: usize,
}

impl Stable {
    pub fn new(roster: Roster, assignments: Assignments) -> Self {
        let bytes = assignments.values().map(Bytes::len).sum();
        Self { roster, assignments, bytes }
    }
}

impl State {
    pub fn take(&mut self) -> Self {
        mem::replace(self, Self::Dead)
    }

    pub fn members(&self) -> Option<&Members> {
        match self {
            Self::Preparing(state) => Some(&state.members),
            Self::Completing(Completing { roster, .. }) | Self::Stable(Stable { roster, .. }) => {
                Some(&roster.members)
            }
            Self::Empty(_) | Self::Dead => None,
        }
    }

    pub fn members_mut(&mut self) -> Option<&mut Members> {
        match self {
            Self::Preparing(state) => Some(&mut state.members),
            Self::Completing(Completing { roster, .. }) | Self::Stable(Stable { roster, .. }) => {
                Some(&mut roster.members)
            }
            Self::Empty(_) | Self::Dead => None,
        }
    }

    pub fn roster(&self) -> Option<&Roster> {
        match self {
            Self::Completing(Completing { roster, .. }) | Self::Stable(Stable { roster, .. }) => {
                Some(roster)
            }
            Self::Empty(_) | Self::Preparing(_) | Self::Dead => None,
        }
    }

    pub fn roster_mut(&mut self) -> Option<&mut Roster> {
        match self {
            Self::Completing(Completing { roster, .. }) | Self::Stable(Stable { roster, .. }) => {
                Some(roster)
            }
            Self::Empty(_) | Self::Preparing(_) | Self::Dead => None,
        }
    }

    /// The requests that wait.
    pub fn parked(&self) -> Option<&Parked> {
        match self {
            Self::Preparing(state) => Some(&state.joins),
            Self::Completing(state) => Some(&state.syncs),
            Self::Empty(_) | Self::Stable(_) | Self::Dead => None,
        }
    }

    pub fn parked_mut(&mut self) -> Option<&mut Parked> {
        match self {
            Self::Preparing(state) => Some(&mut state.joins),
            Self::Completing(state) => Some(&mut state.syncs),
            Self::Empty(_) | Self::Stable(_) | Self::Dead => None,
        }
    }

    /// A member with a parked request is there, however long the answer takes.
    pub fn is_parked(&self, member: &MemberId) -> bool {
        self.parked().is_some_and(|parked| parked.contains_key(member))
    }
}

/// One input while it is handled: when, within which bounds, and what it has brought about.
pub(super) struct Turn<'a> {
    pub now: Now,
    pub limits: &'a GroupLimits,
    pub out: Effects,
}

impl<'a> Turn<'a> {
    pub fn new(now: Now, limits: &'a GroupLimits) -> Self {
        Self { now, limits, out: Effects::default() }
    }

    pub fn answer_join(&mut self, ticket: Ticket, answer: Result<Joined, Refusal>) {
        self.out.answers.push((ticket, Answer::Join(answer)));
    }

    pub fn answer_sync(&mut self, ticket: Ticket, answer: Result<Synced, Refusal>) {
        self.out.answers.push((ticket, Answer::Sync(answer)));
    }
}
