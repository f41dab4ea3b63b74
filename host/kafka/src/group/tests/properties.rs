//! Random members, times and failures against what must always hold.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What happens next. Members and tickets are chosen by number among those that there are.
#[derive(Clone, Debug)]
enum Step {
    /// With or without an instance; whether it must come back with its id.
    Join {
        instance: Option<u8>,
        needs_known_id: bool,
    },
    /// A known member, or one that is gone, joins; perhaps with another subscription.
    Rejoin {
        who: usize,
        changed: bool,
    },
    Sync {
        who: usize,
    },
    Heartbeat {
        who: usize,
    },
    Leave {
        who: usize,
    },
    Cancel {
        which: usize,
    },
    Pass {
        ms: u64,
    },
    BeginCommit {
        who: usize,
    },
    EndCommit,
    EndSaves {
        is_durable: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..6_usize;
    prop_oneof![
        3 => (proptest::option::of(0..3_u8), any::<bool>())
            .prop_map(|(instance, needs_known_id)| Step::Join { instance, needs_known_id }),
        4 => (who.clone(), any::<bool>()).prop_map(|(who, changed)| Step::Rejoin { who, changed }),
        4 => who.clone().prop_map(|who| Step::Sync { who }),
        2 => who.clone().prop_map(|who| Step::Heartbeat { who }),
        1 => who.clone().prop_map(|who| Step::Leave { who }),
        1 => who.clone().prop_map(|which| Step::Cancel { which }),
        3 => (1..20_000_u64).prop_map(|ms| Step::Pass { ms }),
        1 => who.prop_map(|who| Step::BeginCommit { who }),
        1 => Just(Step::EndCommit),
        3 => prop_oneof![4 => Just(true), 1 => Just(false)]
            .prop_map(|is_durable| Step::EndSaves { is_durable }),
    ]
}

/// The clients: what they were told.
#[derive(Default)]
struct Clients {
    /// Ids that were ever given out, with their instance. The latest are asked for first.
    known: Vec<(MemberId, Option<u8>)>,
    open: BTreeSet<Ticket>,
    cancelled: BTreeSet<Ticket>,
    commits: usize,
    /// What the leader of each generation sent, by member.
    sent: BTreeMap<(Generation, MemberId), Bytes>,
    /// Who asked under which ticket to sync, and in which generation.
    syncs: BTreeMap<Ticket, (Generation, MemberId)>,
}

impl Clients {
    fn pick(&self, who: usize) -> Option<(MemberId, Option<u8>)> {
        let recent = self.known.iter().rev().take(6).collect::<Vec<_>>();
        let index = who.checked_rem(recent.len())?;
        recent.get(index).map(|it| (*it).clone())
    }
}

fn run(world: &mut World, clients: &mut Clients, number: usize, step: &Step) {
    match step {
        Step::Join { instance, needs_known_id } => {
            let fresh = format!("m{number}");
            clients.known.push((fresh.as_str().into(), *instance));
            let name = instance.map(|it| InstanceId::from(it.to_string().as_str()));
            let request = joining(None, &fresh);
            let ticket =
                world.join(Joining { instance: name, needs_known_id: *needs_known_id, ..request });
            clients.open.insert(ticket);
        }
        Step::Rejoin { who, changed } => {
            let Some((id, instance)) = clients.pick(*who) else { return };
            let metadata = if *changed { format!("changed {number}") } else { "same".to_owned() };
            let ticket = world.join(Joining {
                instance: instance.map(|it| InstanceId::from(it.to_string().as_str())),
                protocols: vec![protocol("range", &metadata)],
                ..joining(Some(id.as_str()), "unused")
            });
            clients.open.insert(ticket);
        }
        Step::Sync { who } => {
            let Some((id, _)) = clients.pick(*who) else { return };
            let generation = world.group.describe().generation;
            let is_leader = world.group.leader() == Some(&id);
            let members: Vec<_> = world.group.describe().members;
            let texts: Vec<_> = members
                .iter()
                .map(|it| (it.id.to_string(), format!("{}/{number}", it.id)))
                .collect();
            let assignments: Vec<_> =
                texts.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
            let is_first = world.group.state() == GroupState::CompletingRebalance
                && !clients.sent.keys().any(|(known, _)| *known == generation);
            if is_leader && is_first {
                for (id, text) in &texts {
                    clients.sent.insert((generation, id.as_str().into()), text.clone().into());
                }
            }
            let ticket = world.sync(id.as_str(), &assignments);
            clients.syncs.insert(ticket, (generation, id));
            clients.open.insert(ticket);
        }
        Step::Heartbeat { who } => {
            if let Some((id, _)) = clients.pick(*who) {
                let _ = world.heartbeat(id.as_str());
            }
        }
        Step::Leave { who } => {
            if let Some((id, _)) = clients.pick(*who) {
                let _ = world.leave(id.as_str());
            }
        }
        Step::Cancel { which } => {
            let waiting: Vec<_> =
                clients.open.iter().filter(|it| world.is_parked(**it)).copied().collect();
            if let Some(index) = which.checked_rem(waiting.len()) {
                clients.cancelled.insert(waiting[index]);
                world.cancel(waiting[index]);
            }
        }
        Step::Pass { ms } => world.pass(Duration::from_millis(*ms)),
        Step::BeginCommit { who } => {
            let Some((id, _)) = clients.pick(*who) else { return };
            let caller = world.caller(id.as_str());
            clients.commits += usize::from(world.group.begin_commit(&caller, world.time()).is_ok());
        }
        Step::EndCommit => {
            if let Some(left) = clients.commits.checked_sub(1) {
                clients.commits = left;
                let effects = world.group.end_commit(world.time(), &world.limits);
                world.take(effects);
            }
        }
        Step::EndSaves { is_durable } => world.end_saves(*is_durable),
    }
}

/// What holds after every step.
fn check(world: &World, clients: &Clients) {
    let described = world.group.describe();
    assert!(described.members.len() <= world.limits.members_max);
    assert!(world.group.pending.len() <= world.limits.members_max);
    let parked = world.group.state.parked().map(|it| it.values().copied().collect::<BTreeSet<_>>());
    let parked = parked.unwrap_or_default();
    let saving: BTreeSet<_> =
        world.saves.iter().flat_map(|save| save.then.iter().map(|(ticket, _)| *ticket)).collect();
    for ticket in &clients.open {
        let is_open = world.is_parked(*ticket) && !clients.cancelled.contains(ticket);
        let is_held = parked.contains(ticket) || saving.contains(ticket);
        assert!(!is_open || is_held, "{ticket:?} is forgotten");
    }
    let mut leaders = BTreeMap::new();
    for (ticket, answer) in &world.answers {
        match answer {
            Answer::Join(Ok(joined)) if !joined.members.is_empty() => {
                let leader = leaders.entry(joined.generation).or_insert(&joined.leader);
                assert_eq!(*leader, &joined.leader, "two leaders of {}", joined.generation);
                assert_eq!(joined.leader, joined.member);
            }
            Answer::Sync(Ok(synced)) => {
                let (generation, id) = &clients.syncs[ticket];
                if let Some(sent) = clients.sent.get(&(*generation, id.clone())) {
                    assert_eq!(*sent, synced.assignment, "{id} in {generation}");
                }
            }
            Answer::Join(_) | Answer::Sync(_) => {}
        }
    }
    if described.state == GroupState::Empty {
        assert_eq!(described.members, []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_members_do(
        delay_s in 0..4_u64,
        saves_at_once in any::<bool>(),
        steps in vec(step(), 1..60),
    ) {
        let mut world = World::new();
        world.limits.initial_rebalance_delay = Duration::from_secs(delay_s);
        world.limits.members_max = 5;
        world.saves_at_once = saves_at_once;
        let mut clients = Clients::default();
        for (number, step) in steps.iter().enumerate() {
            run(&mut world, &mut clients, number, step);
            check(&world, &clients);
        }
        // Everybody falls silent: everything ends.
        while clients.commits > 0 {
            run(&mut world, &mut clients, 0, &Step::EndCommit);
        }
        for _ in 0..5 {
            world.end_saves(true);
            world.pass(Duration::from_secs(200));
        }
        for ticket in &clients.open {
            let is_cancelled = clients.cancelled.contains(ticket);
            prop_assert!(is_cancelled || !world.is_parked(*ticket), "{:?} never answered", ticket);
        }
        prop_assert_eq!(world.state(), GroupState::Empty);
        prop_assert_eq!(world.group.next_deadline(), None);
        prop_assert!(world.group.retire());
    }

    #[test]
    fn kept_groups_from_anywhere_are_read_without_harm(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Snapshot::decode(&bytes.into());
    }
}
