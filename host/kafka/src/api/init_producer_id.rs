//! Ids for idempotent producers. Transactional ones come later, and are refused.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};

use super::{Call, ErrorCode};

pub(super) async fn handle(
    call: &Call<'_>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let refused = |error: ErrorCode| {
        InitProducerIdResponse::default()
            .with_error_code(error.code())
            .with_producer_id((-1).into())
            .with_producer_epoch(-1)
    };
    match request.transactional_id {
        None => {}
        Some(id) if id.is_empty() => return refused(ErrorCode::InvalidRequest),
        // Every client takes this code as final.
        Some(_) => return refused(ErrorCode::UnsupportedVersion),
    }
    match call.log().allocate_producer_id().await {
        Ok(id) => InitProducerIdResponse::default()
            .with_producer_id(id.get().into())
            .with_producer_epoch(0),
        Err(error) => {
            tracing::warn!(%error, "no producer id allocated");
            refused(ErrorCode::KafkaStorageError)
        }
    }
}
