//! What is kept of groups, and what their members say, with any bytes in it: a host that starts on
//! them must come up, and serve those groups as any other.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidemill_log::simulation::Simulation;
use tidemill_log::{BatchBuilder, Disk, Log, LogConfig, OpenMode};

use crate::coordinator::{Coordinator, GroupConfig, NoOwners};
use crate::group::{
    Caller, Effects, Group, GroupLimits, Joining, MemberId, Now, Protocol, Snapshot, Ticket,
    subscription,
};

/// Each pause is twice the one before it: these are longer than any session.
const STEPS_MAX: u32 = 50;
/// Where offsets and groups are kept, in the simulated machine.
const SEGMENT: &str = "data/topics/__consumer_offsets/0/00000000000000000000.log";

/// Reads bytes as what the first of them says: a group's snapshot, what members say and are
/// assigned, or records of `__consumer_offsets`.
///
/// Panics where the host would.
pub fn group_metadata(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => snapshot(rest),
        1 => said_by_members(rest),
        _ => records(rest),
    }
}

fn said_by_members(bytes: &[u8]) {
    // Each name, and each number, takes bytes: no count is believed.
    if let Some(topics) = subscription::topics(bytes) {
        assert!(topics.len() <= bytes.len());
    }
    if let Some(assigned) = subscription::assigned(bytes) {
        let partitions: usize = assigned.iter().map(|(_, partitions)| partitions.len()).sum();
        assert!(assigned.len() + partitions <= bytes.len());
    }
}

fn snapshot(bytes: &[u8]) {
    let Ok(kept) = Snapshot::decode(&Bytes::copy_from_slice(bytes)) else { return };
    assert_eq!(Snapshot::decode(&kept.encode()).as_ref(), Ok(&kept), "what is written is read");
    live(Group::restore(kept, now(Duration::ZERO)));
}

const fn now(at: Duration) -> Now {
    Now { at, wall_ms: 1_700_000_000_000 }
}

/// Its members are heard of once more, another one joins, and then nobody comes back.
fn live(mut group: Group) {
    let limits = GroupLimits::default();
    let described = group.describe();
    for member in &described.members {
        let caller = Caller {
            member: Some(member.id.clone()),
            instance: member.instance.clone(),
            generation: described.generation,
        };
        // Refused or not: it only must not do harm.
        let _ = group.heartbeat(&caller, now(Duration::ZERO));
    }
    let mut at = Duration::ZERO;
    let joined = group.join(newcomer(&described), Ticket(1), now(at), &limits);
    save(&mut group, joined, at, &limits);
    for step in 0..STEPS_MAX {
        let Some(deadline) = group.next_deadline() else { return };
        at = at.max(deadline) + Duration::from_millis(1 << step);
        let ticked = group.tick(now(at), &limits);
        save(&mut group, ticked, at, &limits);
    }
    panic!("the group does not come to rest: {group:?}");
}

/// Offers what the group uses, so that it is taken in where anybody would be.
fn newcomer(group: &crate::group::Description) -> Joining {
    let protocol = group.protocol.clone().unwrap_or_else(|| "range".into());
    Joining {
        member: None,
        fresh: MemberId::from("newcomer"),
        instance: group.members.first().and_then(|member| member.instance.clone()),
        needs_known_id: false,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(60),
        protocol_type: group.protocol_type.clone().unwrap_or_else(|| "consumer".into()),
        protocols: vec![Protocol { name: protocol, metadata: Bytes::new() }],
    }
}

/// Says of everything that is to be saved that it is.
fn save(group: &mut Group, effects: Effects, at: Duration, limits: &GroupLimits) {
    for save in effects.saves {
        let encoded = save.snapshot.encode();
        assert_eq!(Snapshot::decode(&encoded).as_ref(), Ok(&save.snapshot));
        let more = group.saved(save.id, true, now(at), limits);
        self::save(group, more, at, limits);
    }
}

