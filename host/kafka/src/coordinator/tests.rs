//! The coordinator on a real log in a temporary folder.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use tidemill_log::{
    CommittedOffset, Environment, LogConfig, Offset, PartitionId, RealClock, RealRandom,
    TopicConfig, TopicName, TopicPartition,
};

use super::*;
use crate::group::{
    Caller, Generation, GroupState, Joined, Joining, Leaving, MemberId, Protocol, Refusal, Syncing,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A clock that can be put forward.
struct Shifted {
    real: RealClock,
    shift_ms: AtomicI64,
}

impl Clock for Shifted {
    fn now_ms(&self) -> i64 {
        self.real.now_ms() + self.shift_ms.load(Relaxed)
    }

    fn elapsed(&self) -> Duration {
        self.real.elapsed()
    }
}

struct PipelineOwner;

impl Owners for PipelineOwner {
    fn is_reserved(&self, group: &str) -> bool {
        group.starts_with("tidemill.")
    }

    fn owner(&self, group: &str) -> Option<String> {
        group.strip_prefix("tidemill.").filter(|it| *it != "gone").map(str::to_owned)
    }
}

struct World {
    dir: TempDir,
    clock: Arc<Shifted>,
    config: GroupConfig,
    log: Arc<Log>,
    groups: Coordinator,
}

impl World {
    async fn new() -> Self {
        let mut config = GroupConfig::default();
        config.limits.initial_rebalance_delay = Duration::ZERO;
        config.limits.session_timeout_min = Duration::from_millis(1);
        Self::with(config).await
    }

    async fn with(config: GroupConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(Shifted { real: RealClock::new(), shift_ms: AtomicI64::new(0) });
        let (log, groups) = open(&dir, &clock, &config).await;
        let topic = TopicConfig { partitions: 3, ..TopicConfig::default() };
        for name in ["t", "u"] {
            log.create_topic(&TopicName::new(name).unwrap(), topic.clone()).await.unwrap();
        }
        Self { dir, clock, config, log, groups }
    }

    /// As after a crash: nothing is closed in order.
    async fn restart(self) -> Self {
        let Self { dir, clock, config, log, groups } = self;
        groups.close().await;
        drop(groups);
        assert_eq!(Arc::strong_count(&log), 1, "nothing goes on behind a closed coordinator");
        drop(log);
        let (log, groups) = open(&dir, &clock, &config).await;
        Self { dir, clock, config, log, groups }
    }

    /// One member that has its assignment.
    async fn stable(&self, group: &str) -> Joined {
        let joined = self.groups.join(group, self.joining(None)).await.unwrap();
        let assigned = vec![(joined.member.clone(), Bytes::from_static(b"A"))];
        let synced = self.groups.sync(group, syncing(&joined, assigned)).await.unwrap();
        assert_eq!(&synced.assignment[..], b"A");
        joined
    }

    fn joining(&self, member: Option<&MemberId>) -> Joining {
        Joining {
            member: member.cloned(),
            fresh: self.groups.fresh_member_id("client"),
            instance: None,
            needs_known_id: false,
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            session_timeout: Duration::from_secs(20),
            rebalance_timeout: Duration::from_secs(20),
            protocol_type: "consumer".into(),
            // Subscribes to `t`.
            protocols: vec![Protocol {
                name: "range".into(),
                metadata: Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 0]),
            }],
        }
    }
}

async fn open(
    dir: &TempDir,
    clock: &Arc<Shifted>,
    config: &GroupConfig,
) -> (Arc<Log>, Coordinator) {
    let environment = Environment { clock: clock.clone(), ..Environment::real() };
    let log = Log::open(dir.path(), environment, LogConfig::default()).await.unwrap();
    let sources = (clock.clone() as Arc<dyn Clock>, Arc::new(RealRandom) as Arc<_>);
    let groups = Coordinator::open(log.clone(), sources, config.clone(), Arc::new(PipelineOwner));
    (log, groups)
}

fn syncing(joined: &Joined, assignments: Vec<(MemberId, Bytes)>) -> Syncing {
    Syncing { caller: caller(joined), protocol_type: None, protocol: None, assignments }
}

fn caller(joined: &Joined) -> Caller {
    let member = Some(joined.member.clone());
    Caller { member, instance: None, generation: joined.generation }
}

fn nobody() -> Caller {
    Caller { member: None, instance: None, generation: Generation::new(-1) }
}

fn at(topic: &str, partition: u32) -> TopicPartition {
    TopicPartition::new(TopicName::new(topic).unwrap(), PartitionId::new(partition))
}

