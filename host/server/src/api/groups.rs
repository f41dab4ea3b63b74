//! Consumer groups: list, describe, reset, delete.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use tidemill_kafka::coordinator::{
    CoordinatorError, Destination, GroupDescription as Described, Move, PartitionLag,
};
use tidemill_kafka::group::{MemberDescription, subscription};
use tidemill_log::{PartitionId, TopicPartition};

use super::body::read_json;
use super::wire::{
    AssignedPartitions, GroupDescription, GroupList, GroupMember, GroupMove, GroupPartition,
    GroupReset, GroupSummary, NewPosition, ResetPlan, TopicSelection,
};
use super::{ApiError, Name, Ready};
use crate::host::Host;

pub async fn list(Ready(host): Ready) -> Json<GroupList> {
    let groups = host.groups().list().into_iter().map(|group| GroupSummary {
        name: group.group.to_string(),
        state: group.state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        members: group.members,
        pipeline: group.pipeline,
    });
    Json(GroupList { groups: groups.collect() })
}

pub async fn describe(
    Ready(host): Ready,
    Name(group): Name,
) -> Result<Json<GroupDescription>, ApiError> {
    let described = host.groups().describe(&group);
    let described = described
        .ok_or_else(|| group_error(&CoordinatorError::Unknown { group: group.clone() }))?;
    Ok(Json(description(group, described)))
}

pub async fn delete(Ready(host): Ready, Name(group): Name) -> Result<StatusCode, ApiError> {
    host.groups().delete(&group).await.map_err(|error| group_error(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn reset(
    Ready(host): Ready,
    Name(group): Name,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ResetPlan>, ApiError> {
    let reset: GroupReset = read_json(body, &headers, "reset").await?;
    let partitions = match reset.topics {
        None => None,
        Some(topics) => Some(selected(&host, topics)?),
    };
    let destination = match reset.to {
        NewPosition::Earliest => Destination::Earliest,
        NewPosition::Latest => Destination::Latest,
        NewPosition::Offset(offset) => Destination::Offset(offset),
        NewPosition::Timestamp(ms) => Destination::Time(ms),
        NewPosition::By(count) => Destination::By(count),
    };
    let groups = host.groups();
    let plan = groups.plan_reset(&group, partitions, destination).await;
    let plan = plan.map_err(|error| group_error(&error))?;
    if !reset.dry_run {
        let offsets = plan.iter().map(|one| (one.at.clone(), one.to)).collect();
        groups.reset(&group, offsets).await.map_err(|error| group_error(&error))?;
    }
    let partitions = plan.into_iter().map(moved).collect();
    Ok(Json(ResetPlan { group, dry_run: reset.dry_run, partitions }))
}

/// The partitions that a request names. Each of them is there.
fn selected(host: &Host, topics: Vec<TopicSelection>) -> Result<Vec<TopicPartition>, ApiError> {
    let mut selected = Vec::new();
    for TopicSelection { topic, partitions } in topics {
        let (name, count) = host.topic(&topic)?;
        let wanted = partitions.unwrap_or_else(|| (0..count).collect());
        if let Some(missing) = wanted.iter().find(|partition| **partition >= count) {
            let error = format!("topic `{name}` has no partition {missing}");
            return Err(ApiError::new(StatusCode::NOT_FOUND, error)
                .with_hint(format!("it has {count}, counted from 0")));
        }
        let at = |partition| TopicPartition::new(name.clone(), PartitionId::new(partition));
        selected.extend(wanted.into_iter().map(at));
    }
    selected.sort();
    selected.dedup();
    Ok(selected)
}

fn description(name: String, described: Described) -> GroupDescription {
    let Described { group, offsets, pipeline } = described;
    let members: Vec<GroupMember> = group.members.iter().map(member).collect();
    let partitions: Vec<GroupPartition> =
        offsets.iter().map(|offset| partition(offset, &members)).collect();
    GroupDescription {
        name,
        state: group.state.to_string(),
        generation: group.generation.get(),
        protocol_type: group.protocol_type.as_deref().unwrap_or_default().to_owned(),
        protocol: group.protocol.map(|protocol| protocol.to_string()),
        pipeline,
        lag: partitions.iter().map(|partition| partition.lag).sum(),
        members,
        partitions,
    }
}

fn member(member: &MemberDescription) -> GroupMember {
    // Other kinds of members assign things that have no partitions.
    let assigned = subscription::assigned(&member.assignment).unwrap_or_default();
    let topic = |(topic, mut partitions): (&str, Vec<i32>)| {
        partitions.sort_unstable();
        let partitions = partitions.into_iter().filter_map(|it| u32::try_from(it).ok()).collect();
        AssignedPartitions { topic: topic.to_owned(), partitions }
    };
    GroupMember {
        id: member.id.to_string(),
        instance: member.instance.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        assigned: assigned.into_iter().map(topic).collect(),
    }
}

fn partition(offset: &PartitionLag, members: &[GroupMember]) -> GroupPartition {
    let (topic, partition) = (offset.at.topic.as_str(), offset.at.partition.get());
    let has_it = |member: &&GroupMember| {
        let mut assigned = member.assigned.iter();
        assigned.any(|it| it.topic == topic && it.partitions.contains(&partition))
    };
    GroupPartition {
        topic: topic.to_owned(),
        partition,
        offset: offset.committed.offset.get(),
        metadata: offset.committed.metadata.clone(),
        committed_at: offset.committed.at_ms,
        log_start: offset.log_start.get(),
        log_end: offset.log_end.get(),
        lag: offset.lag(),
        member: members.iter().find(has_it).map(|member| member.id.clone()),
    }
}

fn moved(one: Move) -> GroupMove {
    GroupMove {
        topic: one.at.topic.to_string(),
        partition: one.at.partition.get(),
        from: one.from.map(|offset| offset.get()),
        to: one.to.get(),
    }
}

fn group_error(error: &CoordinatorError) -> ApiError {
    let status = match error {
        CoordinatorError::Unknown { .. } => StatusCode::NOT_FOUND,
        CoordinatorError::Name { .. } => StatusCode::BAD_REQUEST,
        CoordinatorError::Reserved { .. } => StatusCode::FORBIDDEN,
        CoordinatorError::Owned { .. }
        | CoordinatorError::HasMembers { .. }
        | CoordinatorError::NothingCommitted { .. }
        | CoordinatorError::Refused(_) => StatusCode::CONFLICT,
        CoordinatorError::TooManyGroups { .. }
        | CoordinatorError::TooManyBytes { .. }
        | CoordinatorError::Closing => StatusCode::SERVICE_UNAVAILABLE,
        CoordinatorError::Read(_) | CoordinatorError::Log(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let answer = ApiError::of(status, error).with_retry(error.is_retryable());
    match error.hint() {
        Some(hint) => answer.with_hint(hint),
        None => answer,
    }
}
