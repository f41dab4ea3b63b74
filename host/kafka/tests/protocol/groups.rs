//! Groups over the wire, in every version.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponsePartition;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::harness::{Client, TestBroker};

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const ILLEGAL_GENERATION: i16 = 22;
const INVALID_GROUP_ID: i16 = 24;
const UNKNOWN_MEMBER_ID: i16 = 25;
const REBALANCE_IN_PROGRESS: i16 = 27;
const NON_EMPTY_GROUP: i16 = 68;
const GROUP_ID_NOT_FOUND: i16 = 69;
const MEMBER_ID_REQUIRED: i16 = 79;
const FENCED_INSTANCE_ID: i16 = 82;
const GROUP_SUBSCRIBED_TO_TOPIC: i16 = 86;

fn group() -> GroupId {
    text("billing").into()
}

fn topic() -> TopicName {
    text("orders").into()
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Subscribes to `orders`.
fn joining(member: &str) -> JoinGroupRequest {
    let metadata = Bytes::from_static(b"\0\x01\0\0\0\x01\0\x06orders\0\0\0\0");
    let range = JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str("range"))
        .with_metadata(metadata);
    JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_member_id(text(member))
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![range])
}

/// Joins for the first time, with the second request where the version asks for it.
async fn join(client: &mut Client, version: i16) -> JoinGroupResponse {
    let version_0 = |request: JoinGroupRequest| match version {
        0 => request.with_rebalance_timeout_ms(-1),
        _ => request,
    };
    let first = client.call(version, version_0(joining(""))).await;
    if first.error_code != MEMBER_ID_REQUIRED {
        assert!(version < 4, "version {version}");
        return first;
    }
    assert!(version >= 4 && first.member_id.starts_with("test-"), "version {version}");
    client.call(version, joining(&first.member_id)).await
}

async fn sync(client: &mut Client, joined: &JoinGroupResponse) -> Bytes {
    let each = joined.members.iter().map(|member| {
        SyncGroupRequestAssignment::default()
            .with_member_id(member.member_id.clone())
            .with_assignment(Bytes::from(member.member_id.as_bytes().to_vec()))
    });
    let request = SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(each.collect());
    let response = client.call(3, request).await;
    assert_eq!(response.error_code, 0);
    response.assignment
}

fn beat(joined: &JoinGroupResponse) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
}

fn committing(offset: i64, partitions: &[i32]) -> OffsetCommitRequest {
    let partition = |index: &i32| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(*index)
            .with_committed_offset(offset)
            .with_committed_metadata(Some(StrBytes::from_static_str("note")))
    };
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic())
        .with_partitions(partitions.iter().map(partition).collect());
    OffsetCommitRequest::default()
        .with_group_id(group())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

async fn fetch(client: &mut Client, version: i16, index: i32) -> OffsetFetchResponsePartition {
    let topic =
        OffsetFetchRequestTopic::default().with_name(topic()).with_partition_indexes(vec![index]);
    let request =
        OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![topic]));
    let response = client.call(version, request).await;
    assert_eq!(response.error_code, 0);
    response.topics[0].partitions[0].clone()
}

#[tokio::test]
async fn the_coordinator_is_the_node_that_was_asked() {
    let broker = TestBroker::start().await;
    let mut client = broker.connect().await;
    for version in 0..=3 {
        let asking = FindCoordinatorRequest::default().with_key(text("billing"));
        let found = client.call(version, asking).await;
        assert_eq!((found.error_code, found.host.as_str()), (0, "127.0.0.1"));
        assert_eq!(found.port, i32::from(broker.addresses[0].port()));
    }
    let nameless = client.call(3, FindCoordinatorRequest::default()).await;
    assert_eq!(nameless.error_code, INVALID_GROUP_ID);
    let transactional = FindCoordinatorRequest::default().with_key(text("id")).with_key_type(1);
    assert_ne!(client.call(3, transactional).await.error_code, 0);
}

#[tokio::test]
async fn a_member_joins_in_every_version() {
    for version in 0..=7 {
        let broker = TestBroker::start().await;
        let mut client = broker.connect().await;
        let joined = join(&mut client, version).await;
        assert_eq!(joined.error_code, 0, "version {version}");
        assert_eq!(joined.leader, joined.member_id);
        assert_eq!(joined.protocol_name.as_deref(), Some("range"));
        assert_eq!(joined.members.len(), 1);
        assert_eq!(sync(&mut client, &joined).await, joined.member_id.as_bytes());
        for version in 0..=4 {
            assert_eq!(client.call(version, beat(&joined)).await.error_code, 0);
        }
        let old = beat(&joined).with_generation_id(0);
        assert_eq!(client.call(4, old).await.error_code, ILLEGAL_GENERATION);
        let refused = client.call(version, joining("stranger")).await;
        assert_eq!(refused.error_code, UNKNOWN_MEMBER_ID, "version {version}");
    }
}

