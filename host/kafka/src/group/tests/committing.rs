use super::*;

fn nobody() -> Caller {
    Caller { member: None, instance: None, generation: Generation::new(-1) }
}

#[test]
fn who_may_commit() {
    let stable = World::stable_pair;
    let empty = World::new;
    let preparing = || {
        let mut world = World::stable_pair();
        world.join_new("c");
        world
    };
    let completing = || {
        let mut world = World::new();
        world.join_new("a");
        world
    };
    type Who = fn(&World) -> Caller;
    let member: Who = |world| world.caller("a");
    let stranger: Who = |world| world.caller("x");
    let old: Who = |world| Caller { generation: Generation::new(0), ..world.caller("a") };
    let alone: Who = |_| nobody();
    type IsRight = fn(&Result<(), Refusal>) -> bool;
    let cases: [(&str, World, Who, IsRight); 10] = [
        ("a member", stable(), member, |it| it.is_ok()),
        ("a member that has yet to join again", preparing(), member, |it| it.is_ok()),
        ("a member without assignment", completing(), member, |it| {
            *it == Err(Refusal::RebalanceInProgress)
        }),
        ("a stranger", stable(), stranger, |it| *it == Err(Refusal::UnknownMember)),
        ("a stranger, nobody there", empty(), stranger, |it| *it == Err(Refusal::UnknownMember)),
        ("one of before", stable(), old, |it| matches!(it, Err(Refusal::IllegalGeneration { .. }))),
        ("nobody's, nobody there", empty(), alone, |it| it.is_ok()),
        ("nobody's, members there", stable(), alone, |it| *it == Err(Refusal::UnknownMember)),
        ("nobody's, members coming", preparing(), alone, |it| *it == Err(Refusal::UnknownMember)),
        ("nobody's, members about to work", completing(), alone, |it| {
            *it == Err(Refusal::UnknownMember)
        }),
    ];
    for (what, mut world, who, is_right) in cases {
        let caller = who(&world);
        let result = world.group.begin_commit(&caller, world.time());
        assert!(is_right(&result), "{what}: {result:?}");
    }
}

#[test]
fn a_commit_keeps_a_member_alive() {
    let mut world = World::stable_pair();
    for _ in 0..3 {
        world.pass(Duration::from_secs(9));
        for id in ["a", "b"] {
            let caller = world.caller(id);
            world.group.begin_commit(&caller, world.time()).unwrap();
            let effects = world.group.end_commit(world.time(), &world.limits);
            world.take(effects);
        }
    }
    assert_eq!(world.state(), GroupState::Stable);
}

#[test]
fn no_generation_begins_while_a_commit_is_under_way() {
    let mut world = World::stable_pair();
    let b = world.caller("b");
    world.group.begin_commit(&b, world.time()).unwrap();
    // `b` is gone meanwhile, and nobody but `a` is left.
    world.leave("b").unwrap();
    let a = world.rejoin("a");
    assert!(world.is_parked(a));
    world.pass(Duration::from_secs(600));
    assert!(world.is_parked(a));
    let effects = world.group.end_commit(world.time(), &world.limits);
    world.take(effects);
    assert!(world.joined(a).is_ok());
}

#[test]
fn offsets_change_from_outside_only_where_nobody_is() {
    assert_eq!(World::stable_pair().group.begin_change(), Err(Refusal::RebalanceInProgress));
    let mut world = World::new();
    world.group.begin_change().unwrap();
    assert!(!world.group.retire(), "a change is under way");
    let a = world.join_new("a");
    assert!(world.is_parked(a), "who joins meanwhile sees the change");
    let effects = world.group.end_commit(world.time(), &world.limits);
    world.take(effects);
    assert!(world.joined(a).is_ok());
}