/// Starts a host on records with these keys and values.
fn records(bytes: &[u8]) {
    let Some(segment) = segment(bytes) else { return };
    let simulation = Simulation::new(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let log = open(&simulation).await;
        log.close().await;
        drop(log);
        let file = simulation.disk.open(Path::new(SEGMENT), OpenMode::Write).expect("a segment");
        file.write_at(&segment, 0).expect("a disk in memory");
        let log = open(&simulation).await;
        let sources: (Arc<dyn tidemill_log::Clock>, Arc<dyn tidemill_log::RandomSource>) =
            (simulation.clock.clone(), simulation.random.clone());
        let owners = Arc::new(NoOwners);
        let groups = Coordinator::open(log.clone(), sources, GroupConfig::default(), owners);
        for summary in groups.list() {
            let described = groups.describe(&summary.group);
            for partition in described.iter().flat_map(|group| &group.offsets) {
                // Whatever was committed, the lag of it can be told.
                let _ = partition.lag();
            }
        }
        groups.close().await;
        log.close().await;
    });
}

async fn open(simulation: &Simulation) -> Arc<Log> {
    let opened = Log::open("data".as_ref(), simulation.environment(), LogConfig::default()).await;
    opened.expect("a log opens, whatever is in the records")
}

/// One batch, its records cut out of `bytes`: a byte that tells the key's length and the key, the same
/// for the value. A length of 255 is none at all.
fn segment(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut builder = BatchBuilder::new();
    while !bytes.is_empty() {
        let (key, rest) = field(bytes);
        let (value, rest) = field(rest);
        builder.push(key, value, &[], 1).ok()?;
        bytes = rest;
    }
    Some(builder.finish()?.bytes().to_vec())
}

fn field(bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match bytes.split_first() {
        None | Some((255, _)) => (None, bytes.get(1..).unwrap_or_default()),
        Some((length, rest)) => {
            let (field, rest) = rest.split_at(usize::from(*length).min(rest.len()));
            (Some(field), rest)
        }
    }
}

/// One input of each kind, made of what a host writes.
pub fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| {
        let length = u16::try_from(text.len()).expect("a short text");
        [&length.to_be_bytes(), text.as_bytes()].concat()
    };
    let said = [&[0, 1, 0, 0, 0, 1][..], &text("t"), &[0, 0, 0, 0]].concat();
    let assigned = [&[0, 1, 0, 0, 0, 1][..], &text("t"), &[0, 0, 0, 1, 0, 0, 0, 0]].concat();
    let member = crate::group::SavedMember {
        id: "m-1".into(),
        instance: Some("i".into()),
        client_id: "c".into(),
        client_host: "/::1".into(),
        rebalance_timeout: Duration::from_secs(60),
        session_timeout: Duration::from_secs(10),
        metadata: Bytes::from(said.clone()),
        assignment: Bytes::from(assigned.clone()),
    };
    let other = crate::group::SavedMember { id: "m-2".into(), instance: None, ..member.clone() };
    let snapshot = Snapshot {
        protocol_type: Some("consumer".into()),
        generation: crate::group::Generation::new(7),
        protocol: Some("range".into()),
        leader: Some("m-1".into()),
        since_ms: -1,
        members: vec![member, other],
    };
    let state = snapshot.encode();
    let empty = Snapshot { protocol: None, leader: None, members: Vec::new(), ..snapshot };
    let offset_key = [&[0, 1][..], &text("g"), &text("t"), &[0; 4]].concat();
    let offset = [&[0, 3][..], &42i64.to_be_bytes(), &[0xff; 4], &text("m"), &[0; 8]].concat();
    let state_key = [&[0, 2][..], &text("g")].concat();
    let record = |key: &[u8], value: Option<&[u8]>| {
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("a short field");
        let value = value.map_or(vec![255], |value| [&[length(value)], value].concat());
        [&[length(key)], key, &value].concat()
    };
    let kept = [&[2][..], &record(&offset_key, Some(&offset)), &record(&state_key, Some(&state))];
    let forgotten = [&[2][..], &record(&offset_key, None), &record(&state_key, None)];
    vec![
        ("snapshot", [&[0], &*state].concat()),
        ("snapshot-empty", [&[0], &*empty.encode()].concat()),
        ("subscription", [&[1], &*said].concat()),
        ("assignment", [&[1], &*assigned].concat()),
        ("records", kept.concat()),
        ("records-forgotten", forgotten.concat()),
    ]
}
