//! Segments that a real Kafka 4.1.1 has written are read: every codec, headers, and what its
//! log cleaner left of a compacted topic.
//!
//! The files in `fixtures/kafka-4.1.1` are those of a broker with its default settings, filled
//! by `kafka-console-producer` with each `--compression-codec` in turn. `compacted.log` is the
//! first segment of a topic with `cleanup.policy=compact` after a run of the cleaner.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use support::{at, block_on_threads, open, partition_dir, small_segments, topic};
use tidemill_log::{
    Batch, Batches, Codec, Environment, HeaderIter, Isolation, Log, Offset, RecordReader,
};

const CODECS: &[u8] = include_bytes!("fixtures/kafka-4.1.1/codecs.log");
const COMPACTED: &[u8] = include_bytes!("fixtures/kafka-4.1.1/compacted.log");

/// Offset, key and value.
type Read = (i64, String, Option<String>);

fn read(batch: &Batch<'_>) -> Vec<Read> {
    batch.verify().expect("Kafka's checksum");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut reader = RecordReader::default();
    let records = reader.records(batch).expect("Kafka's records").map(|it| it.expect("a record"));
    let one =
        records.map(|it| (it.offset.get(), text(it.key.unwrap_or_default()), it.value.map(text)));
    one.collect()
}

#[test]
fn every_codec_of_kafka_is_read_with_headers() {
    let mut codecs = BTreeSet::new();
    let mut all = Vec::new();
    for batch in Batches::new(CODECS).map(|batch| batch.expect("a batch")) {
        let codec = batch.header().attributes.codec().expect("a codec");
        codecs.insert(codec.to_string());
        let mut reader = RecordReader::default();
        for record in reader.records(&batch).expect("records").map(|it| it.expect("a record")) {
            let headers: Vec<_> = HeaderIter::new(record.headers).collect();
            assert_eq!((headers.len(), headers[0].name), (1, &b"h"[..]));
            assert_eq!(headers[0].value, Some(codec.to_string().as_bytes()));
        }
        all.extend(read(&batch));
    }
    let every = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    assert_eq!(codecs, every.iter().map(ToString::to_string).collect());
    assert_eq!(all.len(), 40);
    for (offset, (read, codec)) in all.iter().zip(every.iter().flat_map(|it| [it; 8])).enumerate() {
        let number = offset % 8 + 1;
        let value = format!("{codec} value {number} {}", "x".repeat(40));
        assert_eq!(*read, (offset as i64, format!("key-{number}"), Some(value)));
    }
}

/// Puts a segment of Kafka's in the place of an empty one of ours.
async fn with_segment(dir: &Path, segment: &[u8]) {
    let log = open(dir, &Environment::real()).await;
    log.create_topic(&topic("k"), small_segments(1)).await.expect("a new topic");
    log.close().await;
    drop(log);
    let path = partition_dir(dir, &at("k", 0)).join("00000000000000000000.log");
    std::fs::write(path, segment).expect("the segment");
}

#[test]
fn a_segment_of_kafka_is_one_of_ours() {
    let dir = tempfile::tempdir().expect("a folder");
    block_on_threads(async {
        with_segment(dir.path(), CODECS).await;
        let verified = Log::verify(dir.path(), &Environment::real()).expect("a data folder");
        assert_eq!((verified.findings.as_slice(), verified.records), (&[][..], 40));
        let log = open(dir.path(), &Environment::real()).await;
        let fetched = log.read(&at("k", 0), Offset::ZERO, 1 << 20, Isolation::Committed);
        let fetched = fetched.expect("records");
        let read: Vec<_> = fetched.batches().flat_map(|it| read(&it.expect("a batch"))).collect();
        assert_eq!(read.len(), 40);
        assert_eq!(log.offsets(&at("k", 0)).expect("offsets").high_watermark, Offset::new(40));
    });
}

#[test]
fn what_kafkas_cleaner_left_is_read() {
    let mut last = -1;
    let mut newest = std::collections::BTreeMap::new();
    let mut has_gap = false;
    for batch in Batches::new(COMPACTED).map(|batch| batch.expect("a batch")) {
        has_gap |= batch.header().record_count != batch.header().last_offset_delta + 1;
        for (offset, key, value) in read(&batch) {
            assert!(offset > last, "in order");
            last = offset;
            newest.insert(key, value);
        }
    }
    assert!(has_gap, "the cleaner has run");
    assert_eq!(newest.get("key-0"), Some(&None), "a tombstone");
    assert_eq!(newest.get("key-1"), Some(&Some("zstd value 7".to_owned())));
}
