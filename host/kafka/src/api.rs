//! One file for each API or family of APIs, and the way there.
//!
//! A handler is `async fn(&Call<'_>, Request) -> Response`. **It is dropped at any await when
//! its client goes away**: work that must come to its end belongs into a task of its own.
//!
//! To add an API: a row in [`versions`](crate::versions), a file here, an arm in [`begin`].

mod api_versions;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod error_code;
mod find_coordinator;
mod groups;
mod membership;
mod metadata;
mod offsets;
mod refusal;

use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures::future::BoxFuture;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use tidemill_log::Log;

pub(crate) use error_code::ErrorCode;

use crate::broker::Broker;
use crate::connection::Peer;
use crate::request::{Frame, Header, Refused, RequestError, check};
use crate::response::Response;
use crate::versions::Api;

/// One request on its way through a handler.
pub(crate) struct Call<'a> {
    pub broker: &'a Arc<Broker>,
    pub peer: &'a Peer,
    pub key: ApiKey,
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: Option<StrBytes>,
}

impl Call<'_> {
    pub(crate) fn log(&self) -> &Log {
        &self.broker.log
    }

    fn decode<Q: Decodable>(&self, mut body: Bytes) -> Result<Q, RequestError> {
        let decoded = Q::decode(&mut body, self.version);
        decoded.map_err(|error| RequestError::Field(error.to_string()))
    }

    fn encode<R: Encodable>(&self, response: &R) -> Result<Response, Refused> {
        Ok(Response::encode(self.key, self.version, self.correlation_id, response)?)
    }
}

/// What becomes of a request.
pub(crate) enum Answer {
    Now(Response),
    /// What the request asked for is decided, but the disk has not yet confirmed it.
    Later(BoxFuture<'static, Option<Response>>),
    /// The client wants none.
    Never,
}

/// Whether a request is to be served although its client has gone.
pub(crate) fn outlives_its_client(frame: &Frame) -> bool {
    matches!(Header::peek(&frame.bytes), Ok((key, _)) if key == ApiKey::Produce as i16)
}

/// Begins to serve a request, up to where the next one of its connection may begin.
///
/// # Errors
/// [`Refused`]: nothing was done, and the connection cannot go on.
pub(crate) async fn begin(
    broker: &Arc<Broker>,
    peer: &Peer,
    frame: Frame,
) -> Result<Answer, Refused> {
    let Frame { mut bytes, room: _room } = frame;
    let (key, version) = Header::peek(&bytes)?;
    let api = Api::of(key).ok_or(Refused::Unsupported { key, version })?;
    broker.metrics.requested(api, bytes.len());
    if !api.advertised.contains(&version) {
        return api_versions::of_unknown_version(api, version, &bytes).map(Answer::Now);
    }
    let (header, header_bytes) = Header::parse(&bytes, api.is_flexible(version))?;
    bytes.advance(header_bytes);
    let Header { correlation_id, client_id, .. } = header;
    let call = Call { broker, peer, key: api.key, version, correlation_id, client_id };
    check(&api.schema, version, &bytes)?;
    dispatch(&call, bytes).await
}

async fn dispatch(call: &Call<'_>, body: Bytes) -> Result<Answer, Refused> {
    /// Decodes, calls the handler, encodes.
    macro_rules! answer {
        ($handler:path) => {{
            let request = call.decode(body)?;
            Ok(Answer::Now(call.encode(&$handler(call, request).await)?))
        }};
    }
    match call.key {
        ApiKey::ApiVersions => answer!(api_versions::handle),
        ApiKey::Metadata => answer!(metadata::handle),
        ApiKey::OffsetCommit => answer!(offsets::commit),
        ApiKey::OffsetFetch => answer!(offsets::fetch),
        ApiKey::OffsetDelete => answer!(offsets::delete),
        ApiKey::FindCoordinator => answer!(find_coordinator::handle),
        ApiKey::JoinGroup => answer!(membership::join),
        ApiKey::SyncGroup => answer!(membership::sync),
        ApiKey::Heartbeat => answer!(membership::heartbeat),
        ApiKey::LeaveGroup => answer!(membership::leave),
        ApiKey::DescribeGroups => answer!(groups::describe),
        ApiKey::ListGroups => answer!(groups::list),
        ApiKey::DeleteGroups => answer!(groups::delete),
        ApiKey::DescribeCluster => answer!(describe_cluster::handle),
        ApiKey::CreateTopics => answer!(create_topics::handle),
        ApiKey::DeleteTopics => answer!(delete_topics::handle),
        ApiKey::CreatePartitions => answer!(create_partitions::handle),
        ApiKey::DeleteRecords => answer!(delete_records::handle),
        ApiKey::DescribeConfigs => answer!(configs::describe::handle),
        ApiKey::AlterConfigs => answer!(configs::alter::handle),
        ApiKey::IncrementalAlterConfigs => answer!(configs::alter_incrementally::handle),
        key => Err(Refused::Unsupported { key: key as i16, version: call.version }),
    }
}