#[tokio::test]
async fn a_parked_join_is_answered_with_the_generation() {
    let broker = TestBroker::start().await;
    let (mut a, mut b) = (broker.connect().await, broker.connect().await);
    let joined = join(&mut a, 5).await;
    sync(&mut a, &joined).await;
    let first = b.call(5, joining("")).await;
    let waiting = joining(&first.member_id);
    let id = b.send(5, &waiting).await;
    while a.call(4, beat(&joined)).await.error_code != REBALANCE_IN_PROGRESS {}
    let again = a.call(5, joining(&joined.member_id)).await;
    let second = b.receive::<JoinGroupRequest>(5, id).await;
    assert_eq!((again.generation_id, second.generation_id), (2, 2));
    assert_eq!((again.members.len(), second.members.len()), (2, 0));
    sync(&mut a, &again).await;
    assert_eq!(sync(&mut b, &second).await, second.member_id.as_bytes());
}

#[tokio::test]
async fn a_client_that_disconnects_does_not_hold_up_the_others() {
    let broker = TestBroker::start().await;
    let mut a = broker.connect().await;
    let joined = join(&mut a, 5).await;
    sync(&mut a, &joined).await;
    // An old client, which is given its id only with the answer that it does not wait for.
    let mut gone = broker.connect().await;
    gone.send(3, &joining("")).await;
    while a.call(4, beat(&joined)).await.error_code != REBALANCE_IN_PROGRESS {}
    drop(gone);
    let again = a.call(5, joining(&joined.member_id)).await;
    assert_eq!((again.error_code, again.members.len()), (0, 1));
}

#[tokio::test]
async fn members_leave_in_every_version() {
    let broker = TestBroker::start().await;
    let mut client = broker.connect().await;
    for version in 0..=4 {
        let joined = join(&mut client, 5).await;
        let (known, stranger) = (joined.member_id.clone(), text("stranger"));
        let leaving = LeaveGroupRequest::default().with_group_id(group());
        if version < 3 {
            let unknown = leaving.clone().with_member_id(stranger);
            assert_eq!(client.call(version, unknown).await.error_code, UNKNOWN_MEMBER_ID);
            let left = client.call(version, leaving.with_member_id(known)).await;
            assert_eq!(left.error_code, 0, "version {version}");
        } else {
            let members = [known, stranger].map(|id| MemberIdentity::default().with_member_id(id));
            let left = client.call(version, leaving.with_members(members.to_vec())).await;
            let codes: Vec<_> = left.members.iter().map(|it| it.error_code).collect();
            assert_eq!((left.error_code, codes), (0, vec![0, UNKNOWN_MEMBER_ID]));
        }
    }
}

#[tokio::test]
async fn offsets_are_committed_and_fetched_in_every_version() {
    let broker = TestBroker::start().await;
    broker.create_topic("orders", 3).await;
    let mut client = broker.connect().await;
    assert_eq!(fetch(&mut client, 1, 0).await.committed_offset, -1);
    for version in 2..=8 {
        let committed = client.call(version, committing(i64::from(version), &[0, 9])).await;
        let codes: Vec<_> = committed.topics[0].partitions.iter().map(|it| it.error_code).collect();
        assert_eq!(codes, [0, UNKNOWN_TOPIC_OR_PARTITION], "version {version}");
        for fetching in 1..=7 {
            let fetched = fetch(&mut client, fetching, 0).await;
            assert_eq!(fetched.committed_offset, i64::from(version));
            assert_eq!(fetched.metadata.as_deref(), Some("note"));
        }
    }
    let all = OffsetFetchRequest::default().with_group_id(group()).with_topics(None);
    for version in 2..=7 {
        let all = client.call(version, all.clone()).await;
        assert_eq!((all.topics.len(), all.topics[0].partitions.len()), (1, 1));
    }
    let stable = all.with_require_stable(true);
    assert_eq!(client.call(7, stable).await.topics[0].partitions[0].error_code, 0);
}

#[tokio::test]
async fn too_long_metadata_are_refused_alone() {
    let broker = TestBroker::start().await;
    broker.create_topic("orders", 2).await;
    let mut client = broker.connect().await;
    let mut request = committing(1, &[0, 1]);
    request.topics[0].partitions[1].committed_metadata = Some(text(&"x".repeat(4097)));
    let committed = client.call(8, request).await;
    let codes: Vec<_> = committed.topics[0].partitions.iter().map(|it| it.error_code).collect();
    assert_eq!(codes, [0, 12]);
    assert_eq!(fetch(&mut client, 7, 0).await.committed_offset, 1);
    assert_eq!(fetch(&mut client, 7, 1).await.committed_offset, -1);
}