fn offset(topic: &str, value: i64) -> Vec<(TopicPartition, CommittedOffset)> {
    vec![(at(topic, 0), CommittedOffset::new(Offset::new(value), "note"))]
}

/// Waits until `done`, as a test of something that goes on beside it.
async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_a_group() {
    let world = World::new().await;
    let groups = &world.groups;
    let a = world.stable("g").await;
    let second = tokio::spawn({
        let (groups, request) = (groups.clone(), world.joining(None));
        async move { groups.join("g", request).await }
    });
    eventually("the first is asked to join again", || {
        matches!(
            groups.heartbeat("g", &caller(&a)),
            Err(CoordinatorError::Refused(Refusal::RebalanceInProgress))
        )
    })
    .await;
    let a = groups.join("g", world.joining(Some(&a.member))).await.unwrap();
    let b = second.await.unwrap().unwrap();
    assert_eq!((a.members.len(), b.members.len()), (2, 0));
    let waiting = tokio::spawn({
        let (groups, request) = (groups.clone(), syncing(&b, Vec::new()));
        async move { groups.sync("g", request).await }
    });
    let assigned = vec![(b.member.clone(), Bytes::from_static(b"B"))];
    groups.sync("g", syncing(&a, assigned)).await.unwrap();
    assert_eq!(&waiting.await.unwrap().unwrap().assignment[..], b"B");
    groups.commit("g", &caller(&b), offset("t", 7)).await.unwrap();
    let described = groups.describe("g").unwrap();
    assert_eq!((described.group.state, described.group.members.len()), (GroupState::Stable, 2));
    assert_eq!(described.offsets[0].committed.metadata, "note");
    let leaving = [a, b].map(|it| Leaving { member: Some(it.member), instance: None });
    assert!(groups.leave("g", &leaving).unwrap().iter().all(Result::is_ok));
    assert_eq!(groups.describe("g").unwrap().group.state, GroupState::Empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_offsets_outlive_the_host() {
    let world = World::new().await;
    let a = world.stable("g").await;
    world.groups.commit("g", &caller(&a), offset("t", 7)).await.unwrap();
    world.groups.commit("alone", &nobody(), offset("t", 3)).await.unwrap();
    let world = world.restart().await;
    let groups = &world.groups;
    groups.heartbeat("g", &caller(&a)).unwrap();
    groups.commit("g", &caller(&a), offset("t", 8)).await.unwrap();
    let FetchedOffset::Committed(fetched) = &groups.fetch("g", vec![at("t", 0)], true)[0].1 else {
        panic!("the offset is forgotten");
    };
    assert_eq!((fetched.offset, fetched.metadata.as_str()), (Offset::new(8), "note"));
    assert_eq!(groups.fetch("g", vec![at("t", 1)], true)[0].1, FetchedOffset::None);
    assert_eq!(groups.fetch_all("alone", false).len(), 1);
    let synced = groups.sync("g", syncing(&a, Vec::new())).await.unwrap();
    assert_eq!(&synced.assignment[..], b"A");
    let names: Vec<_> =
        groups.list().into_iter().map(|it| (it.group.to_string(), it.state)).collect();
    assert_eq!(names, [("alone".into(), GroupState::Empty), ("g".into(), GroupState::Stable)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_member_is_gone_with_its_session() {
    let world = World::new().await;
    let request = Joining { session_timeout: Duration::from_millis(50), ..world.joining(None) };
    let joined = world.groups.join("g", request).await.unwrap();
    let groups = &world.groups;
    eventually("the group is empty", || groups.describe_members("g").unwrap().members.is_empty())
        .await;
    let late = groups.heartbeat("g", &caller(&joined));
    assert!(matches!(late, Err(CoordinatorError::Refused(Refusal::UnknownMember))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_while_it_waits_is_forgotten() {
    let world = World::with(GroupConfig::default()).await;
    let request = Joining { session_timeout: Duration::from_secs(10), ..world.joining(None) };
    let join = world.groups.join("g", request);
    assert!(tokio::time::timeout(Duration::from_millis(50), join).await.is_err());
    assert_eq!(world.groups.describe_members("g").unwrap().members, []);
    // An id that was given out and not used leaves nothing at all.
    let request = Joining {
        needs_known_id: true,
        session_timeout: Duration::from_secs(10),
        ..world.joining(None)
    };
    let refused = world.groups.join("h", request).await;
    let Err(CoordinatorError::Refused(Refusal::MemberIdRequired { member })) = refused else {
        panic!("{refused:?}");
    };
    assert!(world.groups.shared.seat("h").is_some());
    let leaving = [Leaving { member: Some(member), instance: None }];
    assert!(world.groups.leave("h", &leaving).unwrap()[0].is_ok());
    assert!(world.groups.shared.seat("h").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn old_generations_commit_nothing() {
    let world = World::new().await;
    let a = world.stable("g").await;
    let old = Caller { generation: Generation::new(0), ..caller(&a) };
    for (caller, is_right) in [
        (old, (|it| matches!(it, Refusal::IllegalGeneration { .. })) as fn(&Refusal) -> bool),
        (nobody(), |it| *it == Refusal::UnknownMember),
    ] {
        let refused = world.groups.commit("g", &caller, offset("t", 1)).await;
        assert!(
            matches!(&refused, Err(CoordinatorError::Refused(it)) if is_right(it)),
            "{refused:?}"
        );
    }
    assert_eq!(world.groups.fetch_all("g", false), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_change_what_nobody_works_on() {
    let world = World::new().await;
    let groups = &world.groups;
    let a = world.stable("g").await;
    groups.commit("g", &caller(&a), offset("t", 5)).await.unwrap();
    groups.commit("g", &caller(&a), offset("u", 6)).await.unwrap();
    let reset = || vec![(at("t", 0), Offset::new(0))];
    let has_members = |result| matches!(result, Err(CoordinatorError::HasMembers { .. }));
    assert!(has_members(groups.delete("g").await));
    assert!(has_members(groups.reset("g", reset()).await));
    assert!(has_members(groups.check_reset("g")));
    // Of a topic that nobody subscribes to, offsets can be forgotten all the same.
    let in_use = groups.forget("g", vec![at("t", 0), at("u", 0)]).await.unwrap();
    assert!(in_use.contains("t") && in_use.len() == 1);
    assert_eq!(groups.fetch("g", vec![at("u", 0)], false)[0].1, FetchedOffset::None);
    assert_eq!(groups.fetch_all("g", false).len(), 1);

    groups.leave("g", &[Leaving { member: Some(a.member), instance: None }]).unwrap();
    groups.check_reset("g").unwrap();
    groups.reset("g", reset()).await.unwrap();
    assert_eq!(groups.describe("g").unwrap().offsets[0].committed.offset, Offset::ZERO);
    groups.delete("g").await.unwrap();
    assert!(groups.describe("g").is_none());
    assert!(matches!(groups.delete("g").await, Err(CoordinatorError::Unknown { .. })));
    let world = world.restart().await;
    assert_eq!(world.groups.list(), []);
    assert_eq!(world.stable("g").await.generation, Generation::new(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_is_planned_before_it_is_made() {
    let world = World::new().await;
    let groups = &world.groups;
    let unknown = groups.plan_reset("g", None, Destination::Earliest).await;
    assert!(matches!(unknown, Err(CoordinatorError::Unknown { .. })));
    groups.commit("g", &nobody(), offset("t", 7)).await.unwrap();
    let plan = groups.plan_reset("g", None, Destination::By(-3)).await.unwrap();
    let expected = Move { at: at("t", 0), from: Some(Offset::new(7)), to: Offset::ZERO };
    assert_eq!(plan, [expected], "the partition is empty");
    let elsewhere = groups.plan_reset("g", Some(vec![at("u", 2)]), Destination::Latest).await;
    assert_eq!(elsewhere.unwrap()[0].from, None);
    let nowhere = groups.plan_reset("g", Some(vec![at("u", 9)]), Destination::Latest).await;
    assert!(matches!(nowhere, Err(CoordinatorError::Read(_))));
    let uncounted = groups.plan_reset("g", Some(vec![at("u", 0)]), Destination::By(1)).await;
    assert!(matches!(uncounted, Err(CoordinatorError::NothingCommitted { .. })));
    world.stable("g").await;
    let busy = groups.plan_reset("g", None, Destination::Earliest).await;
    assert!(matches!(busy, Err(CoordinatorError::HasMembers { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_of_pipelines_are_no_business_of_clients() {
    let world = World::new().await;
    let groups = &world.groups;
    world.log.commit_offsets("tidemill.p", offset("t", 1)).await.unwrap();
    let owned =
        |error| matches!(error, CoordinatorError::Owned { pipeline, .. } if pipeline == "p");
    assert!(owned(groups.join("tidemill.p", world.joining(None)).await.unwrap_err()));
    assert!(owned(groups.commit("tidemill.p", &nobody(), offset("t", 9)).await.unwrap_err()));
    assert!(owned(groups.delete("tidemill.p").await.unwrap_err()));
    assert!(owned(groups.reset("tidemill.p", vec![(at("t", 0), Offset::ZERO)]).await.unwrap_err()));
    assert!(owned(groups.forget("tidemill.p", vec![at("t", 0)]).await.unwrap_err()));
    let described = groups.describe("tidemill.p").unwrap();
    assert_eq!(described.pipeline.as_deref(), Some("p"));
    assert_eq!(described.offsets[0].committed.offset, Offset::new(1));
    world.clock.shift_ms.fetch_add(365 * 86_400_000, Relaxed);
    groups.forget_expired().await;
    assert_eq!(groups.fetch_all("tidemill.p", false).len(), 1);
    // What a pipeline has left behind can be cleared away, but not taken over.
    world.log.commit_offsets("tidemill.gone", offset("t", 1)).await.unwrap();
    let refused = groups.join("tidemill.gone", world.joining(None)).await;
    assert!(matches!(refused, Err(CoordinatorError::Reserved { .. })));
    groups.delete("tidemill.gone").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_expire_once_nobody_needs_them() {
    let world = World::new().await;
    let groups = &world.groups;
    let day = |days: i64| {
        world.clock.shift_ms.fetch_add(days * 86_400_000, Relaxed);
    };
    let a = world.stable("g").await;
    groups.commit("g", &caller(&a), offset("t", 1)).await.unwrap();
    groups.commit("g", &caller(&a), offset("u", 1)).await.unwrap();
    groups.commit("alone", &nobody(), offset("t", 1)).await.unwrap();
    day(8);
    groups.forget_expired().await;
    assert_eq!(groups.fetch_all("g", false).len(), 1, "`t` is subscribed to, `u` is not");
    assert!(groups.describe("alone").is_none());
    groups.leave("g", &[Leaving { member: Some(a.member), instance: None }]).unwrap();
    day(6);
    groups.forget_expired().await;
    assert_eq!(groups.fetch_all("g", false).len(), 1, "it has only been empty for six days");
    day(2);
    groups.forget_expired().await;
    assert!(groups.describe("g").is_none());
    assert!(groups.shared.seats.lock().is_empty());
    assert_eq!(world.groups.metrics().expired_total, 3);
    let world = world.restart().await;
    assert_eq!(world.groups.list(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_groups_together_are_bounded() {
    let mut config = GroupConfig { groups_max: 2, member_bytes_max: 100, ..GroupConfig::default() };
    config.limits.initial_rebalance_delay = Duration::ZERO;
    let world = World::with(config).await;
    world.stable("a").await;
    assert!(world.groups.metrics().member_bytes > 0);
    let much = Protocol { name: "range".into(), metadata: Bytes::from(vec![0; 90]) };
    let request = Joining { protocols: vec![much], ..world.joining(None) };
    let refused = world.groups.join("b", request).await;
    assert!(matches!(refused, Err(CoordinatorError::TooManyBytes { .. })));
    world.stable("b").await;
    let refused = world.groups.join("c", world.joining(None)).await;
    assert!(matches!(refused, Err(CoordinatorError::TooManyGroups { max: 2 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_do_not_wait_for_each_other() {
    let world = World::new().await;
    let members = (0..60).map(|number| {
        let (groups, request) = (world.groups.clone(), world.joining(None));
        tokio::spawn(async move {
            let group = format!("g{}", number % 20);
            let mut request = request;
            loop {
                let joined = groups.join(&group, request.clone()).await.unwrap();
                request.member = Some(joined.member.clone());
                let each = |member: &crate::group::JoinedMember| {
                    (member.id.clone(), Bytes::from(member.id.to_string()))
                };
                let assigned = joined.members.iter().map(each).collect();
                let Ok(synced) = groups.sync(&group, syncing(&joined, assigned)).await else {
                    continue;
                };
                assert_eq!(synced.assignment, joined.member.to_string());
                if groups.describe_members(&group).unwrap().members.len() == 3
                    && groups.heartbeat(&group, &caller(&joined)).is_ok()
                {
                    return;
                }
                while groups.heartbeat(&group, &caller(&joined)).is_ok() {
                    if groups.describe_members(&group).unwrap().members.len() == 3 {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        })
    });
    for member in members.collect::<Vec<_>>() {
        tokio::time::timeout(PATIENCE, member).await.expect("nobody waits for ever").unwrap();
    }
    assert_eq!(world.groups.list().len(), 20);
}
