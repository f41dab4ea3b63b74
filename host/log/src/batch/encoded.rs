//! A whole, checked batch, ready to be appended.

use bytes::{Bytes, BytesMut};

use super::compression::pack;
use super::header::{
    Attributes, BatchError, CRC_START, Codec, HEADER_BYTES, Header, LENGTH_OVERHEAD, at, check_crc,
};
use super::records::Batch;
use crate::identity::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

/// One batch whose header and checksum are right. Its records are not decoded.
#[derive(Clone, Debug)]
pub struct EncodedBatch {
    bytes: BytesMut,
    header: Header,
}

impl EncodedBatch {
    /// Checks `bytes` as a client sent them: one batch, whole, uncorrupted, nothing after it.
    ///
    /// Copies only where `bytes` are shared.
    /// # Errors
    /// [`BatchError`] says what is wrong.
    pub fn parse(bytes: Bytes) -> Result<Self, BatchError> {
        let header = Header::parse(&bytes)?;
        check_crc(&header, &bytes)?;
        if bytes.len() > header.bytes {
            return Err(BatchError::Trailing { bytes: bytes.len() - header.bytes });
        }
        if header.record_count == 0 || header.record_count != header.last_offset_delta + 1 {
            return Err(BatchError::Count {
                records: header.record_count,
                last_offset_delta: header.last_offset_delta,
            });
        }
        let is_numbered = header.producer_epoch.get() >= 0 && header.base_sequence.get() >= 0;
        if header.producer_id.is_some() && !is_numbered && !header.attributes.is_control() {
            return Err(BatchError::Producer { producer_id: header.producer_id });
        }
        let bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        Ok(Self { bytes, header })
    }

    /// Takes a batch as it is stored, with gaps or even without records.
    #[cfg(test)]
    pub(crate) fn parse_stored(bytes: Bytes) -> Result<Self, BatchError> {
        let header = Header::parse(&bytes)?;
        check_crc(&header, &bytes)?;
        Ok(Self { bytes: BytesMut::from(&bytes[..]), header })
    }

    /// Takes what the builder made, whose checksum is set here.
    pub(super) fn seal(bytes: BytesMut) -> Self {
        #[allow(clippy::expect_used)] // The builder writes every field itself.
        let header = Header::parse(&bytes).expect("the builder writes a valid header");
        let mut batch = Self { bytes, header };
        batch.update_crc();
        batch
    }

    /// What the header says. Base offset and leader epoch are set by the append.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Header and records.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, borrowed as a batch whose records can be read.
    ///
    /// # Errors
    /// Never for a batch that this type made; the signature is that of the parser.
    pub fn as_batch(&self) -> Result<Batch<'_>, BatchError> {
        Batch::parse_front(&self.bytes)
    }

    /// The same records, compressed with `codec` as Kafka's clients do it.
    ///
    /// # Errors
    /// [`BatchError::Compressed`] where they are compressed already, and [`BatchError::Packed`]
    /// where the codec fails.
    pub fn compressed(self, codec: Codec) -> Result<Self, BatchError> {
        let packed = |error: std::io::Error| BatchError::Packed { codec, what: error.to_string() };
        match self.header.attributes.codec()? {
            Codec::None => {}
            codec => return Err(BatchError::Compressed { codec }),
        }
        let (header, records) = self.bytes.split_at(HEADER_BYTES);
        let mut bytes = BytesMut::from(header);
        bytes.extend_from_slice(&pack(codec, records).map_err(packed)?);
        let length = i32::try_from(bytes.len() - LENGTH_OVERHEAD)
            .map_err(|error| packed(std::io::Error::other(error)))?;
        bytes[at::LENGTH..at::LENGTH + 4].copy_from_slice(&length.to_be_bytes());
        let attributes = self.header.attributes.with_codec(codec);
        bytes[at::ATTRIBUTES..at::ATTRIBUTES + 2].copy_from_slice(&attributes.0.to_be_bytes());
        Ok(Self::seal(bytes))
    }

    /// Sets what the log decides; not covered by the checksum.
    pub(crate) fn place(&mut self, base_offset: Offset, leader_epoch: LeaderEpoch) {
        self.header.base_offset = base_offset;
        self.header.leader_epoch = leader_epoch;
        self.put(at::BASE_OFFSET, &base_offset.get().to_be_bytes());
        self.put(at::LEADER_EPOCH, &leader_epoch.get().to_be_bytes());
    }

    /// Gives all records the time of the append.
    pub(crate) fn stamp_append_time(&mut self, now_ms: i64) {
        self.header.max_timestamp_ms = now_ms;
        self.put(at::MAX_TIMESTAMP, &now_ms.to_be_bytes());
        self.set_attributes(self.header.attributes.0 | Attributes::LOG_APPEND_TIME);
        self.update_crc();
    }

    /// Makes the batch one of a transaction's.
    pub(crate) fn stamp_transaction(
        &mut self,
        producer_id: ProducerId,
        epoch: ProducerEpoch,
        base_sequence: Sequence,
    ) {
        self.stamp_producer(producer_id, epoch, base_sequence);
        self.set_attributes(self.header.attributes.0 | Attributes::TRANSACTIONAL);
        self.update_crc();
    }

    /// Marks the batch as the log's own.
    pub(super) fn stamp_control(&mut self) {
        self.set_attributes(self.header.attributes.0 | Attributes::CONTROL);
        self.update_crc();
    }

    /// Makes the batch one of an idempotent producer's.
    pub fn stamp_producer(
        &mut self,
        producer_id: ProducerId,
        epoch: ProducerEpoch,
        base_sequence: Sequence,
    ) {
        self.header.producer_id = producer_id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self.put(at::PRODUCER_ID, &producer_id.get().to_be_bytes());
        self.put(at::PRODUCER_EPOCH, &epoch.get().to_be_bytes());
        self.put(at::BASE_SEQUENCE, &base_sequence.get().to_be_bytes());
        self.update_crc();
    }

    fn set_attributes(&mut self, attributes: i16) {
        self.header.attributes = Attributes(attributes);
        self.put(at::ATTRIBUTES, &attributes.to_be_bytes());
    }

    fn update_crc(&mut self) {
        let crc = crc32c::crc32c(&self.bytes[CRC_START..]);
        self.header.crc = crc;
        self.put(at::CRC, &crc.to_be_bytes());
    }

    /// `start` is one of the header's fields, and the bytes begin with a whole header.
    fn put(&mut self, start: usize, value: &[u8]) {
        self.bytes[start..start + value.len()].copy_from_slice(value);
    }
}
