//! KIP-345.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// `a` (the leader, instance `one`) and `b` (instance `two`), stable.
fn stable_pair() -> World {
    let mut world = World::new();
    world.join(as_instance("one", joining(None, "a")));
    let b = world.join(as_instance("two", joining(None, "b")));
    world.join(as_instance("one", joining(Some("a"), "unused")));
    assert!(world.joined(b).is_ok());
    world.sync("b", &[]);
    world.sync("a", &[("a", "A"), ("b", "B")]);
    assert_eq!(world.state(), GroupState::Stable);
    world
}

fn call(world: &World, id: &str, instance: &str) -> Caller {
    Caller { instance: Some(instance.into()), ..world.caller(id) }
}

#[test]
fn a_restart_changes_nothing_for_the_others() {
    let mut world = stable_pair();
    let before = world.rebalances;
    let again = world.join(as_instance("two", joining(None, "b2")));
    let joined = world.joined(again).unwrap();
    assert_eq!((joined.member.as_str(), joined.leader.as_str()), ("b2", "a"));
    assert_eq!(joined.generation, Generation::new(2));
    let again = world.sync("b2", &[]);
    assert_eq!(world.synced(again), Ok("B"));
    assert_eq!((world.state(), world.rebalances), (GroupState::Stable, before));
    assert_eq!(world.heartbeat("a"), Ok(()));
}

#[test]
fn a_leader_that_starts_again_does_not_assign() {
    let mut world = stable_pair();
    let again = world.join(as_instance("one", joining(None, "a2")));
    let joined = world.joined(again).unwrap();
    assert_eq!((joined.member.as_str(), joined.leader.as_str()), ("a2", "a"));
    assert_eq!(joined.members, []);
    let again = world.sync("a2", &[]);
    assert_eq!(world.synced(again), Ok("A"));
    // When partitions change, it leads all the same.
    let a2 = world.join(as_instance("one", joining(Some("a2"), "unused")));
    world.join(as_instance("two", joining(Some("b"), "unused")));
    assert_eq!(world.joined(a2).unwrap().leader.as_str(), "a2");
    assert_eq!(world.joined(a2).unwrap().members.len(), 2);
}

#[test]
fn a_restart_is_answered_once_it_is_durable() {
    let mut world = stable_pair();
    world.saves_at_once = false;
    let again = world.join(as_instance("two", joining(None, "b2")));
    assert!(world.is_parked(again));
    let names = |save: &Save| {
        save.snapshot.members.iter().map(|member| member.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&world.saves[0]), ["a", "b2"]);
    world.end_saves(true);
    assert!(world.joined(again).is_ok());
}

#[test]
fn a_restart_with_another_assignor_rebalances() {
    let mut world = World::new();
    let offer = |names: &[&str], request: Joining| Joining {
        protocols: names.iter().map(|name| protocol(name, "")).collect(),
        ..request
    };
    world.join(as_instance("one", offer(&["range", "sticky"], joining(None, "a"))));
    world.sync("a", &[("a", "A")]);
    let again = world.join(as_instance("one", offer(&["sticky"], joining(None, "a2"))));
    assert_eq!(world.joined(again).unwrap().protocol.as_str(), "sticky");
    assert_eq!(world.joined(again).unwrap().generation, Generation::new(2));
}

#[test]
fn the_client_that_was_replaced_is_fenced() {
    let mut world = stable_pair();
    world.join(as_instance("two", joining(None, "b2")));
    let fenced = || Err(Refusal::FencedInstance);
    let old = call(&world, "b", "two");
    assert_eq!(world.group.heartbeat(&old, world.time()), fenced());
    assert_eq!(world.group.begin_commit(&old, world.time()), fenced());
    let rejoin = world.join(as_instance("two", joining(Some("b"), "unused")));
    assert_eq!(world.joined(rejoin), Err(&Refusal::FencedInstance));
    let leaving = [Leaving { member: Some("b".into()), instance: Some("two".into()) }];
    let (results, effects) = world.group.leave(&leaving, world.time(), &world.limits);
    world.take(effects);
    assert_eq!(results, [Err(Refusal::FencedInstance)]);
    assert_eq!(world.state(), GroupState::Stable);
}

