use super::*;

fn snapshot_of(world: &mut World) -> Snapshot {
    world.group.snapshot()
}

#[test]
fn members_go_on_after_a_restart() {
    let mut world = World::stable_pair();
    let kept = Snapshot::decode(&snapshot_of(&mut world).encode()).unwrap();
    let before = world.group.describe();
    let mut world = World::with(Group::restore(kept, world.time()), world.limits);
    assert_eq!(world.group.describe(), before);
    assert_eq!((world.heartbeat("a"), world.heartbeat("b")), (Ok(()), Ok(())));
    let b = world.sync("b", &[]);
    assert_eq!(world.synced(b), Ok("B"));
    let caller = world.caller("a");
    assert_eq!(world.group.begin_commit(&caller, world.time()), Ok(()));
    // Those that do not come back are gone with their session.
    world.pass(Duration::from_secs(9));
    world.heartbeat("a").unwrap();
    world.pass(Duration::from_secs(2));
    assert_eq!(world.heartbeat("b"), Err(Refusal::UnknownMember));
}

#[test]
fn static_members_come_back_without_a_rebalance() {
    let mut world = World::new();
    world.join(as_instance("one", joining(None, "a")));
    world.sync("a", &[("a", "A")]);
    let kept = snapshot_of(&mut world);
    let mut world = World::with(Group::restore(kept, world.time()), world.limits);
    let a = world.join(as_instance("one", joining(None, "a2")));
    assert_eq!(world.joined(a).unwrap().generation, Generation::new(1));
    let a = world.sync("a2", &[]);
    assert_eq!((world.synced(a), world.rebalances), (Ok("A"), 0));
}

#[test]
fn an_empty_group_keeps_its_generation() {
    let mut world = World::stable_pair();
    world.saves_at_once = false;
    world.leave("a").unwrap();
    world.leave("b").unwrap();
    let kept = world.saves.pop().unwrap().snapshot;
    assert_eq!(kept.members, []);
    let read = Snapshot::decode(&kept.encode()).unwrap();
    assert_eq!(read, kept);
    let group = Group::restore(read, world.time());
    assert_eq!(group.empty_since_ms(), world.group.empty_since_ms());
    let mut world = World::with(group, world.limits);
    let c = world.join_new("c");
    assert_eq!(world.joined(c).unwrap().generation, Generation::new(4));
}

#[test]
fn a_group_is_written_as_kafka_writes_it() {
    let mut world = World::new();
    world.join(as_instance("i", joining(None, "m")));
    world.sync("m", &[("m", "A")]);
    let expected = [
        &[0, 3][..],
        b"\0\x08consumer",
        &[0, 0, 0, 1],
        b"\0\x05range",
        b"\0\x01m",
        &[0xff; 8],
        &[0, 0, 0, 1],
        b"\0\x01m",
        b"\0\x01i",
        b"\0\x06client",
        b"\0\x0a/127.0.0.1",
        &60_000_i32.to_be_bytes(),
        &10_000_i32.to_be_bytes(),
        b"\0\0\0\x0csubscription",
        b"\0\0\0\x01A",
    ]
    .concat();
    assert_eq!(snapshot_of(&mut world).encode(), expected);
}

#[test]
fn what_breaks_off_or_is_newer_is_refused() {
    let mut world = World::stable_pair();
    let whole = snapshot_of(&mut world).encode();
    for length in 0..whole.len() {
        let cut = whole.slice(..length);
        assert!(matches!(Snapshot::decode(&cut), Err(SnapshotError::Malformed { .. })), "{length}");
    }
    let newer = Bytes::from([&[0, 4][..], &whole[2..]].concat());
    assert_eq!(Snapshot::decode(&newer), Err(SnapshotError::Version { version: 4 }));
    // A count that lies reserves nothing.
    let mut lying = World::new().group.snapshot().encode().to_vec();
    let at = lying.len() - 4;
    lying[at..].copy_from_slice(&i32::MAX.to_be_bytes());
    assert!(Snapshot::decode(&lying.into()).is_err());
}
