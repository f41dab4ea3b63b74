//! Writes batches: no allocation per record.

use bytes::{BufMut, BytesMut};

use super::encoded::EncodedBatch;
use super::header::{HEADER_BYTES, LENGTH_OVERHEAD, MAGIC, at};
use super::record_headers::HeaderIter;
use super::varint;

/// Why a record cannot be added to a batch. The batch is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A batch cannot be that large.
    #[error("the batch would have {bytes} bytes; at most {} are possible", BatchBuilder::BYTES_MAX)]
    TooLarge {
        /// With the record.
        bytes: usize,
    },
    /// The headers are not in Kafka's encoding.
    #[error("the record's headers are malformed")]
    Headers,
}

impl BuildError {
    /// Whether the same record can be added to an empty batch.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// Collects records into one batch after the other, over one growing buffer.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    buffer: BytesMut,
    records: i32,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
}

impl BatchBuilder {
    /// The largest batch that can be built, in bytes.
    pub const BYTES_MAX: usize = 1 << 30;

    /// An empty batch with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { buffer: BytesMut::with_capacity(bytes.min(Self::BYTES_MAX)), ..Self::default() }
    }

    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether no record has been added.
    pub const fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// How many records have been added.
    pub const fn record_count(&self) -> i32 {
        self.records
    }

    /// The length of the batch so far, in bytes; 0 while it is empty.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Adds a record. `headers` are in Kafka's encoding, the count first; empty: none.
    ///
    /// # Errors
    /// [`BuildError`]; the batch is as it was before.
    pub fn push(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[u8],
        timestamp_ms: i64,
    ) -> Result<(), BuildError> {
        if !headers.is_empty() && !HeaderIter::is_well_formed(headers) {
            return Err(BuildError::Headers);
        }
        if self.records == 0 {
            self.base_timestamp_ms = timestamp_ms;
            self.max_timestamp_ms = timestamp_ms;
        }
        let time = timestamp_ms.wrapping_sub(self.base_timestamp_ms);
        let body = body_bytes(time, self.records.into(), key, value, headers);
        let start = self.buffer.len().max(HEADER_BYTES);
        let bytes = start.saturating_add(body).saturating_add(varint::VARLONG_BYTES_MAX);
        if bytes > Self::BYTES_MAX || self.records == i32::MAX {
            return Err(BuildError::TooLarge { bytes });
        }
        if self.records == 0 {
            self.buffer.resize(HEADER_BYTES, 0);
        }
        put_record(&mut self.buffer, time, self.records.into(), key, value, headers);
        self.records += 1;
        self.max_timestamp_ms = self.max_timestamp_ms.max(timestamp_ms);
        Ok(())
    }

    /// The batch, and an empty builder that goes on in the same buffer. `None` while empty.
    pub fn finish(&mut self) -> Option<EncodedBatch> {
        if self.records == 0 {
            return None;
        }
        let mut bytes = self.buffer.split();
        #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // Below BYTES_MAX.
        let length = (bytes.len() - LENGTH_OVERHEAD) as i32;
        let mut put = |start: usize, value: &[u8]| {
            bytes[start..start + value.len()].copy_from_slice(value);
        };
        put(at::LENGTH, &length.to_be_bytes());
        put(at::MAGIC, &[MAGIC]);
        put(at::LAST_OFFSET_DELTA, &(self.records - 1).to_be_bytes());
        put(at::BASE_TIMESTAMP, &self.base_timestamp_ms.to_be_bytes());
        put(at::MAX_TIMESTAMP, &self.max_timestamp_ms.to_be_bytes());
        // No producer: id, epoch and sequence are -1.
        put(at::PRODUCER_ID, &[0xff; at::RECORD_COUNT - at::PRODUCER_ID]);
        put(at::RECORD_COUNT, &self.records.to_be_bytes());
        self.records = 0;
        Some(EncodedBatch::seal(bytes))
    }
}

/// Appends one record. `delta` is its offset, relative to the batch's first.
pub(super) fn put_record(
    out: &mut BytesMut,
    time: i64,
    delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[u8],
) {
    let body = body_bytes(time, delta, key, value, headers);
    out.reserve(body.saturating_add(varint::VARLONG_BYTES_MAX));
    varint::write(out, i64::try_from(body).unwrap_or(i64::MAX));
    out.put_u8(0);
    varint::write(out, time);
    varint::write(out, delta);
    write_optional(out, key);
    write_optional(out, value);
    out.put_slice(if headers.is_empty() { &[0] } else { headers });
}

fn body_bytes(
    time: i64,
    delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[u8],
) -> usize {
    1 + varint::length(time)
        + varint::length(delta)
        + optional_bytes(key)
        + optional_bytes(value)
        + headers.len().max(1)
}

fn optional_bytes(value: Option<&[u8]>) -> usize {
    value.map_or(1, |bytes| {
        varint::length(i64::try_from(bytes.len()).unwrap_or(i64::MAX)) + bytes.len()
    })
}

fn write_optional(out: &mut BytesMut, value: Option<&[u8]>) {
    match value {
        None => varint::write(out, -1),
        Some(bytes) => {
            varint::write(out, i64::try_from(bytes.len()).unwrap_or(i64::MAX));
            out.put_slice(bytes);
        }
    }
}
