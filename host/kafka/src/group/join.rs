//! A member joins: for the first time, again, or as the new incarnation of a static member.

use super::Group;
use super::answer::{Answer, Effects, Joined, Refusal, Save};
use super::identity::{InstanceId, MemberId, Ticket};
use super::member::{Member, Members, check};
use super::protocols::{are_compatible, choose};
use super::request::{GroupLimits, Joining, Now};
use super::state::{Pace, Preparing, State, Turn};

impl Group {
    /// Takes a member in. Its answer comes under `ticket`, now or once the generation is made.
    pub fn join(
        &mut self,
        request: Joining,
        ticket: Ticket,
        now: Now,
        limits: &GroupLimits,
    ) -> Effects {
        let mut turn = Turn::new(now, limits);
        if let Err(refusal) = self.try_join(request, ticket, &mut turn) {
            turn.answer_join(ticket, Err(refusal));
        }
        self.settle(turn)
    }

    fn try_join(
        &mut self,
        request: Joining,
        ticket: Ticket,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        if self.is_dead() {
            return Err(Refusal::Dead);
        }
        check(&request, turn.limits)?;
        match request.member.clone() {
            Some(id) => self.join_known(id, request, ticket, turn),
            None => self.join_new(request, ticket, turn),
        }
    }

    fn join_new(
        &mut self,
        request: Joining,
        ticket: Ticket,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let replaced = request.instance.as_ref().and_then(|instance| self.of_instance(instance));
        self.check_fit(&request, replaced.as_ref(), turn.limits)?;
        if let Some(replaced) = replaced {
            self.replace(&replaced, request, ticket, turn);
            return Ok(());
        }
        let members = self.state.members().map_or(0, Members::len) + self.pending.len();
        if members >= turn.limits.members_max {
            return Err(Refusal::GroupFull { max: turn.limits.members_max });
        }
        let id = request.fresh.clone();
        if request.needs_known_id && request.instance.is_none() {
            self.pending.insert(id.clone(), turn.now.at + request.session_timeout);
            return Err(Refusal::MemberIdRequired { member: id });
        }
        // A static member can always come back: by its instance.
        let is_told = request.instance.is_some();
        self.admit(id, request, is_told, ticket, turn);
        Ok(())
    }

    fn join_known(
        &mut self,
        id: MemberId,
        request: Joining,
        ticket: Ticket,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        if self.pending.contains_key(&id) && request.instance.is_none() {
            self.check_fit(&request, None, turn.limits)?;
            self.pending.remove(&id);
            self.admit(id, request, true, ticket, turn);
            return Ok(());
        }
        let members = self.state.members().ok_or(Refusal::UnknownMember)?;
        members.find(Some(&id), request.instance.as_ref())?;
        self.check_fit(&request, Some(&id), turn.limits)?;
        let must_rebalance = match &self.state {
            // A leader that joins again has seen something that calls for other assignments.
            State::Stable(state) => state.roster.leader == id || self.has_changed(&id, &request),
            // The others may have lost the answer to their first join.
            State::Completing(_) => self.has_changed(&id, &request),
            State::Empty(_) | State::Preparing(_) | State::Dead => true,
        };
        self.renew(&id, request, turn.now);
        match self.current(&id).filter(|_| !must_rebalance) {
            Some(joined) => turn.answer_join(ticket, Ok(joined)),
            None => self.park_join(&id, ticket, turn),
        }
        Ok(())
    }

    /// Whether the group can have who asks, in place of `replaced`.
    fn check_fit(
        &self,
        request: &Joining,
        replaced: Option<&MemberId>,
        limits: &GroupLimits,
    ) -> Result<(), Refusal> {
        let Some(members) = self.state.members() else { return Ok(()) };
        let others = members.iter().filter(|(id, _)| Some(*id) != replaced);
        let protocols = others.map(|(_, member)| member.protocols.as_slice());
        let is_same_type = members.protocol_type == request.protocol_type;
        if !is_same_type || !are_compatible(&request.protocols, protocols) {
            return Err(Refusal::InconsistentProtocol);
        }
        members.check_bytes(request, replaced, limits)
    }

    fn of_instance(&self, instance: &InstanceId) -> Option<MemberId> {
        self.state.members()?.of_instance(instance).cloned()
    }

    fn has_changed(&self, id: &MemberId, request: &Joining) -> bool {
        let known = self.state.members().and_then(|members| members.get(id));
        known.is_none_or(|member| member.protocols != request.protocols)
    }

    fn renew(&mut self, id: &MemberId, request: Joining, now: Now) {
        let Some(members) = self.state.members_mut() else { return };
        if let Some(instance) = members.get(id).map(|member| member.instance.clone()) {
            members.insert(id.clone(), Member { instance, ..Member::new(request, now.at, true) });
        }
    }

