//! The codec against everything that bytes can be.

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use support::{batch, stamped};
use tidemill_log::{
    Batch, BatchBuilder, BatchError, Batches, BuildError, Codec, EncodedBatch, HEADER_BYTES,
    HeaderIter, Offset, ProducerEpoch, ProducerId, RecordReader, Sequence,
};

#[derive(Clone, Debug)]
struct Plain {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    timestamp_ms: i64,
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..max)
}

fn plain() -> impl Strategy<Value = Plain> {
    let header = (bytes(5), prop::option::of(bytes(5)));
    let headers = prop::collection::vec(header, 0..3);
    (prop::option::of(bytes(20)), prop::option::of(bytes(200)), headers, any::<i64>())
        .prop_map(|(key, value, headers, timestamp_ms)| Plain { key, value, headers, timestamp_ms })
}

/// A zigzag varint, written a second time so that the codec is not its own judge.
fn varint(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut out = Vec::new();
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

fn raw_headers(headers: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<u8> {
    if headers.is_empty() {
        return Vec::new();
    }
    let mut out = varint(headers.len() as i64);
    for (name, value) in headers {
        out.extend(varint(name.len() as i64));
        out.extend_from_slice(name);
        match value {
            None => out.extend(varint(-1)),
            Some(value) => {
                out.extend(varint(value.len() as i64));
                out.extend_from_slice(value);
            }
        }
    }
    out
}

fn build(records: &[Plain]) -> EncodedBatch {
    let mut builder = BatchBuilder::new();
    for record in records {
        let headers = raw_headers(&record.headers);
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.push(key, value, &headers, record.timestamp_ms).unwrap();
    }
    builder.finish().unwrap()
}

/// Reads as much as can be read; returns how many records that were.
fn exhaust(bytes: &[u8]) -> usize {
    let mut count = 0;
    for batch in Batches::new(bytes) {
        let Ok(batch) = batch else { break };
        let _ = batch.verify();
        let mut reader = RecordReader::with_limit(1 << 20);
        let Ok(records) = reader.records(&batch) else { continue };
        for record in records.flatten() {
            count += 1;
            for header in HeaderIter::new(record.headers) {
                std::hint::black_box(header);
            }
        }
    }
    count
}

proptest! {
    #[test]
    fn what_is_built_is_read(records in prop::collection::vec(plain(), 1..20)) {
        let built = build(&records);
        let parsed = EncodedBatch::parse(Bytes::copy_from_slice(built.bytes())).unwrap();
        let batch = parsed.as_batch().unwrap();
        let read: Vec<_> = batch.records().unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), records.len());
        for (index, (read, record)) in read.iter().zip(&records).enumerate() {
            prop_assert_eq!(read.offset, Offset::new(index as i64));
            prop_assert_eq!(read.timestamp_ms, record.timestamp_ms);
            prop_assert_eq!(read.key, record.key.as_deref());
            prop_assert_eq!(read.value, record.value.as_deref());
            let headers: Vec<_> = HeaderIter::new(read.headers)
                .map(|header| (header.name.to_vec(), header.value.map(<[u8]>::to_vec)))
                .collect();
            prop_assert_eq!(&headers, &record.headers);
        }
        let max = records.iter().map(|record| record.timestamp_ms).max().unwrap();
        prop_assert_eq!(batch.header().max_timestamp_ms, max);
    }

    #[test]
    fn any_bytes_are_safe(bytes in bytes(300)) {
        exhaust(&bytes);
        let _ = EncodedBatch::parse(bytes.into());
    }

    #[test]
    fn any_body_is_safe(body in bytes(300), count in any::<i32>(), last in any::<i32>()) {
        let mut bytes = batch(["v"]).bytes()[..HEADER_BYTES].to_vec();
        bytes.extend_from_slice(&body);
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[23..27].copy_from_slice(&last.to_be_bytes());
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        prop_assert!(exhaust(&bytes) <= body.len(), "a record takes at least a byte");
    }

    #[test]
    fn any_flipped_bit_is_safe(
        records in prop::collection::vec(plain(), 1..5),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut bytes = build(&records).bytes().to_vec();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        exhaust(&bytes);
        // The checksum covers all but offset, length, epoch and magic.
        if bit / 8 >= 17 {
            prop_assert!(EncodedBatch::parse(bytes.into()).is_err());
        }
    }

    #[test]
    fn any_truncation_is_refused(
        records in prop::collection::vec(plain(), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = build(&records).bytes().to_vec();
        let cut = cut.index(bytes.len());
        exhaust(&bytes[..cut]);
        let error = EncodedBatch::parse(bytes[..cut].to_vec().into()).unwrap_err();
        let is_truncated = matches!(error, BatchError::Truncated { present, .. } if present == cut);
        prop_assert!(is_truncated, "{error}");
    }
}

#[test]
fn lying_counts_allocate_nothing() {
    // 61 bytes that claim 2^31 - 1 records.
    let mut bytes = batch(["v"]).bytes()[..HEADER_BYTES].to_vec();
    bytes[8..12].copy_from_slice(&49_i32.to_be_bytes());
    bytes[23..27].copy_from_slice(&(i32::MAX - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    let batch = Batch::parse_front(&bytes).unwrap();
    let first = batch.records().unwrap().next().unwrap().unwrap_err();
    assert_eq!(
        first.to_string(),
        "record 0 of the batch is malformed: its length is cut off or too long"
    );
}

#[test]
fn each_refusal_says_why() {
    let good = batch(["v"]).bytes().to_vec();
    let with = |position: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[position..position + bytes.len()].copy_from_slice(bytes);
        let crc = crc32c::crc32c(&changed[21..]);
        changed[17..21].copy_from_slice(&crc.to_be_bytes());
        EncodedBatch::parse(changed.into()).map(|batch| {
            let parsed = batch.as_batch().unwrap();
            let mut reader = RecordReader::default();
            let mut records = reader.records(&parsed)?;
            records.find_map(Result::err).map_or(Ok(()), Err)
        })
    };
    let text = |result: Result<Result<(), BatchError>, BatchError>| match result {
        Err(error) | Ok(Err(error)) => error.to_string(),
        Ok(Ok(())) => "accepted".into(),
    };
    let refusals = [
        text(with(16, &[1])),
        text(with(8, &(-1_i32).to_be_bytes())),
        text(with(8, &48_i32.to_be_bytes())),
        text(with(8, &i32::MAX.to_be_bytes())),
        text(with(21, &4_i16.to_be_bytes())),
        text(with(21, &7_i16.to_be_bytes())),
        text(with(23, &5_i32.to_be_bytes())),
        text(with(57, &(-1_i32).to_be_bytes())),
        text(with(61, &[0xff])),
    ];
    assert_eq!(
        refusals,
        [
            "the batch has format 1; only Kafka's v2 (magic 2) is understood",
            "the batch claims a length of -1 bytes",
            "the batch claims a length of 48 bytes",
            "the batch is cut off: 2147483659 bytes are needed, 72 are there",
            "the records of the batch cannot be unpacked with zstd: Unknown frame descriptor",
            "the batch is compressed with the unknown codec 7",
            "the batch claims 1 records with a last offset delta of 5",
            "the batch claims -1 records with a last offset delta of 0",
            "record 0 of the batch is malformed: its length is negative",
        ]
    );
    let mut longer = good.clone();
    longer.push(0);
    let trailing = EncodedBatch::parse(longer.into()).unwrap_err();
    assert_eq!(trailing.to_string(), "1 bytes follow the last record of the batch");
}

#[test]
fn stamping_keeps_the_checksum_right() {
    let mut batch = stamped(["a", "b"], 5);
    batch.stamp_producer(ProducerId::new(9), ProducerEpoch::new(3), Sequence::new(70));
    let parsed = EncodedBatch::parse(Bytes::copy_from_slice(batch.bytes())).unwrap();
    let header = parsed.header();
    assert_eq!(header.producer_id, ProducerId::new(9));
    assert_eq!(header.producer_epoch, ProducerEpoch::new(3));
    assert_eq!(header.last_sequence(), Sequence::new(71));
}

#[test]
fn compressed_batches_keep_everything() {
    let records = [
        Plain { key: None, value: Some(vec![7; 5_000]), headers: vec![], timestamp_ms: 1 },
        Plain {
            key: Some(b"k".to_vec()),
            value: None,
            headers: vec![(b"h".to_vec(), Some(b"v".to_vec())), (b"h".to_vec(), None)],
            timestamp_ms: 2,
        },
    ];
    let plain = build(&records);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let packed = plain.clone().compressed(codec).unwrap();
        assert!(packed.bytes().len() < 600, "{codec}");
        let parsed = EncodedBatch::parse(Bytes::copy_from_slice(packed.bytes())).unwrap();
        let batch = parsed.as_batch().unwrap();
        assert_eq!(batch.records().unwrap_err(), BatchError::Compressed { codec });
        let mut reader = RecordReader::default();
        let read: Vec<_> = reader.records(&batch).unwrap().map(Result::unwrap).collect();
        let expected = plain.as_batch().unwrap();
        assert_eq!(read, expected.records().unwrap().map(Result::unwrap).collect::<Vec<_>>());
        let refused = RecordReader::with_limit(4_000).records(&batch).unwrap_err();
        assert!(refused.to_string().ends_with("unpack to more than the 4000 that are allowed"));
        assert_eq!(refused.hint(), "send smaller batches (batch.size in a Java producer)");
    }
}

#[test]
fn malformed_headers_are_not_written() {
    let mut builder = BatchBuilder::new();
    let refused = builder.push(None, None, &[2, 2], 0);
    assert_eq!(refused, Err(BuildError::Headers));
    assert!(builder.finish().is_none(), "the batch is as it was");
}

/// By the format description in Kafka's documentation: one record, key "k", value "v".
#[test]
fn the_layout_is_kafkas() {
    let mut builder = BatchBuilder::new();
    builder.push(Some(b"k"), Some(b"v"), &[], 1_700_000_000_000).unwrap();
    let batch = builder.finish().unwrap();
    let record = [16, 0, 0, 0, 2, b'k', 2, b'v', 0];
    assert_eq!(&batch.bytes()[HEADER_BYTES..], record);
    assert_eq!(&batch.bytes()[..12], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 58]);
    assert_eq!(batch.bytes()[16], 2);
    assert_eq!(&batch.bytes()[43..57], [0xff; 14], "no producer");
}
