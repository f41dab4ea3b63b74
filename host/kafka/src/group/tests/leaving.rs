use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn who_leaves_makes_the_others_join_again() {
    let mut world = World::stable_pair();
    assert_eq!(world.leave("b"), Ok("b".into()));
    assert_eq!(world.leave("b"), Err(Refusal::UnknownMember));
    assert_eq!(world.heartbeat("a"), Err(Refusal::RebalanceInProgress));
    let a = world.rejoin("a");
    assert_eq!(world.joined(a).unwrap().members.len(), 1);
}

#[test]
fn a_leader_that_leaves_is_replaced() {
    let mut world = World::stable_pair();
    world.leave("a").unwrap();
    let b = world.rejoin("b");
    assert_eq!(world.joined(b).unwrap().leader.as_str(), "b");
    assert_eq!(world.joined(b).unwrap().members.len(), 1);
}

#[test]
fn a_group_that_all_have_left_is_empty_but_remembers_its_generation() {
    let mut world = World::stable_pair();
    world.leave("a").unwrap();
    world.leave("b").unwrap();
    assert_eq!(world.state(), GroupState::Empty);
    assert_eq!(world.group.next_deadline(), None);
    let c = world.join_new("c");
    assert_eq!(world.joined(c).unwrap().generation, Generation::new(4));
}

#[test]
fn silence_ends_a_session() {
    let mut world = World::stable_pair();
    world.pass(9 * SECOND);
    world.heartbeat("a").unwrap();
    world.pass(2 * SECOND);
    assert_eq!(world.heartbeat("b"), Err(Refusal::UnknownMember));
    assert_eq!(world.heartbeat("a"), Err(Refusal::RebalanceInProgress));
    world.pass(10 * SECOND);
    assert_eq!(world.state(), GroupState::Empty);
}

#[test]
fn a_parked_member_is_there_however_long_it_takes() {
    let mut world = World::stable_pair();
    let a = world.rejoin("a");
    for _ in 0..5 {
        world.pass(9 * SECOND);
        let _ = world.heartbeat("b");
    }
    assert!(world.is_parked(a));
    world.rejoin("b");
    assert_eq!(world.joined(a).unwrap().members.len(), 2);
}

#[test]
fn leaving_answers_what_is_parked() {
    let mut world = World::stable_pair();
    let a = world.rejoin("a");
    world.leave("a").unwrap();
    assert_eq!(world.joined(a), Err(&Refusal::UnknownMember));

    let mut world = World::new();
    world.join_new("a");
    let b = world.join_new("b");
    world.rejoin("a");
    assert!(world.joined(b).is_ok());
    let b = world.sync("b", &[]);
    world.leave("b").unwrap();
    assert_eq!(world.synced(b), Err(&Refusal::UnknownMember));
}

#[test]
fn an_id_that_was_only_given_out_can_leave() {
    let mut world = World::new();
    world.join(Joining { needs_known_id: true, ..joining(None, "a") });
    assert_eq!(world.leave("a"), Ok("a".into()));
    assert_eq!(world.group.next_deadline(), None);
    assert!(world.group.retire());
}

#[test]
fn a_client_that_goes_away_while_it_waits() {
    // One that knows its id has a session to come back in.
    let mut world = World::stable_pair();
    let a = world.rejoin("a");
    world.cancel(a);
    world.pass(9 * SECOND);
    let _ = world.heartbeat("b");
    let again = world.rejoin("a");
    world.rejoin("b");
    assert_eq!(world.joined(again).unwrap().members.len(), 2);
    assert!(world.is_parked(a), "nobody is there to be answered");

    // One that was never told its id cannot come back.
    let mut world = World::new();
    world.limits.initial_rebalance_delay = 3 * SECOND;
    let a = world.join_new("a");
    world.cancel(a);
    assert_eq!(world.state(), GroupState::Empty);

    // A parked sync.
    let mut world = World::new();
    world.join_new("a");
    let b = world.join_new("b");
    world.rejoin("a");
    assert!(world.joined(b).is_ok());
    let b = world.sync("b", &[]);
    world.cancel(b);
    world.sync("a", &[("b", "B")]);
    let b = world.sync("b", &[]);
    assert_eq!(world.synced(b), Ok("B"));
}

#[test]
fn heartbeats_are_checked() {
    let mut world = World::stable_pair();
    let (named, current) = (Generation::new(1), Generation::new(2));
    let old = Caller { generation: named, ..world.caller("a") };
    let refusal = Refusal::IllegalGeneration { named, current };
    assert_eq!(world.group.heartbeat(&old, world.time()), Err(refusal));
    assert_eq!(world.heartbeat("stranger"), Err(Refusal::UnknownMember));
    // Between the answers to join and sync a member may already send them.
    let mut world = World::new();
    world.join_new("a");
    assert_eq!(world.heartbeat("a"), Ok(()));
    assert_eq!(
        Group::new(0).heartbeat(&world.caller("a"), world.time()),
        Err(Refusal::UnknownMember)
    );
}

#[test]
fn a_removed_group_refuses_everything() {
    let mut world = World::new();
    assert!(world.group.retire());
    let a = world.join_new("a");
    assert_eq!(world.joined(a), Err(&Refusal::Dead));
    let a = world.sync("a", &[]);
    assert_eq!(world.synced(a), Err(&Refusal::Dead));
    assert_eq!(world.heartbeat("a"), Err(Refusal::Dead));
    assert_eq!(world.leave("a"), Err(Refusal::Dead));
    let caller = world.caller("a");
    assert_eq!(world.group.begin_commit(&caller, world.time()), Err(Refusal::Dead));
    assert_eq!(world.group.begin_change(), Err(Refusal::Dead));
    assert!(!World::stable_pair().group.retire());
}
