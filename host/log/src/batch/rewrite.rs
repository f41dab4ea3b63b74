//! Writes a batch again with some of its records: what compaction leaves of it.
//!
//! **Every record keeps its offset, and the batch its first and last one**, its producer and
//! its place in the producer's sequence. Records that were compressed are compressed again
//! with the same codec: a compacted log must not be larger than before.

use bytes::{BufMut, Bytes, BytesMut};

use super::builder::put_record;
use super::compression::pack;
use super::header::{Attributes, BatchError, CRC_START, Codec, HEADER_BYTES, LENGTH_OVERHEAD, at};
use super::records::{Batch, Record};

/// The batch with only `kept`, which are records of it.
///
/// With a `horizon_ms`, the batch says that its tombstones, or its marker, may go from then
/// on. As in Kafka, that time takes the place of the base timestamp.
pub(crate) fn rewrite(
    batch: &Batch<'_>,
    kept: &[Record<'_>],
    horizon_ms: Option<i64>,
) -> Result<Bytes, BatchError> {
    let header = batch.header();
    let base_ms = horizon_ms.unwrap_or(header.base_timestamp_ms);
    let mut records = BytesMut::new();
    for record in kept {
        let time = record.timestamp_ms.wrapping_sub(base_ms);
        let delta = record.offset.get() - header.base_offset.get();
        put_record(&mut records, time, delta, record.key, record.value, record.headers);
    }
    let codec = if kept.is_empty() { Codec::None } else { header.attributes.codec()? };
    let damaged = |what: String| BatchError::Packed { codec, what };
    let body = match codec {
        Codec::None => records.freeze(),
        codec => pack(codec, &records).map_err(|error| damaged(error.to_string()))?,
    };
    let bytes = HEADER_BYTES + body.len();
    let length = i32::try_from(bytes - LENGTH_OVERHEAD).map_err(|it| damaged(it.to_string()))?;
    let count = i32::try_from(kept.len()).map_err(|it| damaged(it.to_string()))?;

    let mut attributes = header.attributes.with_codec(codec);
    if horizon_ms.is_some() {
        attributes = Attributes(attributes.0 | Attributes::DELETE_HORIZON);
    }
    let newest_ms = kept.iter().map(|record| record.timestamp_ms).max();
    let max_ms = newest_ms.unwrap_or(header.max_timestamp_ms);

    let mut out = BytesMut::with_capacity(bytes);
    out.extend_from_slice(batch.bytes().get(..HEADER_BYTES).unwrap_or_default());
    let mut put = |start: usize, value: &[u8]| {
        out[start..start + value.len()].copy_from_slice(value);
    };
    put(at::LENGTH, &length.to_be_bytes());
    put(at::ATTRIBUTES, &attributes.0.to_be_bytes());
    put(at::BASE_TIMESTAMP, &base_ms.to_be_bytes());
    put(at::MAX_TIMESTAMP, &max_ms.to_be_bytes());
    put(at::RECORD_COUNT, &count.to_be_bytes());
    out.put_slice(&body);
    let crc = crc32c::crc32c(&out[CRC_START..]);
    out[at::CRC..at::CRC + 4].copy_from_slice(&crc.to_be_bytes());
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, EncodedBatch, RecordReader};
    use crate::identity::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

    fn five() -> EncodedBatch {
        let mut builder = BatchBuilder::new();
        for number in 0..5_u8 {
            let filled = [number; 40];
            let value = (number != 3).then_some(&filled[..]);
            builder
                .push(Some(&[number]), value, &[2, 2, b'a', 2, b'b'], 1_000 + 7 * i64::from(number))
                .unwrap();
        }
        builder.finish().unwrap()
    }

    #[test]
    fn what_is_kept_is_as_it_was() {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let mut sent = five().compressed(codec).unwrap();
            sent.stamp_producer(ProducerId::new(9), ProducerEpoch::new(1), Sequence::new(50));
            sent.place(Offset::new(100), LeaderEpoch::new(4));
            let batch = sent.as_batch().unwrap();
            let mut reader = RecordReader::default();
            let all: Vec<_> = reader.records(&batch).unwrap().map(Result::unwrap).collect();
            for horizon_ms in [None, Some(i64::MAX / 2)] {
                let kept = [all[1], all[3]];
                let bytes = rewrite(&batch, &kept, horizon_ms).unwrap();
                let written = Batch::parse_front(&bytes).unwrap();
                written.verify().unwrap();
                let header = written.header();
                assert_eq!(
                    (header.base_offset, header.last_offset()),
                    (Offset::new(100), Offset::new(104))
                );
                assert_eq!((header.record_count, header.last_sequence().get()), (2, 54));
                assert_eq!((header.max_timestamp_ms, header.leader_epoch.get()), (1_021, 4));
                assert_eq!(header.attributes.codec(), Ok(codec));
                assert_eq!(header.delete_horizon_ms(), horizon_ms);
                let mut again = RecordReader::default();
                let read: Vec<_> = again.records(&written).unwrap().map(Result::unwrap).collect();
                assert_eq!(read, kept, "{codec} {horizon_ms:?}");
            }
            let empty = rewrite(&batch, &[], None).unwrap();
            let empty = Batch::parse_front(&empty).unwrap();
            empty.verify().unwrap();
            assert_eq!((empty.header().record_count, empty.header().next_offset().get()), (0, 105));
            assert_eq!(empty.records().unwrap().count(), 0);
        }
    }
}
