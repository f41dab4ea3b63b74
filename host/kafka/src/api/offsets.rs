//! Offsets of groups: commit, fetch, forget.
//!
//! **An offset of −1 means that none was committed**, never that it is not known yet: the log
//! has read all offsets before a connection is served.

use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    OffsetFetchRequest, OffsetFetchResponse,
};
use tidemill_log::{CommittedOffset, LeaderEpoch, Offset, PartitionId, TopicName, TopicPartition};

use super::membership::{caller, text};
use super::{Call, ErrorCode};
use crate::coordinator::FetchedOffset;

/// The most bytes of metadata in one response: whoever names a partition many times does not get
/// it many times.
const RESPONSE_BYTES_MAX: usize = 32 << 20;

/// Stands for an offset or an epoch that is not there.
const NONE: i32 = -1;

pub(super) async fn commit(call: &Call<'_>, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let mut offsets = Vec::new();
    let mut topics: Vec<OffsetCommitResponseTopic> = Vec::new();
    for topic in request.topics {
        let partitions = topic.partitions.into_iter().map(|partition| {
            let index = partition.partition_index;
            let code = match check(call, &topic.name, partition) {
                Ok(offset) => {
                    offsets.push(offset);
                    ErrorCode::None
                }
                Err(code) => code,
            };
            OffsetCommitResponsePartition::default()
                .with_partition_index(index)
                .with_error_code(code.code())
        });
        let partitions = partitions.collect();
        topics.push(
            OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions),
        );
    }
    let generation = request.generation_id_or_member_epoch;
    let caller = caller(&request.member_id, &request.group_instance_id, generation);
    // Also without any: what is wrong with the caller is answered first.
    let committed = call.broker.groups.commit(&request.group_id, &caller, offsets).await;
    if let Err(error) = committed {
        let code = ErrorCode::of_group(&error).code();
        let partitions = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        partitions.filter(|it| it.error_code == 0).for_each(|it| it.error_code = code);
    }
    OffsetCommitResponse::default().with_topics(topics)
}

fn check(
    call: &Call<'_>,
    topic: &str,
    partition: OffsetCommitRequestPartition,
) -> Result<(TopicPartition, CommittedOffset), ErrorCode> {
    let at = at(topic, partition.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if call.log().offsets(&at).is_err() {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    if partition.committed_offset < 0 {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
    if metadata.len() > call.broker.groups.config().metadata_bytes_max {
        return Err(ErrorCode::OffsetMetadataTooLarge);
    }
    let epoch = Some(partition.committed_leader_epoch).filter(|epoch| *epoch != NONE);
    let mut offset = CommittedOffset::new(Offset::new(partition.committed_offset), metadata);
    offset.leader_epoch = epoch.map(LeaderEpoch::new);
    Ok((at, offset))
}

pub(super) async fn fetch(call: &Call<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let (groups, group) = (&call.broker.groups, &request.group_id);
    let mut bytes_left = RESPONSE_BYTES_MAX;
    let topics = match request.topics {
        None => by_topic(groups.fetch_all(group, request.require_stable)),
        Some(topics) => topics
            .into_iter()
            .map(|topic| fetch_topic(call, group, topic, request.require_stable, &mut bytes_left))
            .collect(),
    };
    OffsetFetchResponse::default().with_topics(topics)
}

fn fetch_topic(
    call: &Call<'_>,
    group: &str,
    topic: OffsetFetchRequestTopic,
    require_stable: bool,
    bytes_left: &mut usize,
) -> OffsetFetchResponseTopic {
    let named: Vec<_> =
        topic.partition_indexes.iter().map(|index| (*index, at(&topic.name, *index))).collect();
    let known = named.iter().filter_map(|(_, at)| at.clone()).collect();
    let mut fetched = call.broker.groups.fetch(group, known, require_stable).into_iter();
    let partitions = named.into_iter().map(|(index, at)| {
        // A name that no topic can have was never committed to.
        let offset = at.and_then(|_| fetched.next()).map(|(_, offset)| offset);
        let row = partition(index, offset.unwrap_or(FetchedOffset::None));
        match bytes_left.checked_sub(row.metadata.as_deref().map_or(0, str::len)) {
            Some(left) => {
                *bytes_left = left;
                row
            }
            None => OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_error_code(ErrorCode::UnknownServerError.code()),
        }
    });
    let partitions = partitions.collect();
    OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions)
}

fn by_topic(all: Vec<(TopicPartition, FetchedOffset)>) -> Vec<OffsetFetchResponseTopic> {
    let mut topics: Vec<OffsetFetchResponseTopic> = Vec::new();
    for (at, offset) in all {
        let row = partition(at.partition.get().cast_signed(), offset);
        match topics.iter_mut().rev().find(|topic| **topic.name == *at.topic.as_str()) {
            Some(topic) => topic.partitions.push(row),
            None => topics.push(
                OffsetFetchResponseTopic::default()
                    .with_name(text(at.topic.as_str()).into())
                    .with_partitions(vec![row]),
            ),
        }
    }
    topics
}

fn partition(index: i32, offset: FetchedOffset) -> OffsetFetchResponsePartition {
    let nothing = OffsetFetchResponsePartition::default()
        .with_partition_index(index)
        .with_committed_offset(NONE.into())
        .with_committed_leader_epoch(NONE)
        .with_metadata(Some(Default::default()));
    match offset {
        FetchedOffset::None => nothing,
        FetchedOffset::Unstable => nothing.with_error_code(ErrorCode::UnstableOffsetCommit.code()),
        FetchedOffset::Committed(offset) => nothing
            .with_committed_offset(offset.offset.get())
            .with_committed_leader_epoch(offset.leader_epoch.map_or(NONE, LeaderEpoch::get))
            .with_metadata(Some(text(&offset.metadata))),
    }
}

pub(super) async fn delete(call: &Call<'_>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let partitions = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().filter_map(|it| at(&topic.name, it.partition_index))
    });
    let in_use = match call.broker.groups.forget(&request.group_id, partitions.collect()).await {
        Ok(in_use) => in_use,
        Err(error) => {
            let code = ErrorCode::of_group(&error).code();
            return OffsetDeleteResponse::default().with_error_code(code);
        }
    };
    let topics = request.topics.into_iter().map(|topic| {
        let is_in_use = in_use.contains(&**topic.name);
        let row = |index: i32| {
            let is_known = at(&topic.name, index).is_some_and(|at| call.log().offsets(&at).is_ok());
            let code = match (is_in_use, is_known) {
                (true, _) => ErrorCode::GroupSubscribedToTopic,
                (false, true) => ErrorCode::None,
                (false, false) => ErrorCode::UnknownTopicOrPartition,
            };
            OffsetDeleteResponsePartition::default()
                .with_partition_index(index)
                .with_error_code(code.code())
        };
        let partitions = topic.partitions.iter().map(|it| row(it.partition_index)).collect();
        OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}

/// `None` for what cannot be a partition.
fn at(topic: &str, partition: i32) -> Option<TopicPartition> {
    let partition = PartitionId::new(u32::try_from(partition).ok()?);
    Some(TopicPartition::new(TopicName::new(topic).ok()?, partition))
}
