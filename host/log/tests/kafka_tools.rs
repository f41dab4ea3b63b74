//! Kafka's own dump tool reads the segments.
//!
//! Runs where `TIDEMILL_KAFKA_CLASSPATH` names the jars of `kafka-tools` and what they need
//! (for example `lib/*`), and says so where it does not.

mod support;

use std::path::Path;
use std::process::Command;

use support::{at, batch, block_on_threads, files, open, small_segments, topic};
use tidemill_log::{
    BatchBuilder, Cleanup, Codec, CommittedOffset, Environment, Log, Offset, Ratio, TopicConfig,
};

fn dump(classpath: &str, arguments: &[&str], file: &Path) -> String {
    let mut command = Command::new("java");
    command.args(["-cp", classpath, "kafka.tools.DumpLogSegments", "--files"]);
    let output = command.arg(file).args(arguments).output().expect("java runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[test]
fn kafkas_dump_tool_reads_the_segments() {
    let Ok(classpath) = std::env::var("TIDEMILL_KAFKA_CLASSPATH") else {
        eprintln!("SKIPPED: TIDEMILL_KAFKA_CLASSPATH is not set, so Kafka's dump tool is not run");
        return;
    };
    let dir = tempfile::tempdir().expect("a folder");
    block_on_threads(write(dir.path()));
    let first = |name: &str| files(dir.path(), &at(name, 0), ".log").remove(0);

    let data = dump(&classpath, &["--print-data-log", "--deep-iteration"], &first("t"));
    assert_contains(&data, &["payload: plain", "payload: committed", "payload: aborted"]);
    assert_contains(&data, &["endTxnMarker: COMMIT", "endTxnMarker: ABORT"]);
    assert_contains(&data, &["isTransactional: true", "isvalid: true"]);
    assert!(!data.contains("isvalid: false"), "{data}");

    // Batches that compaction has written anew, in every codec.
    let all: Vec<_> = files(dir.path(), &at("c", 0), ".log")
        .iter()
        .map(|file| dump(&classpath, &["--print-data-log", "--deep-iteration"], file))
        .collect();
    let all = all.concat();
    assert!(!all.contains("isvalid: false"), "{all}");
    assert_contains(
        &all,
        &["key: k0 payload: value 0 of the last", "deleteHorizonMs: OptionalLong["],
    );
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        assert_contains(&all, &[&format!("compresscodec: {codec}")]);
    }

    let offsets = dump(&classpath, &["--offsets-decoder"], &first("__consumer_offsets"));
    assert_contains(&offsets, &["\"group\":\"g\"", "\"offset\":42", "manifest-42"]);

    let transactions =
        dump(&classpath, &["--transaction-log-decoder"], &first("__transaction_state"));
    assert_contains(&transactions, &["pipeline", PREPARE_COMMIT, COMPLETE_COMMIT]);
}

const PREPARE_COMMIT: &str = "\"transactionStatus\":2";
const COMPLETE_COMMIT: &str = "\"transactionStatus\":4";

async fn write(dir: &Path) {
    let log = open(dir, &Environment::real()).await;
    log.create_topic(&topic("t"), TopicConfig::default()).await.expect("a new topic");
    log.append(&at("t", 0), batch(["plain", "plain too"])).await.expect("an append");
    for (value, commits) in [("committed", true), ("aborted", false)] {
        let mut transaction = log.begin("pipeline").await.expect("a transaction");
        transaction.append(&at("t", 0), batch([value])).await.expect("an append");
        if commits {
            let offset = CommittedOffset::new(Offset::new(42), "manifest-42");
            let offsets = vec![(at("source", 3), offset)];
            transaction.commit_offsets("g", offsets).await.expect("offsets");
            transaction.commit().await.expect("a commit");
        } else {
            transaction.abort().await.expect("an abort");
        }
    }
    write_compacted(&log).await;
    log.close().await;
}

async fn write_compacted(log: &Log) {
    let config = TopicConfig {
        cleanup: Cleanup::COMPACT,
        min_cleanable_dirty_ratio: Ratio::from_millionths(0),
        ..small_segments(1)
    };
    log.create_topic(&topic("c"), config).await.expect("a new topic");
    let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    for round in ["first", "second", "last"] {
        for (number, codec) in (0..25).zip(codecs.into_iter().cycle()) {
            let mut builder = BatchBuilder::new();
            let (key, value) = (format!("k{number}"), format!("value {number} of the {round}"));
            builder.push(Some(b"gone"), None, &[], 1_000).expect("it fits");
            builder.push(Some(b"same"), Some(b"of all"), &[], 1_000).expect("it fits");
            builder
                .push(Some(key.as_bytes()), Some(value.as_bytes()), &[], 1_000)
                .expect("it fits");
            let batch = builder.finish().expect("records").compressed(codec).expect("a codec");
            log.append(&at("c", 0), batch).await.expect("an append");
        }
    }
    assert_eq!(log.compact().await, 1);
}