#[tokio::test]
async fn members_offsets_and_generations_outlive_the_broker() {
    let broker = TestBroker::start().await;
    broker.create_topic("orders", 1).await;
    let mut client = broker.connect().await;
    let joined = join(&mut client, 5).await;
    sync(&mut client, &joined).await;
    let commit = |offset| {
        committing(offset, &[0])
            .with_generation_id_or_member_epoch(joined.generation_id)
            .with_member_id(joined.member_id.clone())
    };
    assert_eq!(client.call(7, commit(5)).await.topics[0].partitions[0].error_code, 0);
    let broker = broker.restart().await;
    let mut client = broker.connect().await;
    assert_eq!(client.call(4, beat(&joined)).await.error_code, 0);
    assert_eq!(fetch(&mut client, 7, 0).await.committed_offset, 5);
    assert_eq!(client.call(7, commit(6)).await.topics[0].partitions[0].error_code, 0);
    assert_eq!(sync(&mut client, &joined).await, joined.member_id.as_bytes());
}

#[tokio::test]
async fn a_static_member_comes_back_unnoticed_and_fences_what_it_was() {
    let broker = TestBroker::start().await;
    let mut client = broker.connect().await;
    let instance = || Some(StrBytes::from_static_str("one"));
    let first = client.call(5, joining("").with_group_instance_id(instance())).await;
    let assignment = sync(&mut client, &first).await;
    let broker = broker.restart().await;
    let mut client = broker.connect().await;
    let second = client.call(5, joining("").with_group_instance_id(instance())).await;
    assert_eq!((second.error_code, second.generation_id), (0, first.generation_id));
    assert_ne!(second.member_id, first.member_id);
    assert_eq!(sync(&mut client, &second).await, assignment);
    let old = beat(&first).with_group_instance_id(instance());
    assert_eq!(client.call(4, old).await.error_code, FENCED_INSTANCE_ID);
}

#[tokio::test]
async fn administrators_see_and_delete_groups_in_every_version() {
    let broker = TestBroker::start().await;
    broker.create_topic("orders", 1).await;
    let mut client = broker.connect().await;
    let joined = join(&mut client, 5).await;
    sync(&mut client, &joined).await;
    for version in 0..=5 {
        let request =
            DescribeGroupsRequest::default().with_groups(vec![group(), text("no").into()]);
        let described = client.call(version, request).await.groups;
        assert_eq!((described[0].group_state.as_str(), described[0].members.len()), ("Stable", 1));
        assert_eq!(described[0].members[0].client_id.as_str(), "test");
        assert_eq!((described[1].error_code, described[1].group_state.as_str()), (0, "Dead"));
    }
    for version in 0..=4 {
        let listed = client.call(version, ListGroupsRequest::default()).await.groups;
        assert_eq!((listed.len(), listed[0].protocol_type.as_str()), (1, "consumer"));
    }
    for (state, count) in [("stable", 1), ("Empty", 0)] {
        let request = ListGroupsRequest::default().with_states_filter(vec![text(state)]);
        assert_eq!(client.call(4, request).await.groups.len(), count, "{state}");
    }
    let delete = || DeleteGroupsRequest::default().with_groups_names(vec![group()]);
    for version in 0..=2 {
        assert_eq!(client.call(version, delete()).await.results[0].error_code, NON_EMPTY_GROUP);
    }
    let leaving =
        LeaveGroupRequest::default().with_group_id(group()).with_member_id(joined.member_id);
    assert_eq!(client.call(1, leaving).await.error_code, 0);
    assert_eq!(client.call(2, delete()).await.results[0].error_code, 0);
    assert_eq!(client.call(2, delete()).await.results[0].error_code, GROUP_ID_NOT_FOUND);
}

#[tokio::test]
async fn offsets_of_topics_in_use_are_not_forgotten() {
    let broker = TestBroker::start().await;
    broker.create_topic("orders", 1).await;
    broker.create_topic("refunds", 1).await;
    let mut client = broker.connect().await;
    let mut request = committing(1, &[0]);
    let refunds = request.topics[0].clone().with_name(text("refunds").into());
    request.topics.push(refunds);
    client.call(8, request).await;
    let joined = join(&mut client, 5).await;
    sync(&mut client, &joined).await;
    let partition = OffsetDeleteRequestPartition::default();
    let topics = ["orders", "refunds"].map(|name| {
        OffsetDeleteRequestTopic::default()
            .with_name(text(name).into())
            .with_partitions(vec![partition.clone()])
    });
    let request =
        OffsetDeleteRequest::default().with_group_id(group()).with_topics(topics.to_vec());
    let deleted = client.call(0, request.clone()).await;
    let codes: Vec<_> = deleted.topics.iter().map(|it| it.partitions[0].error_code).collect();
    assert_eq!(codes, [GROUP_SUBSCRIBED_TO_TOPIC, 0]);
    assert_eq!(fetch(&mut client, 7, 0).await.committed_offset, 1);
    let unknown = request.with_group_id(text("nobody").into());
    assert_eq!(client.call(0, unknown).await.error_code, GROUP_ID_NOT_FOUND);
}
