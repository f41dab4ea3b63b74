//! Lays out a fetch response around the records, which are not copied.

use bytes::{BufMut, Bytes, BytesMut};
use tidemill_log::{AbortedTransaction, Isolation};

use super::Terms;
use super::plan::{Key, Told};
use super::read::{Found, Polled};
use super::sessions::Session;
use crate::api::{ErrorCode, Reply};
use crate::budget::Room;
use crate::response::{self, Response};

/// The first version with compact lengths and tagged fields.
const FLEXIBLE_SINCE: i16 = 12;

/// The answer to a request whose session is not there.
pub(super) fn with_error(reply: Reply, error: ErrorCode) -> Response {
    let mut body = Body::new(reply.version);
    body.start(error, 0);
    body.count(0);
    body.tags();
    body.finish(reply, None)
}

/// The answer with what was found; notes in the session what was told.
pub(super) fn with_records(
    reply: Reply,
    session: &mut Session,
    found: Polled,
    terms: &Terms,
    is_full: bool,
    room: Option<Room>,
) -> Response {
    let mut body = Body::new(reply.version);
    body.start(ErrorCode::None, session.id());
    let told = tell(session, found, is_full);
    let topics: Vec<_> = told.chunk_by(|(one, _), (other, _)| one.topic == other.topic).collect();
    body.count(topics.len());
    for partitions in topics {
        if let Some((key, _)) = partitions.first() {
            body.text(&key.topic);
        }
        body.count(partitions.len());
        for (key, found) in partitions {
            body.partition(key.partition, found, terms.isolation);
        }
        body.tags();
    }
    body.tags();
    body.finish(reply, room)
}

/// What is to be told, in turn: everything, or what is new since the last response.
fn tell(session: &mut Session, found: Polled, is_full: bool) -> Vec<(Key, Found)> {
    let plan = session.plan_mut();
    let count = found.len();
    let mut told = Vec::new();
    let mut last_with_records = None;
    for (place, found) in found.into_iter().enumerate() {
        let Some((key, wanted)) = plan.partitions.get_index_mut(place) else { continue };
        let now = Told::of(&found);
        let is_news = !found.records.is_empty() || found.error != ErrorCode::None;
        if is_full || is_news || wanted.told != Some(now) {
            wanted.told = Some(now);
            if !found.records.is_empty() {
                last_with_records = Some(place);
            }
            told.push((key.clone(), found));
        }
    }
    if let Some(place) = last_with_records {
        plan.first = (place + 1) % count.max(1);
    }
    told
}

impl Told {
    fn of(found: &Found) -> Self {
        Self {
            error: found.error.code(),
            high_watermark: found.offsets.high_watermark.get(),
            last_stable: found.offsets.last_stable.get(),
            log_start: found.offsets.log_start.get(),
        }
    }
}

/// A response's body in the making: what was written, cut where records go in between.
struct Body {
    version: i16,
    pieces: Vec<Bytes>,
    written: BytesMut,
}

impl Body {
    fn new(version: i16) -> Self {
        Self { version, pieces: Vec::new(), written: BytesMut::with_capacity(256) }
    }

    fn is_flexible(&self) -> bool {
        self.version >= FLEXIBLE_SINCE
    }

    fn start(&mut self, error: ErrorCode, session_id: i32) {
        // No client is told to wait: who is held back has waited already.
        self.written.put_i32(0);
        if self.version >= 7 {
            self.written.put_i16(error.code());
            self.written.put_i32(session_id);
        }
    }

    fn partition(&mut self, index: i32, found: &Found, isolation: Isolation) {
        let told = Told::of(found);
        self.written.put_i32(index);
        self.written.put_i16(told.error);
        self.written.put_i64(told.high_watermark);
        self.written.put_i64(told.last_stable);
        if self.version >= 5 {
            self.written.put_i64(told.log_start);
        }
        match isolation {
            Isolation::Committed => self.aborted(&found.aborted),
            // As Kafka does, which does not even look at the isolation then.
            _ if found.error == ErrorCode::UnknownTopicOrPartition => self.aborted(&[]),
            Isolation::Uncommitted => self.null(),
        }
        if self.version >= 11 {
            // Read from here, not from another replica.
            self.written.put_i32(-1);
        }
        self.count(found.records.len());
        self.records(&found.records);
        self.tags();
    }

    fn aborted(&mut self, aborted: &[AbortedTransaction]) {
        self.count(aborted.len());
        for transaction in aborted {
            self.written.put_i64(transaction.producer_id.get());
            self.written.put_i64(transaction.first_offset.get());
            self.tags();
        }
    }

    fn records(&mut self, records: &Bytes) {
        if !records.is_empty() {
            self.pieces.push(self.written.split().freeze());
            self.pieces.push(records.clone());
        }
    }

    /// The length of an array or of bytes.
    fn count(&mut self, count: usize) {
        // What is read or remembered at once is far below 31 bits.
        let count = u32::try_from(count).unwrap_or(0);
        if self.is_flexible() { self.varint(count + 1) } else { self.written.put_u32(count) }
    }

    fn null(&mut self) {
        if self.is_flexible() { self.written.put_u8(0) } else { self.written.put_i32(-1) }
    }

    fn text(&mut self, text: &str) {
        let length = u16::try_from(text.len()).unwrap_or(0);
        if self.is_flexible() {
            self.varint(u32::from(length) + 1);
        } else {
            self.written.put_u16(length);
        }
        self.written.extend_from_slice(&text.as_bytes()[..length.into()]);
    }

    fn tags(&mut self) {
        if self.is_flexible() {
            self.written.put_u8(0);
        }
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.written.put_u8(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.written.put_u8(value.to_le_bytes()[0]);
    }

    fn finish(mut self, reply: Reply, room: Option<Room>) -> Response {
        self.pieces.push(self.written.freeze());
        let bytes = self.pieces.iter().map(Bytes::len).sum();
        let head = response::begin(reply.key, reply.version, reply.correlation_id, bytes);
        self.pieces.insert(0, head.freeze());
        Response { pieces: self.pieces, room }
    }
}
