//! One suite for compaction, run against the machine's disk and the simulated one.

#[macro_use]
mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use support::{at, chain, open, small_segments, topic};
use tidemill_log::{
    BatchBuilder, Cleanup, Codec, EncodedBatch, Environment, Isolation, Log, LogConfig, Offset,
    ProducerEpoch, Ratio, RecordReader, Sequence, TopicConfig, TopicPartition,
};

contract! {
    the_newest_of_each_key_stays_under_its_offset,
    little_memory_takes_more_passes,
    tombstones_go_in_the_end,
    what_was_aborted_goes,
    producers_go_on_where_they_were,
    records_without_a_key_are_refused,
    the_segment_that_is_written_to_is_left_alone,
}

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn compacted() -> TopicConfig {
    TopicConfig {
        cleanup: Cleanup::COMPACT,
        min_cleanable_dirty_ratio: Ratio::from_millionths(0),
        delete_retention_ms: 0,
        ..small_segments(1)
    }
}

fn keyed(records: &[(String, Option<String>)], codec: Codec) -> EncodedBatch {
    let mut builder = BatchBuilder::new();
    for (key, value) in records {
        let value = value.as_ref().map(String::as_bytes);
        builder.push(Some(key.as_bytes()), value, &[2, 2, b'h', 2, b'v'], 1_000).unwrap();
    }
    builder.finish().unwrap().compressed(codec).unwrap()
}

fn one(key: &str, value: &str) -> EncodedBatch {
    keyed(&[(key.to_owned(), Some(value.to_owned()))], Codec::None)
}

/// Offset, key and value of all that a reader of committed records gets.
type Found = Vec<(i64, String, Option<String>)>;

fn found(log: &Log, at: &TopicPartition, bytes_max: usize) -> Found {
    let mut all = Vec::new();
    let mut from = log.offsets(at).unwrap().log_start;
    let mut reader = RecordReader::default();
    loop {
        let fetched = log.read(at, from, bytes_max, Isolation::Committed);
        let fetched = fetched.unwrap_or_else(|error| panic!("{}", chain(&error)));
        if fetched.bytes.is_empty() {
            assert_eq!(fetched.next, fetched.offsets.last_stable, "a reader comes to the end");
            return all;
        }
        for batch in fetched.batches().map(Result::unwrap) {
            batch.verify().unwrap();
            for record in reader.records(&batch).unwrap().map(Result::unwrap) {
                if record.offset < from {
                    continue;
                }
                assert_eq!(record.headers, [2, 2, b'h', 2, b'v']);
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                all.push((record.offset.get(), text(record.key.unwrap()), record.value.map(text)));
            }
        }
        assert!(fetched.next > from);
        from = fetched.next;
    }
}

/// Writes many records over few keys; returns the newest of each key.
async fn fill(log: &Log, rounds: u32) -> BTreeMap<String, (i64, String)> {
    let mut newest = BTreeMap::new();
    for number in 0..rounds {
        let record = |index: u32| {
            let key = format!("k{}", (number * 7 + index * 3) % 11);
            (key, Some(format!("v{number}-{index}-{}", "x".repeat(30))))
        };
        let records: Vec<_> = (0..4).map(record).collect();
        let codec = CODECS[number as usize % CODECS.len()];
        let appended = log.append(&at("c", 0), keyed(&records, codec)).await.unwrap();
        for (offset, (key, value)) in (appended.base_offset.get()..).zip(records) {
            newest.insert(key, (offset, value.unwrap()));
        }
    }
    newest
}

async fn the_newest_of_each_key_stays_under_its_offset(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("c"), compacted()).await.unwrap();
    let newest = fill(&log, 100).await;
    let before = log.describe(&topic("c")).unwrap().partitions[0].1;
    log.maintain().await;
    while log.compact().await > 0 {}
    let after = log.describe(&topic("c")).unwrap().partitions[0].1;
    assert!(after * 4 < before, "{before} bytes became {after}");
    let check = |log: &Log| {
        for bytes_max in [1, 700, 1 << 20] {
            let all = found(log, &at("c", 0), bytes_max);
            assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order");
            for (key, (offset, value)) in &newest {
                let expected = (*offset, key.clone(), Some(value.clone()));
                assert!(all.contains(&expected), "{expected:?} is not in {all:?}");
            }
            assert!(all.len() < 60, "{} records are left of 400", all.len());
        }
        // From any offset a reader gets what comes next.
        for from in 0..400 {
            log.read(&at("c", 0), Offset::new(from), 100, Isolation::Committed).unwrap();
        }
    };
    check(&log);
    log.close().await;
    drop(log);
    let log = open(&dir, &environment).await;
    check(&log);
    let more = fill(&log, 20).await;
    while log.compact().await > 0 {}
    let all = found(&log, &at("c", 0), 1 << 20);
    for (key, (offset, value)) in more {
        assert!(all.contains(&(offset, key, Some(value))));
    }
    drop(log);
    let verified = Log::verify(&dir, &environment).unwrap();
    assert_eq!(verified.findings, []);
}

