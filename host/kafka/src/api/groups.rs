//! What administrators ask about groups: describe, list, delete.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    GroupId, ListGroupsRequest, ListGroupsResponse,
};

use super::membership::text;
use super::{Call, ErrorCode};
use crate::group::{GroupState, MemberDescription};

/// The most bytes that members say about themselves in one response: whoever names a group many
/// times does not get it many times.
const RESPONSE_BYTES_MAX: usize = 32 << 20;

pub(super) async fn describe(
    call: &Call<'_>,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let mut bytes_left = RESPONSE_BYTES_MAX;
    let groups = request.groups.into_iter().map(|group| describe_one(call, group, &mut bytes_left));
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

/// One that is not there is dead: these versions know no error for it.
fn describe_one(call: &Call<'_>, group: GroupId, bytes_left: &mut usize) -> DescribedGroup {
    let described = DescribedGroup::default();
    if group.is_empty() {
        return described.with_group_id(group).with_error_code(ErrorCode::InvalidGroupId.code());
    }
    let Some(known) = call.broker.groups.describe_members(&group) else {
        return described.with_group_id(group).with_group_state(text(GroupState::Dead.name()));
    };
    let bytes = known.members.iter().map(|it| it.metadata.len() + it.assignment.len()).sum();
    let Some(left) = bytes_left.checked_sub(bytes) else {
        // Asked for again, there is room for it.
        let code = ErrorCode::CoordinatorNotAvailable.code();
        return described.with_group_id(group).with_error_code(code);
    };
    *bytes_left = left;
    described
        .with_group_id(group)
        .with_group_state(text(known.state.name()))
        .with_protocol_type(text(known.protocol_type.as_deref().unwrap_or_default()))
        .with_protocol_data(text(known.protocol.as_ref().map_or("", |it| it.as_str())))
        .with_members(known.members.into_iter().map(member).collect())
}

fn member(member: MemberDescription) -> DescribedGroupMember {
    DescribedGroupMember::default()
        .with_member_id(text(member.id.as_str()))
        .with_group_instance_id(member.instance.map(|instance| text(instance.as_str())))
        .with_client_id(text(&member.client_id))
        .with_client_host(text(&member.client_host))
        .with_member_metadata(member.metadata)
        .with_member_assignment(member.assignment)
}

pub(super) async fn list(call: &Call<'_>, request: ListGroupsRequest) -> ListGroupsResponse {
    let wanted = request.states_filter;
    let is_wanted = |state: GroupState| {
        wanted.is_empty() || wanted.iter().any(|name| name.eq_ignore_ascii_case(state.name()))
    };
    let groups = call.broker.groups.list().into_iter().filter(|group| is_wanted(group.state));
    let groups = groups.map(|group| {
        ListedGroup::default()
            .with_group_id(text(&group.group).into())
            .with_protocol_type(text(&group.protocol_type))
            .with_group_state(text(group.state.name()))
    });
    ListGroupsResponse::default().with_groups(groups.collect())
}

pub(super) async fn delete(call: &Call<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::new();
    for group in request.groups_names {
        let deleted = call.broker.groups.delete(&group).await;
        let code = deleted.map_or_else(|error| ErrorCode::of_group(&error), |()| ErrorCode::None);
        results.push(
            DeletableGroupResult::default().with_group_id(group).with_error_code(code.code()),
        );
    }
    DeleteGroupsResponse::default().with_results(results)
}
