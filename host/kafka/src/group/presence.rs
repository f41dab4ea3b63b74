//! A member is present while it is heard of: heartbeats, leaving, sessions that end.

use std::time::Duration;

use super::Group;
use super::answer::{Effects, Refusal};
use super::identity::{MemberId, Ticket};
use super::request::{Caller, GroupLimits, Leaving, Now};
use super::state::{Roster, State, Turn};

impl Group {
    /// Notes that a member is there.
    ///
    /// # Errors
    /// [`Refusal::RebalanceInProgress`] asks it to join again.
    pub fn heartbeat(&mut self, caller: &Caller, now: Now) -> Result<(), Refusal> {
        let id = self.identify(caller)?;
        self.touch(&id, now);
        match &self.state {
            State::Preparing(_) => Err(Refusal::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Finds the member of the current generation that calls.
    pub(super) fn identify(&self, caller: &Caller) -> Result<MemberId, Refusal> {
        if self.is_dead() {
            return Err(Refusal::Dead);
        }
        let members = self.state.members().ok_or(Refusal::UnknownMember)?;
        let id = members.find(caller.member.as_ref(), caller.instance.as_ref())?;
        if caller.generation != self.generation {
            let (named, current) = (caller.generation, self.generation);
            return Err(Refusal::IllegalGeneration { named, current });
        }
        Ok(id.clone())
    }

    pub(super) fn touch(&mut self, id: &MemberId, now: Now) {
        if let Some(members) = self.state.members_mut() {
            members.touch(id, now.at);
        }
    }

    /// Takes members out, and says for each whether it was there.
    pub fn leave(
        &mut self,
        leaving: &[Leaving],
        now: Now,
        limits: &GroupLimits,
    ) -> (Vec<Result<MemberId, Refusal>>, Effects) {
        let mut turn = Turn::new(now, limits);
        let results = leaving.iter().map(|one| self.leave_one(one, &mut turn)).collect();
        (results, self.settle(turn))
    }

    fn leave_one(&mut self, one: &Leaving, turn: &mut Turn<'_>) -> Result<MemberId, Refusal> {
        if self.is_dead() {
            return Err(Refusal::Dead);
        }
        if one.instance.is_none()
            && let Some(id) = &one.member
            && self.pending.remove(id).is_some()
        {
            return Ok(id.clone());
        }
        let members = self.state.members().ok_or(Refusal::UnknownMember)?;
        let id = members.find(one.member.as_ref(), one.instance.as_ref())?.clone();
        self.remove(&id, turn);
        Ok(id)
    }

    /// The client behind a parked request is gone: it will not be answered.
    pub fn cancel(&mut self, ticket: Ticket, now: Now, limits: &GroupLimits) -> Effects {
        let mut turn = Turn::new(now, limits);
        let Some(parked) = self.state.parked_mut() else { return turn.out };
        let found = parked.iter().find(|(_, known)| **known == ticket).map(|(id, _)| id.clone());
        let Some(id) = found else { return turn.out };
        parked.remove(&id);
        self.touch(&id, now);
        let member = self.state.members().and_then(|members| members.get(&id));
        if member.is_some_and(|member| !member.is_told) {
            self.remove(&id, &mut turn);
        }
        self.settle(turn)
    }

    /// Does what is due: sessions that ended, members that never came back, the rebalance itself.
    pub fn tick(&mut self, now: Now, limits: &GroupLimits) -> Effects {
        let mut turn = Turn::new(now, limits);
        self.pending.retain(|_, expires_at| *expires_at > now.at);
        let is_overdue = |roster: &Roster| roster.sync_deadline <= now.at;
        let unsynced = self.state.roster().filter(|roster| is_overdue(roster));
        let mut gone: Vec<MemberId> =
            unsynced.into_iter().flat_map(|roster| roster.unsynced.iter().cloned()).collect();
        let members = self.state.members().into_iter().flat_map(|members| members.iter());
        let silent = members
            .filter(|(id, member)| member.expires_at <= now.at && !self.state.is_parked(id))
            .map(|(id, _)| id.clone());
        gone.extend(silent);
        for id in gone {
            self.remove(&id, &mut turn);
        }
        self.settle(turn)
    }

    /// When [`Group::tick`] has something to do next.
    pub fn next_deadline(&self) -> Option<Duration> {
        let sessions = self.state.members().into_iter().flat_map(|members| members.iter());
        let sessions = sessions
            .filter(|(id, _)| !self.state.is_parked(id))
            .map(|(_, member)| member.expires_at);
        let rebalance = match &self.state {
            // Commits that end have it looked at again.
            State::Preparing(state) if self.commits == 0 => Some(state.deadline),
            _ => None,
        };
        let syncs = self.state.roster().filter(|roster| !roster.unsynced.is_empty());
        let syncs = syncs.map(|roster| roster.sync_deadline);
        self.pending.values().copied().chain(sessions).chain(rebalance).chain(syncs).min()
    }

    /// Takes a member out, and begins a rebalance for the others.
    pub(super) fn remove(&mut self, id: &MemberId, turn: &mut Turn<'_>) {
        self.release(id, &Refusal::UnknownMember, turn);
        let Some(members) = self.state.members_mut() else { return };
        if members.remove(id).is_none() {
            return;
        }
        if let State::Preparing(state) = &mut self.state {
            state.leader.take_if(|leader| leader == id);
        }
        self.prepare(turn);
    }

    /// Answers what a member has parked.
    pub(super) fn release(&mut self, id: &MemberId, refusal: &Refusal, turn: &mut Turn<'_>) {
        let ticket = self.state.parked_mut().and_then(|parked| parked.remove(id));
        match (ticket, &self.state) {
            (Some(ticket), State::Preparing(_)) => turn.answer_join(ticket, Err(refusal.clone())),
            (Some(ticket), _) => turn.answer_sync(ticket, Err(refusal.clone())),
            (None, _) => {}
        }
    }
}
