//! Members of groups: join, sync, heartbeat, leave.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::{Call, ErrorCode};
use crate::coordinator::CoordinatorError;
use crate::group::{
    Caller, Generation, InstanceId, Joined, Joining, Leaving, MemberId, Protocol, Refusal, Syncing,
};

/// From here on a dynamic member joins twice (KIP-394).
const KNOWN_ID_SINCE: i16 = 4;
/// From here on errors carry no protocol rather than an empty one.
const NULL_PROTOCOL_SINCE: i16 = 7;
/// From here on a sync names the group's type and protocol (KIP-559).
const PROTOCOL_NAMED_SINCE: i16 = 5;
/// From here on several members leave at once.
const LEAVE_MANY_SINCE: i16 = 3;

pub(super) async fn join(call: &Call<'_>, request: JoinGroupRequest) -> JoinGroupResponse {
    let groups = &call.broker.groups;
    let client_id = call.client_id.as_deref().unwrap_or_default();
    let asked_as = request.member_id.clone();
    let session_timeout = milliseconds(request.session_timeout_ms);
    let joining = Joining {
        member: member(&request.member_id),
        fresh: groups.fresh_member_id(request.group_instance_id.as_deref().unwrap_or(client_id)),
        instance: request.group_instance_id.as_deref().map(InstanceId::from),
        needs_known_id: call.version >= KNOWN_ID_SINCE,
        client_id: client_id.into(),
        client_host: format!("/{}", call.peer.address.ip()).into(),
        session_timeout,
        // Version 0 knows only one timeout.
        rebalance_timeout: match request.rebalance_timeout_ms {
            given if call.version >= 1 => milliseconds(given),
            _ => session_timeout,
        },
        protocol_type: (&*request.protocol_type).into(),
        protocols: request
            .protocols
            .iter()
            .map(|it| Protocol { name: (&*it.name).into(), metadata: own(&it.metadata) })
            .collect(),
    };
    match groups.join(&request.group_id, joining).await {
        Ok(joined) => joined_response(joined),
        Err(error) => {
            let member_id = match &error {
                CoordinatorError::Refused(Refusal::MemberIdRequired { member }) => {
                    text(member.as_str())
                }
                _ => asked_as,
            };
            let no_protocol = Some(StrBytes::default());
            JoinGroupResponse::default()
                .with_error_code(ErrorCode::of_group(&error).code())
                .with_protocol_name(no_protocol.filter(|_| call.version < NULL_PROTOCOL_SINCE))
                .with_member_id(member_id)
        }
    }
}

fn joined_response(joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(text(member.id.as_str()))
            .with_group_instance_id(member.instance.map(|instance| text(instance.as_str())))
            .with_metadata(member.metadata)
    });
    JoinGroupResponse::default()
        .with_generation_id(joined.generation.get())
        .with_protocol_type(Some(text(&joined.protocol_type)))
        .with_protocol_name(Some(text(joined.protocol.as_str())))
        .with_leader(text(joined.leader.as_str()))
        .with_member_id(text(joined.member.as_str()))
        .with_members(members.collect())
}

pub(super) async fn sync(call: &Call<'_>, request: SyncGroupRequest) -> SyncGroupResponse {
    let names_both = request.protocol_type.is_some() && request.protocol_name.is_some();
    if call.version >= PROTOCOL_NAMED_SINCE && !names_both {
        let code = ErrorCode::InconsistentGroupProtocol.code();
        return SyncGroupResponse::default().with_error_code(code);
    }
    let assignments = request.assignments.iter();
    let syncing = Syncing {
        caller: caller(&request.member_id, &request.group_instance_id, request.generation_id),
        protocol_type: request.protocol_type.as_deref().map(Into::into),
        protocol: request.protocol_name.as_deref().map(Into::into),
        assignments: assignments
            .map(|it| (MemberId::from(&*it.member_id), own(&it.assignment)))
            .collect(),
    };
    match call.broker.groups.sync(&request.group_id, syncing).await {
        Ok(synced) => SyncGroupResponse::default()
            .with_protocol_type(Some(text(&synced.protocol_type)))
            .with_protocol_name(Some(text(synced.protocol.as_str())))
            .with_assignment(synced.assignment),
        Err(error) => {
            SyncGroupResponse::default().with_error_code(ErrorCode::of_group(&error).code())
        }
    }
}

pub(super) async fn heartbeat(call: &Call<'_>, request: HeartbeatRequest) -> HeartbeatResponse {
    let caller = caller(&request.member_id, &request.group_instance_id, request.generation_id);
    let noted = call.broker.groups.heartbeat(&request.group_id, &caller);
    let code = noted.map_or_else(|error| ErrorCode::of_group(&error), |()| ErrorCode::None);
    HeartbeatResponse::default().with_error_code(code.code())
}

pub(super) async fn leave(call: &Call<'_>, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let is_one = call.version < LEAVE_MANY_SINCE;
    let leaving: Vec<Leaving> = if is_one {
        vec![Leaving { member: member(&request.member_id), instance: None }]
    } else {
        let each = request.members.iter();
        each.map(|it| Leaving {
            member: member(&it.member_id),
            instance: it.group_instance_id.as_deref().map(InstanceId::from),
        })
        .collect()
    };
    let results = match call.broker.groups.leave(&request.group_id, &leaving) {
        Ok(results) => results.into_iter().map(|it| it.map_or_else(code_of, |_| 0)),
        Err(error) => {
            let code = ErrorCode::of_group(&error).code();
            return LeaveGroupResponse::default().with_error_code(code);
        }
    };
    if is_one {
        let code = results.last().unwrap_or_default();
        return LeaveGroupResponse::default().with_error_code(code);
    }
    let members = request.members.into_iter().zip(results).map(|(member, code)| {
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(code)
    });
    LeaveGroupResponse::default().with_members(members.collect())
}

fn code_of(refusal: Refusal) -> i16 {
    ErrorCode::of_refusal(&refusal).code()
}

/// Who calls, of a request that names a generation.
pub(super) fn caller(id: &StrBytes, instance: &Option<StrBytes>, generation: i32) -> Caller {
    Caller {
        member: member(id),
        instance: instance.as_deref().map(InstanceId::from),
        generation: Generation::new(generation),
    }
}

/// An empty id is none.
fn member(id: &StrBytes) -> Option<MemberId> {
    Some(&**id).filter(|id| !id.is_empty()).map(MemberId::from)
}

fn milliseconds(given: i32) -> Duration {
    Duration::from_millis(u64::try_from(given).unwrap_or_default())
}

/// Memory of its own: what is kept of a request must not keep the whole request.
fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
