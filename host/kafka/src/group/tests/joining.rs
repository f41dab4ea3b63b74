use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_member_leads_and_is_told_of_all() {
    let mut world = World::new();
    let a = world.join_new("a");
    let joined = world.joined(a).unwrap();
    assert_eq!((joined.leader.as_str(), joined.member.as_str()), ("a", "a"));
    assert_eq!(joined.generation, Generation::new(1));
    assert_eq!(joined.protocol.as_str(), "range");
    assert_eq!(joined.members.len(), 1);
    assert_eq!(world.state(), GroupState::CompletingRebalance);
    let a = world.sync("a", &[("a", "A"), ("stranger", "X")]);
    assert_eq!(world.synced(a), Ok("A"));
    assert_eq!(world.state(), GroupState::Stable);
}

#[test]
fn a_second_member_makes_the_first_join_again() {
    let mut world = World::new();
    world.join_new("a");
    world.sync("a", &[("a", "A")]);
    let b = world.join_new("b");
    assert!(world.is_parked(b));
    assert_eq!(world.heartbeat("a"), Err(Refusal::RebalanceInProgress));
    let a = world.rejoin("a");
    assert_eq!(world.joined(a).unwrap().members.len(), 2);
    assert_eq!(world.joined(b).unwrap().members.len(), 0);
    assert_eq!(world.joined(b).unwrap().generation, Generation::new(2));
    // The assignment of the second one is known only with the leader's.
    let b = world.sync("b", &[]);
    assert!(world.is_parked(b));
    world.sync("a", &[("b", "B")]);
    assert_eq!(world.synced(b), Ok("B"));
    assert_eq!((world.heartbeat("a"), world.heartbeat("b")), (Ok(()), Ok(())));
}

#[test]
fn members_that_come_one_after_the_other_share_the_first_generation() {
    let mut world = World::new();
    world.limits.initial_rebalance_delay = 3 * SECOND;
    let a = world.join_new("a");
    world.pass(2 * SECOND);
    let b = world.join_new("b");
    assert!(world.is_parked(a) && world.is_parked(b));
    // Somebody came: it waits as long again, from the deadline on.
    world.pass(2 * SECOND);
    let c = world.join_new("c");
    assert!(world.is_parked(c));
    world.pass(6 * SECOND);
    for ticket in [a, b, c] {
        assert_eq!(world.joined(ticket).unwrap().generation, Generation::new(1));
    }
    assert_eq!(world.joined(a).unwrap().members.len(), 3);
    assert_eq!(world.rebalances, 1);
}

#[test]
fn the_initial_delay_ends_with_the_rebalance_timeout() {
    let mut world = World::new();
    world.limits.initial_rebalance_delay = 40 * SECOND;
    let a = world.join_new("a");
    world.join_new("b");
    world.pass(59 * SECOND);
    world.join_new("c");
    assert!(world.is_parked(a));
    world.pass(SECOND);
    assert_eq!(world.joined(a).unwrap().members.len(), 3);
}

/// KIP-394.
#[test]
fn a_dynamic_member_comes_back_with_its_id() {
    let mut world = World::new();
    let first = world.join(Joining { needs_known_id: true, ..joining(None, "a") });
    assert_eq!(world.joined(first), Err(&Refusal::MemberIdRequired { member: "a".into() }));
    assert_eq!((world.state(), world.rebalances), (GroupState::Empty, 0));
    let second = world.join(Joining { needs_known_id: true, ..joining(Some("a"), "x") });
    assert_eq!(world.joined(second).unwrap().member.as_str(), "a");
    // One that never comes back is forgotten with its session.
    world.join(Joining { needs_known_id: true, ..joining(None, "b") });
    world.sync("a", &[]);
    world.pass(10 * SECOND);
    let late = world.rejoin("b");
    assert_eq!(world.joined(late), Err(&Refusal::UnknownMember));
}

#[test]
fn a_rebalance_waits_for_ids_that_were_given_out() {
    let mut world = World::new();
    world.join_new("a");
    world.sync("a", &[]);
    world.join(Joining { needs_known_id: true, ..joining(None, "b") });
    let a = world.rejoin("a");
    assert!(world.is_parked(a));
    world.rejoin("b");
    assert_eq!(world.joined(a).unwrap().members.len(), 2);
}

