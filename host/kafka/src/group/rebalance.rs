//! A generation is made: from the first join to the answers of all.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::Group;
use super::answer::{Effects, Refusal, Save};
use super::identity::MemberId;
use super::member::Member;
use super::protocols::choose;
use super::state::{
    Assignments, Completing, Empty, Pace, Parked, Preparing, Roster, Stable, State, Turn,
};

/// A rebalance to which nobody comes is looked at no more often, whatever timeouts its members
/// have named: one of 0 would keep a timer running without a pause.
const POSTPONED_MIN: Duration = Duration::from_secs(1);

/// What becomes of a rebalance at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Wait,
    /// More may come: wait as long again.
    Extend,
    /// The generation is as it is.
    Complete,
    /// Only static members are left, all of them away: wait until they come or expire.
    Postpone,
}

impl Group {
    /// Begins a rebalance, where none is under way and there is a generation to end.
    pub(super) fn prepare(&mut self, turn: &mut Turn<'_>) {
        let roster = match self.state.take() {
            State::Completing(Completing { mut roster, syncs, .. }) => {
                roster.refuse(syncs, &Refusal::RebalanceInProgress, turn);
                roster
            }
            State::Stable(Stable { roster, .. }) => roster,
            other @ (State::Empty(_) | State::Preparing(_) | State::Dead) => {
                self.state = other;
                return;
            }
        };
        let deadline = turn.now.at + roster.members.rebalance_timeout();
        let leader = Some(roster.leader).filter(|leader| roster.members.contains(leader));
        self.state = State::Preparing(Preparing {
            members: roster.members,
            leader,
            joins: Parked::new(),
            pace: Pace::Regular,
            deadline,
        });
        turn.out.rebalances += 1;
    }

    /// Ends an input: makes the generation if it is time.
    pub(super) fn settle(&mut self, mut turn: Turn<'_>) -> Effects {
        if self.commits == 0
            && let State::Preparing(state) = &mut self.state
        {
            match state.verdict(!self.pending.is_empty(), &turn) {
                Verdict::Wait => {}
                Verdict::Extend => state.extend(&turn),
                Verdict::Postpone => {
                    let pause = state.members.rebalance_timeout().max(POSTPONED_MIN);
                    state.deadline = turn.now.at + pause;
                }
                Verdict::Complete => self.complete(&mut turn),
            }
        }
        turn.out
    }

    fn complete(&mut self, turn: &mut Turn<'_>) {
        let State::Preparing(mut state) = self.state.take() else {
            unreachable!("only a rebalance completes");
        };
        state.drop_absent();
        self.generation = self.generation.next();
        let choice = choose(state.members.values().map(|member| member.protocols.as_slice()));
        let (Some(leader), Some(protocol)) = (state.elect(), choice) else {
            let protocol_type = Some(state.members.protocol_type);
            self.state = State::Empty(Empty { protocol_type, since_ms: turn.now.wall_ms });
            let (id, snapshot) = (self.next_save(), self.snapshot());
            turn.out.saves.push(Save { id, snapshot, then: Vec::new() });
            return;
        };
        let sync_deadline = turn.now.at + state.members.rebalance_timeout();
        let unsynced: BTreeSet<MemberId> = state.joins.keys().cloned().collect();
        let members = state.members;
        let roster = Roster { members, leader, protocol, unsynced, sync_deadline };
        self.state = State::Completing(Completing { roster, syncs: Parked::new(), saving: None });
        for (id, ticket) in state.joins {
            let Some(joined) = self.current(&id) else { continue };
            if let Some(members) = self.state.members_mut() {
                members.touch(&id, turn.now.at);
                members.tell(&id);
            }
            turn.answer_join(ticket, Ok(joined));
        }
    }
}

impl Roster {
    /// Answers parked syncs. Their members have been there until now.
    pub(super) fn refuse(&mut self, syncs: Parked, refusal: &Refusal, turn: &mut Turn<'_>) {
        for (id, ticket) in syncs {
            turn.answer_sync(ticket, Err(refusal.clone()));
            self.members.touch(&id, turn.now.at);
        }
    }
}

impl Preparing {
    /// Decides from what is there. No I/O, no clock.
    fn verdict(&self, has_pending: bool, turn: &Turn<'_>) -> Verdict {
        let is_due = self.deadline <= turn.now.at;
        if self.members.is_empty() {
            return Verdict::Complete;
        }
        match self.pace {
            Pace::Initial { .. } if !is_due => Verdict::Wait,
            Pace::Initial { has_grown: true, ends_at } if self.deadline < ends_at => {
                Verdict::Extend
            }
            Pace::Regular if self.joins.len() == self.members.len() && !has_pending => {
                Verdict::Complete
            }
            Pace::Regular if !is_due => Verdict::Wait,
            _ if self.joins.is_empty() && self.members.values().any(Member::is_static) => {
                Verdict::Postpone
            }
            Pace::Initial { .. } | Pace::Regular => Verdict::Complete,
        }
    }

    fn extend(&mut self, turn: &Turn<'_>) {
        if let Pace::Initial { has_grown, ends_at } = &mut self.pace {
            *has_grown = false;
            let delayed = turn.now.at + turn.limits.initial_rebalance_delay;
            self.deadline = delayed.min(*ends_at);
        }
    }

    /// Whoever has not joined is left out; static members stay until their session ends.
    fn drop_absent(&mut self) {
        let absent = |(id, member): &(&MemberId, &Member)| {
            !member.is_static() && !self.joins.contains_key(*id)
        };
        let absent: Vec<_> = self.members.iter().filter(absent).map(|(id, _)| id.clone()).collect();
        for id in absent {
            self.members.remove(&id);
        }
    }

    /// The leader stays if it is there.
    fn elect(&self) -> Option<MemberId> {
        let before = self.leader.as_ref().filter(|leader| self.joins.contains_key(leader));
        before.or_else(|| self.joins.keys().next()).cloned()
    }
}

/// Bytes for each member of a generation, as its leader sent them: others are left out, and who
/// was forgotten gets nothing.
pub(super) fn assign(
    roster: &Roster,
    sent: impl IntoIterator<Item = (MemberId, Bytes)>,
) -> Assignments {
    let everybody = roster.members.iter().map(|(id, _)| (id.clone(), Bytes::new()));
    let mut assignments: Assignments = everybody.collect();
    for (id, assignment) in sent {
        assignments.entry(id).and_modify(|place| *place = assignment);
    }
    assignments
}
