//! The 61 bytes in front of every record batch.
//!
//! **The checksum starts at the attributes**: base offset, length, leader epoch and magic are
//! not covered, and must be checked against what is expected.

use crate::identity::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

/// The header's length; the records follow.
pub const HEADER_BYTES: usize = 61;

/// The bytes before those that the field `batch_length` counts.
pub(crate) const LENGTH_OVERHEAD: usize = 12;

/// Where the bytes begin that the checksum covers.
pub(crate) const CRC_START: usize = 21;

/// The only layout there is: Kafka's `magic` 2.
pub(crate) const MAGIC: u8 = 2;

pub(crate) mod at {
    //! The position of each field.
    pub(crate) const BASE_OFFSET: usize = 0;
    pub(crate) const LENGTH: usize = 8;
    pub(crate) const LEADER_EPOCH: usize = 12;
    pub(crate) const MAGIC: usize = 16;
    pub(crate) const CRC: usize = 17;
    pub(crate) const ATTRIBUTES: usize = 21;
    pub(crate) const LAST_OFFSET_DELTA: usize = 23;
    pub(crate) const BASE_TIMESTAMP: usize = 27;
    pub(crate) const MAX_TIMESTAMP: usize = 35;
    pub(crate) const PRODUCER_ID: usize = 43;
    pub(crate) const PRODUCER_EPOCH: usize = 51;
    pub(crate) const BASE_SEQUENCE: usize = 53;
    pub(crate) const RECORD_COUNT: usize = 57;
}

/// Why bytes are no record batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the batch does.
    #[error("the batch is cut off: {needed} bytes are needed, {present} are there")]
    Truncated {
        /// The bytes that the batch should have.
        needed: usize,
        /// The bytes that are there.
        present: usize,
    },
    /// The length field cannot be right.
    #[error("the batch claims a length of {claimed} bytes")]
    Length {
        /// What the field says.
        claimed: i32,
    },
    /// An older or unknown layout.
    #[error("the batch has format {magic}; only Kafka's v2 (magic 2) is understood")]
    Magic {
        /// What the field says.
        magic: u8,
    },
    /// The checksum does not match the bytes.
    #[error("the batch's checksum is {computed:#010x} but should be {stored:#010x}")]
    Checksum {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// Count and last offset contradict each other, or one of them is negative.
    #[error("the batch claims {records} records with a last offset delta of {last_offset_delta}")]
    Count {
        /// The field `record_count`.
        records: i32,
        /// The field `last_offset_delta`.
        last_offset_delta: i32,
    },
    /// A producer id without an epoch or a sequence number.
    #[error("the batch names producer {producer_id}, but not its epoch or its sequence")]
    Producer {
        /// The producer.
        producer_id: ProducerId,
    },
    /// The records have to be unpacked first.
    #[error("the batch is compressed with {codec}")]
    Compressed {
        /// The codec.
        codec: Codec,
    },
    /// The compressed records are damaged.
    #[error("the records of the batch cannot be unpacked with {codec}: {what}")]
    Packed {
        /// The codec.
        codec: Codec,
        /// What it says.
        what: String,
    },
    /// The compressed records are many more than they seem.
    #[error("{packed} bytes of {codec} unpack to more than the {bytes_max} that are allowed")]
    Unpacked {
        /// The codec.
        codec: Codec,
        /// The compressed bytes.
        packed: usize,
        /// What they may unpack to.
        bytes_max: usize,
    },
    /// The codec bits have no meaning.
    #[error("the batch is compressed with the unknown codec {number}")]
    UnknownCodec {
        /// What the bits say.
        number: u8,
    },
    /// A record contradicts its own lengths or its batch.
    #[error("record {index} of the batch is malformed: {what}")]
    Record {
        /// The record's index in the batch.
        index: i32,
        /// What is wrong.
        what: &'static str,
    },
    /// Bytes are left after the last record, or after the batch.
    #[error("{bytes} bytes follow the last record of the batch")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

impl BatchError {
    /// Whether sending the same bytes again can help: never.
    pub const fn is_retryable(&self) -> bool {
        false
    }

    /// What the person can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Magic { .. } => "use a client that is newer than Kafka 0.11",
            Self::UnknownCodec { .. } => "compress with gzip, snappy, lz4 or zstd, or not at all",
            Self::Unpacked { .. } => "send smaller batches (batch.size in a Java producer)",
            _ => "the bytes were damaged or were never a record batch; check the producer",
        }
    }
}

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Codec {
    const fn bits(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC: i16 = 0b111;
    pub(crate) const LOG_APPEND_TIME: i16 = 1 << 3;
    pub(crate) const TRANSACTIONAL: i16 = 1 << 4;
    pub(crate) const CONTROL: i16 = 1 << 5;
    pub(crate) const DELETE_HORIZON: i16 = 1 << 6;

    /// How the records are compressed.
    ///
    /// # Errors
    /// [`BatchError::UnknownCodec`] for bits without a meaning.
    pub fn codec(self) -> Result<Codec, BatchError> {
        match self.0 & Self::CODEC {
            0 => Ok(Codec::None),
            1 => Ok(Codec::Gzip),
            2 => Ok(Codec::Snappy),
            3 => Ok(Codec::Lz4),
            4 => Ok(Codec::Zstd),
            number => Err(BatchError::UnknownCodec { number: number.to_le_bytes()[0] }),
        }
    }

    pub(super) const fn with_codec(self, codec: Codec) -> Self {
        Self(self.0 & !Self::CODEC | codec.bits())
    }

    /// Whether all records have the time of the append, the header's `max_timestamp`.
    pub const fn is_log_append_time(self) -> bool {
        self.0 & Self::LOG_APPEND_TIME != 0
    }

    /// Whether the batch belongs to a transaction.
    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the batch is the log's own: a transaction's end.
    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }
}

