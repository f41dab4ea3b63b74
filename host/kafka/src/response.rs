//! Responses on their way out.
//!
//! A response is a list of pieces, so that **records go from the disk's buffer to the socket
//! without another copy**.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::Encodable;

use crate::budget::Room;

/// One response, its length and header included.
#[derive(Debug, Default)]
pub(crate) struct Response {
    pub pieces: Vec<Bytes>,
    /// What large responses hold until they are sent.
    pub room: Option<Room>,
}

/// A response cannot be written in the version of its request: our own mistake.
#[derive(Debug, thiserror::Error)]
#[error("encode the response to {key:?} version {version}: {cause}")]
pub(crate) struct EncodeError {
    pub key: ApiKey,
    pub version: i16,
    pub cause: String,
}

/// Length and header, to be followed by a body of `body_bytes`.
pub(crate) fn begin(key: ApiKey, version: i16, correlation_id: i32, body_bytes: usize) -> BytesMut {
    // From version 1 on a header ends with tagged fields; we have none.
    let is_flexible = key.response_header_version(version) >= 1;
    let header_bytes = 4 + usize::from(is_flexible);
    let mut bytes = BytesMut::with_capacity(4 + header_bytes);
    bytes.put_u32(u32::try_from(header_bytes + body_bytes).unwrap_or(u32::MAX));
    bytes.put_i32(correlation_id);
    if is_flexible {
        bytes.put_u8(0);
    }
    bytes
}

impl Response {
    /// Encodes `body`.
    pub(crate) fn encode<B: Encodable>(
        key: ApiKey,
        version: i16,
        correlation_id: i32,
        body: &B,
    ) -> Result<Self, EncodeError> {
        let failed = |cause: String| EncodeError { key, version, cause };
        let size = body.compute_size(version).map_err(|error| failed(error.to_string()))?;
        let mut bytes = begin(key, version, correlation_id, size);
        bytes.reserve(size);
        body.encode(&mut bytes, version).map_err(|error| failed(error.to_string()))?;
        Ok(Self { pieces: vec![bytes.freeze()], room: None })
    }
}

/// What is being sent: the pieces of one response or more.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    rooms: Vec<Room>,
}

impl Outgoing {
    pub(crate) fn push(&mut self, response: Response) {
        for piece in response.pieces.into_iter().filter(|piece| !piece.is_empty()) {
            self.bytes += piece.len();
            self.pieces.push_back(piece);
        }
        self.rooms.extend(response.room);
    }

    /// Everything has been sent: its room is free, and so is the memory of the lists.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.bytes
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pieces = self.pieces.iter().zip(slices.iter_mut());
        pieces.map(|(piece, slice)| *slice = IoSlice::new(piece)).count()
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.bytes, "advanced beyond the end");
        self.bytes -= count;
        while let Some(front) = self.pieces.front_mut().filter(|_| count > 0) {
            let step = count.min(front.len());
            front.advance(step);
            count -= step;
            if front.is_empty() {
                self.pieces.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_sent_in_order_wherever_a_write_stops() {
        let pieces =
            ["ab", "", "cde", "f"].map(|text| Bytes::from_static(text.as_bytes())).to_vec();
        let mut outgoing = Outgoing::default();
        outgoing.push(Response { pieces, room: None });
        let mut sent = Vec::new();
        while outgoing.has_remaining() {
            let step = outgoing.chunk().len().min(2);
            sent.extend_from_slice(&outgoing.chunk()[..step]);
            outgoing.advance(step);
        }
        assert_eq!(sent, b"abcdef");
    }
}