#[test]
fn who_does_not_join_again_in_time_is_left_out() {
    let mut world = World::stable_pair();
    let a = world.rejoin("a");
    // `b` sends heartbeats, but nothing else, for as long as the slowest member may take.
    for _ in 0..12 {
        assert_eq!(world.heartbeat("b"), Err(Refusal::RebalanceInProgress));
        world.pass(5 * SECOND);
    }
    assert_eq!(world.joined(a).unwrap().members.len(), 1);
    assert_eq!(world.heartbeat("b"), Err(Refusal::UnknownMember));
}

#[test]
fn a_leader_that_does_not_sync_in_time_is_left_out() {
    let mut world = World::new();
    world.join_new("a");
    let b = world.join_new("b");
    world.rejoin("a");
    assert_eq!(world.joined(b).unwrap().leader.as_str(), "a");
    let b = world.sync("b", &[]);
    for _ in 0..12 {
        let _ = world.heartbeat("a");
        world.pass(5 * SECOND);
    }
    assert_eq!(world.synced(b), Err(&Refusal::RebalanceInProgress));
    let b = world.rejoin("b");
    assert_eq!(world.joined(b).unwrap().leader.as_str(), "b");
}

#[test]
fn joining_again_during_a_generation() {
    let changed = || Joining {
        protocols: vec![protocol("range", "other topics")],
        ..joining(Some("b"), "unused")
    };
    for (who, request, rebalances) in [
        ("a follower that lost its answer", joining(Some("b"), "unused"), false),
        ("the leader, which has seen new partitions", joining(Some("a"), "unused"), true),
        ("a follower with another subscription", changed(), true),
    ] {
        let mut world = World::stable_pair();
        let before = world.rebalances;
        let ticket = world.join(request);
        assert_eq!(world.is_parked(ticket), rebalances, "{who}");
        assert_eq!(world.rebalances > before, rebalances, "{who}");
    }
}

#[test]
fn the_answer_to_a_join_can_be_had_again_before_the_assignment() {
    let mut world = World::new();
    let first = world.join_new("a");
    let again = world.rejoin("a");
    assert_eq!(world.joined(first).unwrap(), world.joined(again).unwrap());
    assert_eq!(world.rebalances, 1);
}

#[test]
fn refused_joins() {
    let base = || joining(None, "x");
    let name = |length: usize| "n".repeat(length);
    type IsRight = fn(&Refusal) -> bool;
    let cases: [(&str, Joining, IsRight); 9] = [
        ("too short a session", Joining { session_timeout: SECOND / 2, ..base() }, |it| {
            matches!(it, Refusal::SessionTimeout { .. })
        }),
        ("too long a session", Joining { session_timeout: 7200 * SECOND, ..base() }, |it| {
            matches!(it, Refusal::SessionTimeout { .. })
        }),
        ("no protocol", Joining { protocols: Vec::new(), ..base() }, |it| {
            *it == Refusal::InconsistentProtocol
        }),
        ("another protocol", Joining { protocols: vec![protocol("x", "")], ..base() }, |it| {
            *it == Refusal::InconsistentProtocol
        }),
        ("another type", Joining { protocol_type: "connect".into(), ..base() }, |it| {
            *it == Refusal::InconsistentProtocol
        }),
        ("an id that nobody gave", joining(Some("stranger"), "x"), |it| {
            *it == Refusal::UnknownMember
        }),
        ("a long name", Joining { client_id: name(40_000).into(), ..base() }, |it| {
            matches!(it, Refusal::TooLarge { .. })
        }),
        (
            "much metadata",
            Joining { protocols: vec![protocol("range", &name((1 << 20) + 1))], ..base() },
            |it| matches!(it, Refusal::TooLarge { .. }),
        ),
        (
            "many protocols",
            Joining { protocols: vec![protocol("range", ""); 33], ..base() },
            |it| matches!(it, Refusal::TooLarge { .. }),
        ),
    ];
    for (what, request, is_right) in cases {
        let mut world = World::stable_pair();
        let before = world.rebalances;
        let ticket = world.join(request);
        let refusal = world.joined(ticket).unwrap_err();
        assert!(is_right(refusal), "{what}: {refusal:?}");
        assert_eq!((world.state(), world.rebalances), (GroupState::Stable, before), "{what}");
    }
}