/// What the header of a batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The offset of the first record.
    pub base_offset: Offset,
    /// Header and records.
    pub bytes: usize,
    /// The partition's leader epoch when the batch was appended.
    pub leader_epoch: LeaderEpoch,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Compression, transaction, control.
    pub attributes: Attributes,
    /// The last record's offset, relative to the first.
    pub last_offset_delta: i32,
    /// What the records' timestamps are relative to.
    pub base_timestamp_ms: i64,
    /// The largest timestamp of a record.
    pub max_timestamp_ms: i64,
    /// The idempotent producer, or none.
    pub producer_id: ProducerId,
    /// The producer's generation.
    pub producer_epoch: ProducerEpoch,
    /// The sequence number of the first record.
    pub base_sequence: Sequence,
    /// How many records there are.
    pub record_count: i32,
}

impl Header {
    /// Reads and checks a header at the front of `bytes`. The records need not be there yet.
    ///
    /// # Errors
    /// [`BatchError`] says which field is wrong. The checksum is not looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let Some(fixed) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated { needed: HEADER_BYTES, present: bytes.len() });
        };
        let magic = fixed[at::MAGIC];
        if magic != MAGIC {
            return Err(BatchError::Magic { magic });
        }
        let claimed = i32::from_be_bytes(field(fixed, at::LENGTH));
        let length = usize::try_from(claimed).map_err(|_| BatchError::Length { claimed })?;
        if length < HEADER_BYTES - LENGTH_OVERHEAD {
            return Err(BatchError::Length { claimed });
        }
        let header = Self::from_fixed(fixed, length + LENGTH_OVERHEAD);
        header.check_counts()?;
        header.attributes.codec()?;
        Ok(header)
    }

    fn from_fixed(fixed: &[u8; HEADER_BYTES], bytes: usize) -> Self {
        Self {
            base_offset: Offset::new(i64::from_be_bytes(field(fixed, at::BASE_OFFSET))),
            bytes,
            leader_epoch: LeaderEpoch::new(i32::from_be_bytes(field(fixed, at::LEADER_EPOCH))),
            crc: u32::from_be_bytes(field(fixed, at::CRC)),
            attributes: Attributes(i16::from_be_bytes(field(fixed, at::ATTRIBUTES))),
            last_offset_delta: i32::from_be_bytes(field(fixed, at::LAST_OFFSET_DELTA)),
            base_timestamp_ms: i64::from_be_bytes(field(fixed, at::BASE_TIMESTAMP)),
            max_timestamp_ms: i64::from_be_bytes(field(fixed, at::MAX_TIMESTAMP)),
            producer_id: ProducerId::new(i64::from_be_bytes(field(fixed, at::PRODUCER_ID))),
            producer_epoch: ProducerEpoch::new(i16::from_be_bytes(field(
                fixed,
                at::PRODUCER_EPOCH,
            ))),
            base_sequence: Sequence::new(i32::from_be_bytes(field(fixed, at::BASE_SEQUENCE))),
            record_count: i32::from_be_bytes(field(fixed, at::RECORD_COUNT)),
        }
    }

    fn check_counts(&self) -> Result<(), BatchError> {
        let count = BatchError::Count {
            records: self.record_count,
            last_offset_delta: self.last_offset_delta,
        };
        // Compaction may remove records but keeps the last delta; more records than
        // offsets there can never be.
        let plausible = self.record_count >= 0
            && self.last_offset_delta >= 0
            && i64::from(self.record_count) <= i64::from(self.last_offset_delta) + 1;
        if plausible { Ok(()) } else { Err(count) }
    }

    /// When the tombstones of a compacted batch, or its marker, may go; as in Kafka it takes
    /// the place of the base timestamp.
    pub const fn delete_horizon_ms(&self) -> Option<i64> {
        if self.attributes.0 & Attributes::DELETE_HORIZON == 0 {
            return None;
        }
        Some(self.base_timestamp_ms)
    }

    /// The offset of the last record.
    pub const fn last_offset(&self) -> Offset {
        self.base_offset.plus(self.last_offset_delta as i64)
    }

    /// The offset after the last record.
    pub const fn next_offset(&self) -> Offset {
        self.base_offset.plus(self.last_offset_delta as i64 + 1)
    }

    /// The sequence number of the last record.
    pub const fn last_sequence(&self) -> Sequence {
        self.base_sequence.plus(self.last_offset_delta)
    }
}

fn field<const N: usize>(fixed: &[u8; HEADER_BYTES], start: usize) -> [u8; N] {
    // Both are constants of this module; a field beyond the header is a mistake in it.
    let mut value = [0; N];
    value.copy_from_slice(&fixed[start..start + N]);
    value
}

/// Compares the checksum of `batch`, which must be header and records, whole.
pub(crate) fn check_crc(header: &Header, batch: &[u8]) -> Result<(), BatchError> {
    let covered = batch
        .get(CRC_START..header.bytes)
        .ok_or(BatchError::Truncated { needed: header.bytes, present: batch.len() })?;
    let computed = crc32c::crc32c(covered);
    if computed == header.crc {
        return Ok(());
    }
    Err(BatchError::Checksum { stored: header.crc, computed })
}