#[test]
fn a_parked_request_of_the_replaced_client_is_fenced() {
    let mut world = stable_pair();
    let b = world.join(Joining {
        protocols: vec![protocol("range", "changed")],
        ..as_instance("two", joining(Some("b"), "unused"))
    });
    let b2 = world.join(as_instance("two", joining(None, "b2")));
    assert_eq!(world.joined(b), Err(&Refusal::FencedInstance));
    let a = world.join(as_instance("one", joining(Some("a"), "unused")));
    assert_eq!(world.joined(a).unwrap().members.len(), 2);
    assert!(world.joined(b2).is_ok());
}

#[test]
fn a_replacement_before_the_assignment_rebalances() {
    let mut world = World::new();
    world.join(as_instance("one", joining(None, "a")));
    let b = world.join(as_instance("two", joining(None, "b")));
    world.join(as_instance("one", joining(Some("a"), "unused")));
    assert!(world.joined(b).is_ok());
    let b = world.sync("b", &[]);
    // What the leader is about to send is for `b`.
    let b2 = world.join(as_instance("two", joining(None, "b2")));
    assert_eq!(world.synced(b), Err(&Refusal::FencedInstance));
    assert!(world.is_parked(b2));
    world.join(as_instance("one", joining(Some("a"), "unused")));
    assert!(world.joined(b2).is_ok());
}

#[test]
fn a_static_member_that_is_away_keeps_its_place_for_its_session() {
    let mut world = stable_pair();
    world.limits.session_timeout_max = 3600 * SECOND;
    // `b` has a long session, and is away while `a` makes a new generation.
    let long = Joining { session_timeout: 600 * SECOND, ..joining(None, "b2") };
    world.join(as_instance("two", long));
    let a = world.join(as_instance("one", joining(Some("a"), "unused")));
    assert!(world.is_parked(a));
    world.pass(60 * SECOND);
    let joined = world.joined(a).unwrap();
    assert_eq!(joined.members.len(), 2, "it is still assigned to");
    let a = world.sync("a", &[("a", "A"), ("b2", "B")]);
    assert_eq!(world.synced(a), Ok("A"));
    for _ in 0..60 {
        world.heartbeat("a").unwrap();
        world.pass(5 * SECOND);
    }
    let b = world.join(as_instance("two", joining(None, "b3")));
    assert!(world.joined(b).is_ok());
    let b = world.sync("b3", &[]);
    assert_eq!(world.synced(b), Ok("B"));
}

#[test]
fn a_rebalance_in_which_all_are_away_goes_on_until_one_comes() {
    let mut world = stable_pair();
    world.limits.session_timeout_max = 3600 * SECOND;
    for (instance, id) in [("one", "a2"), ("two", "b2")] {
        let long = Joining { session_timeout: 600 * SECOND, ..joining(None, id) };
        world.join(as_instance(instance, long));
    }
    let c = world.join_new("c");
    world.cancel(c);
    world.pass(120 * SECOND);
    assert_eq!(world.state(), GroupState::PreparingRebalance);
    let a = world.join(as_instance("one", joining(None, "a3")));
    world.pass(60 * SECOND);
    assert_eq!(world.joined(a).unwrap().members.len(), 2);
}

#[test]
fn a_rebalance_in_which_all_are_away_rests_whatever_timeouts_they_have_named() {
    let mut world = stable_pair();
    for (instance, id) in [("one", "a2"), ("two", "b2")] {
        let hasty = Joining { rebalance_timeout: Duration::ZERO, ..joining(None, id) };
        world.join(as_instance(instance, hasty));
    }
    let c = world.join_new("c");
    world.cancel(c);
    // The session of `c` ends, and then nobody is there who could come.
    let mut ticks = 0;
    while let Some(due) = world.group.next_deadline() {
        world.pass(due.saturating_sub(world.now));
        ticks += 1;
        assert!(ticks < 100, "{:?}", world.group);
    }
    assert_eq!(world.state(), GroupState::Empty);
}

#[test]
fn administrators_remove_static_members_by_instance() {
    let mut world = stable_pair();
    let leaving = [
        Leaving { member: None, instance: Some("two".into()) },
        Leaving { member: None, instance: Some("nobody".into()) },
    ];
    let (results, effects) = world.group.leave(&leaving, world.time(), &world.limits);
    world.take(effects);
    assert_eq!(results, [Ok("b".into()), Err(Refusal::UnknownMember)]);
    let unknown = world.join(as_instance("two", joining(Some("b"), "unused")));
    assert_eq!(world.joined(unknown), Err(&Refusal::UnknownMember));
}
