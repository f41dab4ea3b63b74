//! A member asks for its assignment. It is told once the leader's word is durable.

use super::Group;
use super::answer::{Effects, Refusal, Save, Synced};
use super::identity::{MemberId, SaveId, Ticket};
use super::member::at_most;
use super::rebalance::assign;
use super::request::{GroupLimits, Now, Syncing};
use super::state::{Assignments, Completing, Parked, Stable, State, Turn};

impl Group {
    /// Answers under `ticket`, now or once the assignment of the generation is known.
    pub fn sync(
        &mut self,
        request: Syncing,
        ticket: Ticket,
        now: Now,
        limits: &GroupLimits,
    ) -> Effects {
        let mut turn = Turn::new(now, limits);
        if let Err(refusal) = self.try_sync(request, ticket, &mut turn) {
            turn.answer_sync(ticket, Err(refusal));
        }
        self.settle(turn)
    }

    fn try_sync(
        &mut self,
        request: Syncing,
        ticket: Ticket,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let id = self.identify(&request.caller)?;
        let Some(roster) = self.state.roster_mut() else {
            return Err(Refusal::RebalanceInProgress);
        };
        let type_differs =
            request.protocol_type.is_some_and(|it| it != roster.members.protocol_type);
        if type_differs || request.protocol.is_some_and(|it| it != roster.protocol) {
            return Err(Refusal::InconsistentProtocol);
        }
        let is_leader = roster.leader == id;
        if is_leader {
            let bytes = request.assignments.iter().map(|(_, assignment)| assignment.len()).sum();
            at_most(turn.limits.group_bytes_max, bytes, "bytes of assignments")?;
        }
        roster.unsynced.remove(&id);
        roster.members.touch(&id, turn.now.at);
        if let Some(synced) = self.assigned(&id) {
            turn.answer_sync(ticket, Ok(synced));
            return Ok(());
        }
        let State::Completing(state) = &mut self.state else {
            return Err(Refusal::RebalanceInProgress);
        };
        if let Some(earlier) = state.syncs.insert(id, ticket) {
            turn.answer_sync(earlier, Err(Refusal::RebalanceInProgress));
        }
        if is_leader && state.saving.is_none() {
            let assignments = assign(&state.roster, request.assignments);
            self.save_assignments(assignments, turn);
        }
        Ok(())
    }

    fn save_assignments(&mut self, assignments: Assignments, turn: &mut Turn<'_>) {
        let id = self.next_save();
        if let State::Completing(state) = &mut self.state {
            state.saving = Some((id, assignments));
            let snapshot = self.snapshot();
            turn.out.saves.push(Save { id, snapshot, then: Vec::new() });
        }
    }

    /// A save is over: the generation that it was for is stable, or has to be made again.
    pub fn saved(
        &mut self,
        save: SaveId,
        is_durable: bool,
        now: Now,
        limits: &GroupLimits,
    ) -> Effects {
        let mut turn = Turn::new(now, limits);
        match self.state.take() {
            State::Completing(Completing {
                mut roster,
                syncs,
                saving: Some((id, assignments)),
            }) if id == save => {
                if is_durable {
                    self.state = State::Stable(Stable::new(roster, assignments));
                    self.hand_out(syncs, &mut turn);
                } else {
                    roster.refuse(syncs, &Refusal::NotSaved, &mut turn);
                    let syncs = Parked::new();
                    self.state = State::Completing(Completing { roster, syncs, saving: None });
                    self.prepare(&mut turn);
                }
            }
            // A later rebalance has made it meaningless.
            other => self.state = other,
        }
        self.settle(turn)
    }

    fn hand_out(&mut self, syncs: Parked, turn: &mut Turn<'_>) {
        for (id, ticket) in syncs {
            self.touch(&id, turn.now);
            turn.answer_sync(ticket, self.assigned(&id).ok_or(Refusal::UnknownMember));
        }
    }

    fn assigned(&self, id: &MemberId) -> Option<Synced> {
        let State::Stable(state) = &self.state else { return None };
        Some(Synced {
            protocol_type: state.roster.members.protocol_type.clone(),
            protocol: state.roster.protocol.clone(),
            assignment: state.assignments.get(id).cloned().unwrap_or_default(),
        })
    }
}
