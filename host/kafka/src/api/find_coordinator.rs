//! Where the coordinator of a group is: on the only node.

use kafka_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::{Call, ErrorCode};
use crate::broker::NODE_ID;

/// Of groups.
const GROUP: i8 = 0;
/// Of transactional ids.
const TRANSACTION: i8 = 1;

pub(super) async fn handle(
    call: &Call<'_>,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let refused = |error: ErrorCode, message: &'static str| {
        FindCoordinatorResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_static_str(message)))
            .with_node_id((-1).into())
            .with_port(-1)
    };
    match request.key_type {
        GROUP if request.key.is_empty() => {
            refused(ErrorCode::InvalidGroupId, "a group's name is empty")
        }
        GROUP => {
            let advertised = &call.peer.advertised;
            FindCoordinatorResponse::default()
                .with_node_id(NODE_ID.into())
                .with_host(StrBytes::from_string(advertised.host.clone()))
                .with_port(advertised.port.into())
        }
        // Fatal in every client; others they would repeat for ever.
        TRANSACTION => refused(
            ErrorCode::TransactionalIdAuthorizationFailed,
            "transactions of clients are not offered",
        ),
        _ => refused(ErrorCode::InvalidRequest, "neither a group nor a transactional id"),
    }
}
