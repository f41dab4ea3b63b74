//! Versions 0 to 2, which carry record formats that no log takes any more.
//!
//! They are advertised for a librdkafka that would otherwise drop compression, so whoever does
//! send them gets an error that is to the point.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::protocol::Decodable;

use crate::api::{Answer, Call, ErrorCode};
use crate::request::{Refused, RequestError};
use crate::response::{self, Response};

/// Refuses every batch of a checked request.
pub(in crate::api) fn answer(call: &Call<'_>, body: &Bytes) -> Result<Answer, Refused> {
    let request = decode(body)?;
    if request.acks == 0 {
        return Ok(Answer::Never);
    }
    let body = refuse_all(call.reply.version, &request);
    let head =
        response::begin(call.reply.key, call.reply.version, call.reply.correlation_id, body.len());
    Ok(Answer::Now(Response { pieces: vec![head.freeze(), body], room: None }))
}

/// Version 3 is version 2 behind a transactional id: here null.
fn decode(body: &Bytes) -> Result<ProduceRequest, RequestError> {
    let mut as_version_3 = BytesMut::with_capacity(2 + body.len());
    as_version_3.put_i16(-1);
    as_version_3.extend_from_slice(body);
    let decoded = ProduceRequest::decode(&mut as_version_3.freeze(), 3);
    decoded.map_err(|error| RequestError::Field(error.to_string()))
}

fn refuse_all(version: i16, request: &ProduceRequest) -> Bytes {
    let mut body = BytesMut::new();
    put_count(&mut body, request.topic_data.len());
    for topic in &request.topic_data {
        body.put_u16(u16::try_from(topic.name.len()).unwrap_or(0));
        body.extend_from_slice(topic.name.as_bytes());
        put_count(&mut body, topic.partition_data.len());
        for partition in &topic.partition_data {
            body.put_i32(partition.index);
            body.put_i16(ErrorCode::UnsupportedForMessageFormat.code());
            body.put_i64(-1);
            if version >= 2 {
                body.put_i64(-1);
            }
        }
    }
    if version >= 1 {
        body.put_i32(0);
    }
    body.freeze()
}

fn put_count(body: &mut BytesMut, count: usize) {
    // A decoded array was counted by 31 bits.
    body.put_i32(i32::try_from(count).unwrap_or(0));
}
