//! What the tests share.
#![allow(dead_code, missing_docs, unused_macros)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_log::{
    BatchBuilder, EncodedBatch, Environment, Fetched, Isolation, Log, LogConfig, Offset,
    PartitionId, TopicConfig, TopicName, TopicPartition,
};

/// Runs each test in two environments.
macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod real {
            $(#[test]
            fn $name() {
                let dir = tempfile::tempdir().expect("a folder");
                let environment = tidemill_log::Environment::real();
                let folder = dir.path().join("data");
                super::support::block_on_threads(super::$name(folder, environment));
            })*
        }
        mod simulated {
            $(#[test]
            fn $name() {
                let simulation = tidemill_log::simulation::Simulation::new(1);
                super::support::block_on(super::$name("/data".into(), simulation.environment()));
            })*
        }
    };
}

pub fn topic(name: &str) -> TopicName {
    TopicName::new(name).expect("a valid name")
}

pub fn at(name: &str, partition: u32) -> TopicPartition {
    TopicPartition::new(topic(name), PartitionId::new(partition))
}

/// A batch with one record for every value.
pub fn batch<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> EncodedBatch {
    stamped(values, 1_000)
}

pub fn stamped<V: AsRef<[u8]>>(
    values: impl IntoIterator<Item = V>,
    timestamp_ms: i64,
) -> EncodedBatch {
    let mut builder = BatchBuilder::new();
    for value in values {
        builder.push(Some(b"key"), Some(value.as_ref()), &[], timestamp_ms).expect("it fits");
    }
    builder.finish().expect("at least one value")
}

pub fn small_segments(partitions: u32) -> TopicConfig {
    TopicConfig {
        partitions,
        segment_bytes: TopicConfig::SEGMENT_BYTES_MIN,
        index_interval_bytes: 200,
        retention_ms: None,
        ..TopicConfig::default()
    }
}

pub async fn open(dir: &Path, environment: &Environment) -> Arc<Log> {
    let opened = Log::open(dir, environment.clone(), LogConfig::default()).await;
    opened.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// An error with all its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The offsets and values in what was read, from `from` on.
pub fn values(fetched: &Fetched, from: Offset) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    for batch in fetched.batches() {
        let batch = batch.expect("a good batch");
        batch.verify().expect("a good checksum");
        for record in batch.records().expect("no compression") {
            let record = record.expect("a good record");
            if record.offset >= from {
                let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
                all.push((record.offset.get(), value));
            }
        }
    }
    all
}

/// All records of a partition that count.
pub fn read_all(log: &Log, at: &TopicPartition) -> Vec<(i64, String)> {
    read_as(log, at, Isolation::Committed, 700)
}

pub fn read_as(
    log: &Log,
    at: &TopicPartition,
    isolation: Isolation,
    bytes_max: usize,
) -> Vec<(i64, String)> {
    let mut from = log.offsets(at).expect("a partition").log_start;
    let mut all = Vec::new();
    loop {
        let fetched = log.read(at, from, bytes_max, isolation);
        let fetched = fetched.unwrap_or_else(|error| panic!("{}", chain(&error)));
        if fetched.bytes.is_empty() {
            return all;
        }
        assert!(fetched.next > from, "a read that finds something goes on");
        all.extend(values(&fetched, from));
        from = fetched.next;
    }
}

/// Runs `work` to its end where it stands: nothing in a simulation needs a thread.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(work)
}

/// Runs `work` with the machine's threads.
pub fn block_on_threads<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(work)
}

/// The only file in the partition's folder whose name ends so.
pub fn files(dir: &Path, at: &TopicPartition, ending: &str) -> Vec<PathBuf> {
    let folder = partition_dir(dir, at);
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    found.sort();
    found
}

pub fn partition_dir(dir: &Path, at: &TopicPartition) -> PathBuf {
    dir.join("topics").join(at.topic.as_str()).join(at.partition.to_string())
}