#[test]
fn a_group_is_bounded_in_members_and_bytes() {
    let mut world = World::new();
    world.limits.members_max = 2;
    world.join_new("a");
    world.join(Joining { needs_known_id: true, ..joining(None, "b") });
    let c = world.join_new("c");
    assert_eq!(world.joined(c), Err(&Refusal::GroupFull { max: 2 }));

    let mut world = World::new();
    world.limits.group_bytes_max = 100;
    world.join(Joining {
        protocols: vec![protocol("range", &"x".repeat(60))],
        ..joining(None, "a")
    });
    let b = world.join(Joining {
        protocols: vec![protocol("range", &"x".repeat(60))],
        ..joining(None, "b")
    });
    assert!(matches!(world.joined(b), Err(Refusal::TooLarge { .. })));
    // In place of what it said before there is room.
    let a = world.join(Joining {
        protocols: vec![protocol("range", &"y".repeat(61))],
        ..joining(Some("a"), "unused")
    });
    assert!(world.joined(a).is_ok());
}

#[test]
fn refused_syncs() {
    let mut world = World::stable_pair();
    let syncing = |caller, protocol_type: Option<&str>, protocol: Option<&str>| Syncing {
        caller,
        protocol_type: protocol_type.map(Into::into),
        protocol: protocol.map(Into::into),
        assignments: Vec::new(),
    };
    let old = Generation::new(1);
    let illegal = Refusal::IllegalGeneration { named: old, current: Generation::new(2) };
    for (request, refusal) in [
        (syncing(world.caller("x"), None, None), Refusal::UnknownMember),
        (syncing(Caller { generation: old, ..world.caller("a") }, None, None), illegal),
        (syncing(world.caller("a"), Some("connect"), None), Refusal::InconsistentProtocol),
        (syncing(world.caller("a"), None, Some("sticky")), Refusal::InconsistentProtocol),
    ] {
        let ticket = Ticket(1000 + world.answers.len() as u64);
        let effects = world.group.sync(request, ticket, world.time(), &world.limits);
        world.take(effects);
        assert_eq!(world.synced(ticket), Err(&refusal));
    }
    let again = world.sync("a", &[("a", "ignored")]);
    assert_eq!(world.synced(again), Ok("A"));
    world.join_new("c");
    let early = world.sync("a", &[]);
    assert_eq!(world.synced(early), Err(&Refusal::RebalanceInProgress));
}

#[test]
fn assignments_count_once_they_are_durable() {
    let mut world = World::new();
    world.saves_at_once = false;
    world.join_new("a");
    let a = world.sync("a", &[("a", "A")]);
    assert!(world.is_parked(a));
    assert_eq!(world.state(), GroupState::CompletingRebalance);
    world.end_saves(true);
    assert_eq!(world.synced(a), Ok("A"));
}

#[test]
fn assignments_that_cannot_be_saved_are_made_again() {
    let mut world = World::new();
    world.saves_at_once = false;
    world.join_new("a");
    let a = world.sync("a", &[("a", "A")]);
    world.end_saves(false);
    assert_eq!(world.synced(a), Err(&Refusal::NotSaved));
    assert_eq!(world.state(), GroupState::PreparingRebalance);
    let a = world.rejoin("a");
    assert_eq!(world.joined(a).unwrap().generation, Generation::new(2));
}

#[test]
fn a_save_that_ends_after_the_next_rebalance_began_means_nothing() {
    let mut world = World::new();
    world.saves_at_once = false;
    world.join_new("a");
    let a = world.sync("a", &[("a", "A")]);
    let b = world.join_new("b");
    assert_eq!(world.synced(a), Err(&Refusal::RebalanceInProgress));
    world.end_saves(true);
    assert_eq!(world.state(), GroupState::PreparingRebalance);
    world.rejoin("a");
    assert!(world.joined(b).is_ok());
}
