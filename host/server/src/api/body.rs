//! Reading the bodies of requests: bounded in size, and in patience.
//!
//! **A length that is claimed is only ever a reason to refuse**, never to set memory aside.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use futures::StreamExt;
use serde::de::DeserializeOwned;

use super::{ApiError, DOCUMENT_BYTES_MAX};

/// A sender that says nothing for so long is given up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The same for a body that is not wanted any more.
const DISCARD_PATIENCE: Duration = Duration::from_millis(500);
const DISCARD_BYTES_MAX: usize = 128 << 20;

/// The next piece, or `None` at the end.
pub async fn next_piece(body: &mut BodyDataStream) -> Result<Option<Bytes>, ApiError> {
    match tokio::time::timeout(IDLE_TIMEOUT, body.next()).await {
        Ok(piece) => {
            piece.transpose().map_err(|error| ApiError::of(StatusCode::BAD_REQUEST, &error))
        }
        Err(_) => {
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "no more of the body came")
                .with_retry(true))
        }
    }
}

/// The whole body, of at most `bytes_max`.
pub async fn read_all(
    body: Body,
    headers: &HeaderMap,
    bytes_max: usize,
) -> Result<Vec<u8>, ApiError> {
    let claimed = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let mut stream = body.into_data_stream();
    if claimed.and_then(|length| length.parse::<u64>().ok()) > Some(bytes_max as u64) {
        discard(&mut stream).await;
        return Err(too_large(bytes_max));
    }
    let mut bytes = Vec::new();
    while let Some(piece) = next_piece(&mut stream).await? {
        if bytes.len() + piece.len() > bytes_max {
            discard(&mut stream).await;
            return Err(too_large(bytes_max));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Reads a JSON document; `what` it is to be is for the message.
pub async fn read_json<T: DeserializeOwned>(
    body: Body,
    headers: &HeaderMap,
    what: &str,
) -> Result<T, ApiError> {
    parse_json(&read_all(body, headers, DOCUMENT_BYTES_MAX).await?, what)
}

/// The same of bytes that were read before.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, ApiError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::bad_request(format!("the body is no {what}: {error}")))
}

/// Reads on for a while without keeping anything. A sender that is refused while it sends often does not see
/// the answer, but a broken connection.
pub async fn discard(body: &mut BodyDataStream) {
    let mut discarded = 0;
    while discarded < DISCARD_BYTES_MAX
        && let Ok(Some(Ok(piece))) = tokio::time::timeout(DISCARD_PATIENCE, body.next()).await
    {
        discarded += piece.len();
    }
}

fn too_large(bytes_max: usize) -> ApiError {
    let error = format!("the body is too large; at most {bytes_max} bytes are allowed here");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_may_have_the_limit_and_not_more() {
        let read = async |bytes: &'static [u8]| {
            read_all(Body::from(bytes), &HeaderMap::new(), 4).await.map_err(drop)
        };
        assert_eq!(read(b"1234").await, Ok(b"1234".to_vec()));
        assert_eq!(read(b"12345").await, Err(()));
    }

    #[tokio::test]
    async fn a_claim_is_refused_before_anything_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, "9000000000000".parse().unwrap());
        let endless =
            Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        assert!(read_all(endless, &headers, 4).await.is_err());
    }
}
