//! Reads batches and their records, borrowed from bytes that nobody has to trust.

use super::header::{BatchError, Codec, HEADER_BYTES, Header, check_crc};
use super::record_headers::HeaderIter;
use super::varint;
use crate::identity::Offset;

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its position in the partition.
    pub offset: Offset,
    /// Event time or append time, milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Kafka's encoding, the count first, checked; empty where there are none.
    pub headers: &'a [u8],
}

/// A run of whole batches, one after the other, as [`crate::Log::read`] returns them.
///
/// After an error it ends. The checksums are not compared: [`Batch::verify`] does.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    /// Reads the batches in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let parsed = Batch::parse_front(self.rest);
        self.rest = match &parsed {
            Ok(batch) => self.rest.get(batch.header.bytes..).unwrap_or_default(),
            Err(_) => &[],
        };
        Some(parsed)
    }
}

/// One batch, borrowed: a checked header and the bytes of its records.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    header: Header,
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads the batch at the front of `bytes`; more may follow it.
    ///
    /// # Errors
    /// [`BatchError`], where the header is wrong or the batch is not there whole.
    pub fn parse_front(bytes: &'a [u8]) -> Result<Self, BatchError> {
        let header = Header::parse(bytes)?;
        let bytes = bytes
            .get(..header.bytes)
            .ok_or(BatchError::Truncated { needed: header.bytes, present: bytes.len() })?;
        Ok(Self { header, bytes })
    }

    /// What the header says.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Header and records, as stored.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Compares the checksum.
    ///
    /// # Errors
    /// [`BatchError::Checksum`] where it does not match.
    pub fn verify(&self) -> Result<(), BatchError> {
        check_crc(&self.header, self.bytes)
    }

    /// The records, as stored: compressed or not.
    pub(super) fn body(&self) -> &'a [u8] {
        self.bytes.get(HEADER_BYTES..).unwrap_or_default()
    }

    /// The records of a batch that is not compressed, such as those that this crate builds.
    /// [`super::RecordReader`] reads all.
    ///
    /// # Errors
    /// [`BatchError::Compressed`].
    pub fn records(&self) -> Result<Records<'a>, BatchError> {
        match self.header.attributes.codec()? {
            Codec::None => Ok(Records::new(&self.header, self.body())),
            codec => Err(BatchError::Compressed { codec }),
        }
    }
}

/// The records of a batch, one by one. After an error it ends.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    index: i32,
    count: i32,
    base_offset: Offset,
    last_offset_delta: i32,
    base_timestamp_ms: i64,
    /// Set where all records have the time of their append.
    append_time_ms: Option<i64>,
}

impl<'a> Records<'a> {
    /// `records` are those behind `header`, unpacked.
    pub(super) fn new(header: &Header, records: &'a [u8]) -> Self {
        let append_time = header.attributes.is_log_append_time();
        Self {
            rest: records,
            index: 0,
            count: header.record_count,
            base_offset: header.base_offset,
            last_offset_delta: header.last_offset_delta,
            base_timestamp_ms: header.base_timestamp_ms,
            append_time_ms: append_time.then_some(header.max_timestamp_ms),
        }
    }

    #[inline]
    fn read(&mut self) -> Result<Record<'a>, &'static str> {
        let length = varint::read(&mut self.rest).ok_or("its length is cut off or too long")?;
        let length = usize::try_from(length).map_err(|_| "its length is negative")?;
        let (mut body, rest) =
            self.rest.split_at_checked(length).ok_or("it is longer than its batch")?;
        self.rest = rest;
        body = body.get(1..).ok_or("it has no attributes")?;
        let time = varint::read(&mut body).ok_or("its timestamp is cut off")?;
        let delta = varint::read_i32(&mut body).ok_or("its offset is cut off or too large")?;
        if delta < 0 || delta > self.last_offset_delta {
            return Err("its offset lies outside of its batch");
        }
        let key = varint::read_optional_bytes(&mut body).ok_or("its key exceeds the record")?;
        let value = varint::read_optional_bytes(&mut body).ok_or("its value exceeds the record")?;
        let headers = match body {
            [0] => &[],
            [] => return Err("its header count is missing"),
            some if HeaderIter::is_well_formed(some) => some,
            _ => return Err("its headers contradict its length"),
        };
        let created = self.base_timestamp_ms.wrapping_add(time);
        Ok(Record {
            offset: self.base_offset.plus(i64::from(delta)),
            timestamp_ms: self.append_time_ms.unwrap_or(created),
            key,
            value,
            headers,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.index == self.count {
            let bytes = std::mem::take(&mut self.rest).len();
            return (bytes > 0).then_some(Err(BatchError::Trailing { bytes }));
        }
        match self.read() {
            Ok(record) => {
                self.index += 1;
                Some(Ok(record))
            }
            Err(what) => {
                let index = self.index;
                self.index = self.count;
                self.rest = &[];
                Some(Err(BatchError::Record { index, what }))
            }
        }
    }
}
