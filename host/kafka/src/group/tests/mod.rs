//! The state machine by hand: a script of requests and times, and what came of it.

mod joining;
mod leaving;
mod static_members;
mod committing;
mod keeping;
mod properties;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::*;

/// A group with a clock, and all that it has answered.
pub(super) struct World {
    pub group: Group,
    pub limits: GroupLimits,
    pub now: Duration,
    /// Answers by ticket. A second one to the same ticket fails the test.
    pub answers: BTreeMap<Ticket, Answer>,
    /// Saves that are under way.
    pub saves: Vec<Save>,
    /// Whether saves end at once.
    pub saves_at_once: bool,
    pub rebalances: u32,
    tickets: u64,
}

impl World {
    /// Without an initial delay.
    pub fn new() -> Self {
        let limits = GroupLimits {
            initial_rebalance_delay: Duration::ZERO,
            session_timeout_min: Duration::from_secs(1),
            ..GroupLimits::default()
        };
        Self::with(Group::new(1000), limits)
    }

    pub fn with(group: Group, limits: GroupLimits) -> Self {
        Self {
            group,
            limits,
            now: Duration::from_secs(100),
            answers: BTreeMap::new(),
            saves: Vec::new(),
            saves_at_once: true,
            rebalances: 0,
            tickets: 0,
        }
    }

    pub fn time(&self) -> Now {
        Now { at: self.now, wall_ms: 1000 + i64::try_from(self.now.as_millis()).unwrap() }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub fn take(&mut self, effects: Effects) {
        for (ticket, answer) in effects.answers {
            let earlier = self.answers.insert(ticket, answer);
            assert!(earlier.is_none(), "{ticket:?} was answered twice");
        }
        self.rebalances += effects.rebalances;
        self.saves.extend(effects.saves);
        if self.saves_at_once {
            self.end_saves(true);
        }
    }

    pub fn end_saves(&mut self, is_durable: bool) {
        while !self.saves.is_empty() {
            let save = self.saves.remove(0);
            for (ticket, answer) in save.then {
                assert!(self.answers.insert(ticket, answer).is_none());
            }
            let effects = self.group.saved(save.id, is_durable, self.time(), &self.limits);
            self.take(effects);
        }
    }

    pub fn join(&mut self, request: Joining) -> Ticket {
        let ticket = self.ticket();
        let effects = self.group.join(request, ticket, self.time(), &self.limits);
        self.take(effects);
        ticket
    }

    /// Joins as a new dynamic member of an old client, which is admitted at once.
    pub fn join_new(&mut self, fresh: &str) -> Ticket {
        self.join(joining(None, fresh))
    }

    pub fn rejoin(&mut self, id: &str) -> Ticket {
        self.join(joining(Some(id), "unused"))
    }

    pub fn sync(&mut self, id: &str, assignments: &[(&str, &str)]) -> Ticket {
        let ticket = self.ticket();
        let assignments = assignments
            .iter()
            .map(|(id, bytes)| (MemberId::from(*id), Bytes::copy_from_slice(bytes.as_bytes())));
        let request = Syncing {
            caller: self.caller(id),
            protocol_type: None,
            protocol: None,
            assignments: assignments.collect(),
        };
        let effects = self.group.sync(request, ticket, self.time(), &self.limits);
        self.take(effects);
        ticket
    }

    /// As a member of the current generation.
    pub fn caller(&self, id: &str) -> Caller {
        let generation = self.group.describe().generation;
        Caller { member: Some(id.into()), instance: None, generation }
    }

    pub fn heartbeat(&mut self, id: &str) -> Result<(), Refusal> {
        let caller = self.caller(id);
        self.group.heartbeat(&caller, self.time())
    }

    pub fn leave(&mut self, id: &str) -> Result<MemberId, Refusal> {
        let leaving = [Leaving { member: Some(id.into()), instance: None }];
        let (mut results, effects) = self.group.leave(&leaving, self.time(), &self.limits);
        self.take(effects);
        results.remove(0)
    }

    pub fn cancel(&mut self, ticket: Ticket) {
        let effects = self.group.cancel(ticket, self.time(), &self.limits);
        self.take(effects);
    }

    /// Lets time pass, with a tick at each deadline.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.group.next_deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            let effects = self.group.tick(self.time(), &self.limits);
            self.take(effects);
            let next = self.group.next_deadline();
            assert!(next.is_none_or(|next| next > self.now), "a tick leaves nothing that is due");
        }
        self.now = end;
    }

    pub fn joined(&self, ticket: Ticket) -> Result<&Joined, &Refusal> {
        match self.answers.get(&ticket) {
            Some(Answer::Join(answer)) => answer.as_ref(),
            other => panic!("{ticket:?} was to be answered as a join: {other:?}"),
        }
    }

    pub fn synced(&self, ticket: Ticket) -> Result<&str, &Refusal> {
        match self.answers.get(&ticket) {
            Some(Answer::Sync(Ok(synced))) => Ok(std::str::from_utf8(&synced.assignment).unwrap()),
            Some(Answer::Sync(Err(refusal))) => Err(refusal),
            other => panic!("{ticket:?} was to be answered as a sync: {other:?}"),
        }
    }

    pub fn is_parked(&self, ticket: Ticket) -> bool {
        !self.answers.contains_key(&ticket)
    }

    pub fn state(&self) -> GroupState {
        self.group.state()
    }

    /// Members `a` (the leader) and `b` in a stable generation, `a` with "A" and `b` with "B".
    pub fn stable_pair() -> Self {
        let mut world = Self::new();
        world.join_new("a");
        let b = world.join_new("b");
        world.rejoin("a");
        assert_eq!(world.joined(b).unwrap().leader.as_str(), "a");
        let b = world.sync("b", &[]);
        let a = world.sync("a", &[("a", "A"), ("b", "B")]);
        assert_eq!((world.synced(a), world.synced(b)), (Ok("A"), Ok("B")));
        assert_eq!(world.state(), GroupState::Stable);
        world
    }
}

/// A request with a session of 10 s and a rebalance timeout of 60 s.
pub(super) fn joining(member: Option<&str>, fresh: &str) -> Joining {
    Joining {
        member: member.map(MemberId::from),
        fresh: fresh.into(),
        instance: None,
        needs_known_id: false,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(60),
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range", "subscription")],
    }
}

pub(super) fn as_instance(instance: &str, request: Joining) -> Joining {
    Joining { instance: Some(instance.into()), ..request }
}

pub(super) fn protocol(name: &str, metadata: &str) -> Protocol {
    Protocol { name: name.into(), metadata: Bytes::copy_from_slice(metadata.as_bytes()) }
}