    /// Puts a new member into the group. The first one begins the first rebalance.
    fn admit(
        &mut self,
        id: MemberId,
        request: Joining,
        is_told: bool,
        ticket: Ticket,
        turn: &mut Turn<'_>,
    ) {
        let now = turn.now.at;
        match &mut self.state {
            State::Empty(_) => {
                let delay = turn.limits.initial_rebalance_delay.min(request.rebalance_timeout);
                let ends_at = now + request.rebalance_timeout;
                self.state = State::Preparing(Preparing {
                    members: Members::new(request.protocol_type.clone()),
                    leader: None,
                    joins: Default::default(),
                    pace: Pace::Initial { has_grown: false, ends_at },
                    deadline: now + delay,
                });
                turn.out.rebalances += 1;
            }
            State::Preparing(Preparing { pace: Pace::Initial { has_grown, .. }, .. }) => {
                *has_grown = true;
            }
            State::Preparing(_) | State::Completing(_) | State::Stable(_) | State::Dead => {}
        }
        if let Some(members) = self.state.members_mut() {
            members.insert(id.clone(), Member::new(request, now, is_told));
        }
        self.park_join(&id, ticket, turn);
    }

    /// Parks the join of a member of the group, and begins a rebalance where none is under way.
    fn park_join(&mut self, id: &MemberId, ticket: Ticket, turn: &mut Turn<'_>) {
        self.prepare(turn);
        if let State::Preparing(state) = &mut self.state
            && let Some(earlier) = state.joins.insert(id.clone(), ticket)
        {
            // The client has given up on it, or it would not ask again.
            turn.answer_join(earlier, Err(Refusal::RebalanceInProgress));
        }
    }

    /// A static member starts again under a new id. Where that changes nothing, nobody else
    /// notices.
    fn replace(&mut self, old: &MemberId, request: Joining, ticket: Ticket, turn: &mut Turn<'_>) {
        let new = request.fresh.clone();
        self.release(old, &Refusal::FencedInstance, turn);
        let Some(members) = self.state.members_mut() else { return };
        members.remove(old);
        members.insert(new.clone(), Member::new(request, turn.now.at, true));
        let choice = choose(members.values().map(|member| member.protocols.as_slice()));
        let leader = self.leader().cloned();
        self.rename(old, &new);
        let is_unchanged = matches!(&self.state, State::Stable(_))
            && self.state.roster().map(|roster| &roster.protocol) == choice.as_ref();
        match self.current(&new).filter(|_| is_unchanged) {
            Some(joined) => {
                // Told the id of the leader before, a leader that has started again does not
                // assign: an assignment would reach nobody in a stable group.
                let leader = leader.unwrap_or_else(|| joined.leader.clone());
                let joined = Joined { leader, members: Vec::new(), ..joined };
                let then = vec![(ticket, Answer::Join(Ok(joined)))];
                let id = self.next_save();
                let snapshot = self.snapshot();
                turn.out.saves.push(Save { id, snapshot, then });
            }
            None => self.park_join(&new, ticket, turn),
        }
    }

    fn rename(&mut self, old: &MemberId, new: &MemberId) {
        if let State::Stable(state) = &mut self.state
            && let Some(assignment) = state.assignments.remove(old)
        {
            state.assignments.insert(new.clone(), assignment);
        }
        match &mut self.state {
            State::Preparing(Preparing { leader: Some(leader), .. }) if leader == old => {
                *leader = new.clone();
            }
            State::Completing(_) | State::Stable(_) => {
                let Some(roster) = self.state.roster_mut() else { return };
                roster.unsynced.remove(old);
                if roster.leader == *old {
                    roster.leader = new.clone();
                }
            }
            State::Preparing(_) | State::Empty(_) | State::Dead => {}
        }
    }

    /// What a member of this generation is told about it.
    pub(super) fn current(&self, id: &MemberId) -> Option<Joined> {
        let roster = self.state.roster()?;
        let members = if roster.leader == *id {
            roster.members.for_leader(&roster.protocol)
        } else {
            Vec::new()
        };
        Some(Joined {
            generation: self.generation,
            protocol_type: roster.members.protocol_type.clone(),
            protocol: roster.protocol.clone(),
            leader: roster.leader.clone(),
            member: id.clone(),
            members,
        })
    }

    pub(super) fn leader(&self) -> Option<&MemberId> {
        match &self.state {
            State::Preparing(state) => state.leader.as_ref(),
            State::Completing(_) | State::Stable(_) => {
                self.state.roster().map(|roster| &roster.leader)
            }
            State::Empty(_) | State::Dead => None,
        }
    }
}