async fn little_memory_takes_more_passes(dir: PathBuf, environment: Environment) {
    let config = LogConfig { compaction_bytes_max: 1, ..LogConfig::default() };
    let log = Log::open(&dir, environment, config).await.unwrap();
    log.create_topic(&topic("c"), compacted()).await.unwrap();
    for number in 0..200 {
        log.append(&at("c", 0), one(&format!("k{}", number % 50), "v")).await.unwrap();
    }
    let mut passes = 0;
    while log.compact().await > 0 {
        passes += 1;
    }
    assert!(passes > 2, "16 keys fit");
    let all = found(&log, &at("c", 0), 1 << 20);
    for key in 0..50 {
        assert!(all.contains(&(150 + key, format!("k{key}"), Some("v".into()))), "k{key}");
    }
    assert!(all.len() < 100, "{}", all.len());
}

async fn tombstones_go_in_the_end(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("c"), compacted()).await.unwrap();
    log.append(&at("c", 0), one("gone", "v")).await.unwrap();
    log.append(&at("c", 0), keyed(&[("gone".into(), None)], Codec::Zstd)).await.unwrap();
    for number in 0..40 {
        log.append(&at("c", 0), one("k", &number.to_string())).await.unwrap();
    }
    assert_eq!(log.compact().await, 1);
    let gone = |log: &Log| -> Vec<_> {
        let all = found(log, &at("c", 0), 1 << 20).into_iter();
        all.filter(|(_, key, _)| key == "gone").collect()
    };
    assert_eq!(gone(&log), [(1, "gone".to_owned(), None)], "who reads must get to know");
    while log.compact().await > 0 {}
    assert_eq!(gone(&log), []);
}

async fn what_was_aborted_goes(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("c"), compacted()).await.unwrap();
    log.append(&at("c", 0), one("a", "kept")).await.unwrap();
    for number in 0..20 {
        let mut transaction = log.begin("x").await.unwrap();
        let value = format!("{number}");
        transaction.append(&at("c", 0), one("a", &value)).await.unwrap();
        transaction.append(&at("c", 0), one("b", &value)).await.unwrap();
        if number % 2 == 1 {
            transaction.abort().await.unwrap();
        } else {
            transaction.commit().await.unwrap();
        }
    }
    let bytes = || log.describe(&topic("c")).unwrap().partitions[0].1;
    let before = (bytes(), found(&log, &at("c", 0), 1 << 20));
    while log.compact().await > 0 {}
    assert!(bytes() < before.0);
    let all = found(&log, &at("c", 0), 1 << 20);
    for key in ["a", "b"] {
        let newest = before.1.iter().rfind(|(_, it, _)| it == key).unwrap();
        assert_eq!(all.iter().rfind(|(_, it, _)| it == key), Some(newest));
        assert_eq!(newest.2.as_deref(), Some("18"));
    }
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(found(&log, &at("c", 0), 1 << 20), all);
}

async fn producers_go_on_where_they_were(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("c"), compacted()).await.unwrap();
    let producer = log.allocate_producer_id().await.unwrap();
    let numbered = |sequence: i32| {
        let mut batch = one("k", &sequence.to_string());
        batch.stamp_producer(producer, ProducerEpoch::new(0), Sequence::new(sequence));
        batch
    };
    for sequence in 0..3 {
        log.append(&at("c", 0), numbered(sequence)).await.unwrap();
    }
    for number in 0..40 {
        log.append(&at("c", 0), one("k", &number.to_string())).await.unwrap();
    }
    while log.compact().await > 0 {}
    log.close().await;
    drop(log);
    // Without the seals, the producer is known from the log alone.
    for entry in environment.disk.list(&support::partition_dir(&dir, &at("c", 0))).unwrap() {
        if entry.name.ends_with(".seal") {
            let path = support::partition_dir(&dir, &at("c", 0)).join(entry.name);
            environment.disk.remove_file(&path).unwrap();
        }
    }
    let log = open(&dir, &environment).await;
    assert!(log.append(&at("c", 0), numbered(5)).await.is_err(), "3 comes next");
    assert!(log.append(&at("c", 0), numbered(2)).await.unwrap().duplicate);
    log.append(&at("c", 0), numbered(3)).await.unwrap();
}

async fn records_without_a_key_are_refused(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("c"), compacted()).await.unwrap();
    for codec in CODECS {
        let mut builder = BatchBuilder::new();
        builder.push(Some(b"k"), None, &[], 0).unwrap();
        builder.push(None, Some(b"v"), &[], 0).unwrap();
        let batch = builder.finish().unwrap().compressed(codec).unwrap();
        let refused = log.append(&at("c", 0), batch).await.unwrap_err();
        assert_eq!(refused.to_string(), "c-0 is compacted, and record 1 of the batch has no key");
    }
}

async fn the_segment_that_is_written_to_is_left_alone(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("c"), compacted()).await.unwrap();
    for number in 0..3 {
        log.append(&at("c", 0), one("k", &number.to_string())).await.unwrap();
    }
    assert_eq!(log.compact().await, 0);
    assert_eq!(found(&log, &at("c", 0), 1 << 20).len(), 3);
}
