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
mod fetch;
mod init_producer_id;
mod list_offsets;
mod offset_for_leader_epoch;
mod produce;

use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures::future::BoxFuture;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use parking_lot::Mutex;
use tidemill_log::{LeaderEpoch, Log, PartitionId, TopicName, TopicPartition};

pub(crate) use error_code::ErrorCode;
pub(crate) use fetch::{Pace, Sessions};

#[cfg(test)]
pub(crate) use produce::VERSION_MIN as PRODUCE_VERSION_MIN;

use crate::broker::Broker;
use crate::connection::Peer;
use crate::request::{Frame, Header, Refused, RequestError, check};
use crate::response::{EncodeError, Response};
use crate::versions::Api;

/// A request with fewer array items and tagged fields is covered by its own size.
const ITEMS_FREE: usize = 4096;
/// What an item becomes when it is decoded.
const ITEM_BYTES: usize = 128;

/// One request on its way through a handler.
pub(crate) struct Call<'a> {
    pub broker: &'a Arc<Broker>,
    pub peer: &'a Peer,
    pub pace: &'a Mutex<Pace>,
    pub version: i16,
    pub client_id: Option<StrBytes>,
    pub reply: Reply,
}

/// What a response needs of its request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub key: ApiKey,
    pub version: i16,
    pub correlation_id: i32,
}

impl Reply {
    pub(crate) fn encode<R: Encodable>(self, response: &R) -> Result<Response, EncodeError> {
        Response::encode(self.key, self.version, self.correlation_id, response)
    }
}

impl Call<'_> {
    pub(crate) fn log(&self) -> &Log {
        &self.broker.log
    }

    fn decode<Q: Decodable>(&self, mut body: Bytes) -> Result<Q, RequestError> {
        let decoded = Q::decode(&mut body, self.version);
        decoded.map_err(|error| RequestError::Field(error.to_string()))
    }
}

/// The partition that a client names, if there can be such a one.
pub(crate) fn place(topic: &str, partition: i32) -> Option<TopicPartition> {
    let partition = PartitionId::new(u32::try_from(partition).ok()?);
    Some(TopicPartition::new(TopicName::new(topic).ok()?, partition))
}

/// Compares the leader epoch that a client believes in with the partition's.
pub(crate) fn check_epoch(log: &Log, at: &TopicPartition, believed: i32) -> Result<(), ErrorCode> {
    let current = log.leader_epoch(at).map_err(|error| ErrorCode::of_read(&error))?;
    match LeaderEpoch::new(believed) {
        // Older clients know of none.
        _ if believed < 0 => Ok(()),
        older if older < current => Err(ErrorCode::FencedLeaderEpoch),
        newer if newer > current => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// Runs what may wait for a disk off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // Only a runtime that shuts down cancels work that has not begun.
        Err(_) => std::future::pending().await,
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

impl Answer {
    pub(crate) fn into_future(self) -> BoxFuture<'static, Option<Response>> {
        match self {
            Self::Now(response) => Box::pin(std::future::ready(Some(response))),
            Self::Later(waiting) => waiting,
            Self::Never => Box::pin(std::future::ready(None)),
        }
    }
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
    pace: &Mutex<Pace>,
    frame: Frame,
) -> Result<Answer, Refused> {
    let Frame { mut bytes, room: _room } = frame;
    let (key, version) = Header::peek(&bytes)?;
    let api = Api::of(key).ok_or(Refused::Unsupported { key, version })?;
    broker.metrics.requested(api, bytes.len());
    if !api.versions.contains(&version) {
        return api_versions::of_unknown_version(api, version, &bytes).map(Answer::Now);
    }
    let (header, header_bytes) = Header::parse(&bytes, api.is_flexible(version))?;
    bytes.advance(header_bytes);
    let Header { correlation_id, client_id, .. } = header;
    let reply = Reply { key: api.key, version, correlation_id };
    let call = Call { broker, peer, pace, version, client_id, reply };
    let items = check(&api.schema, version, &bytes)?;
    // Decoded, small items become larger structs.
    let _decoded_room = match items {
        ..ITEMS_FREE => None,
        _ => Some(broker.budget.take(items * ITEM_BYTES).await?),
    };
    dispatch(&call, bytes).await
}

async fn dispatch(call: &Call<'_>, body: Bytes) -> Result<Answer, Refused> {
    /// Decodes, calls the handler, encodes.
    macro_rules! answer {
        ($handler:path) => {{
            let request = call.decode(body)?;
            Ok(Answer::Now(call.reply.encode(&$handler(call, request).await)?))
        }};
    }
    match call.reply.key {
        ApiKey::Produce if call.version < produce::VERSION_MIN => {
            produce::answer_old_version(call, &body)
        }
        ApiKey::Produce => produce::begin(call, call.decode(body)?),
        ApiKey::Fetch => fetch::handle(call, call.decode(body)?).await,
        ApiKey::ListOffsets => answer!(list_offsets::handle),
        ApiKey::OffsetForLeaderEpoch => answer!(offset_for_leader_epoch::handle),
        ApiKey::InitProducerId => answer!(init_producer_id::handle),
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
