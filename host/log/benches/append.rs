//! What group commit is worth, and how fast records are written and read.
//!
//! `cargo bench -p tidemill-log` prints a table. Ratios are within one run: absolute figures
//! drift from machine to machine. `TIDEMILL_BENCH_DIR` chooses the disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidemill_log::{
    BatchBuilder, Clock, CommittedOffset, EncodedBatch, Environment, Fetched, Isolation, Log,
    LogConfig, Offset, PartitionId, RealClock, TopicConfig, TopicName, TopicPartition,
};

const RECORD_BYTES: usize = 1024;
const SHORT_BYTES: usize = 104;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(run());
}

async fn run() {
    let parent = std::env::var_os("TIDEMILL_BENCH_DIR").map(PathBuf::from);
    let dir = match parent {
        Some(parent) => tempfile::tempdir_in(parent),
        None => tempfile::tempdir(),
    };
    let dir = dir.expect("a folder");
    let log = Log::open(dir.path(), Environment::real(), LogConfig::default()).await;
    let log = log.expect("an empty folder opens");
    group_commit(&log).await;
    transactions(&log).await;
    throughput(&log).await;
}

async fn topic(log: &Log, name: &str, partitions: u32) -> TopicName {
    let name = TopicName::new(name).expect("a valid name");
    let config = TopicConfig { partitions, ..TopicConfig::default() };
    log.create_topic(&name, config).await.expect("a new topic");
    name
}

fn batch(records: usize, bytes: usize) -> EncodedBatch {
    let mut builder = BatchBuilder::with_capacity(records * (bytes + 16));
    let value = vec![b'v'; bytes];
    for _ in 0..records {
        builder.push(None, Some(&value), &[], 0).expect("it fits");
    }
    builder.finish().expect("at least one record")
}

/// Appends of 1 KiB by more and more clients, each waiting for its own.
async fn group_commit(log: &Arc<Log>) {
    println!("group commit: appends of 1 KiB, each acknowledged after fdatasync");
    println!("{:>10} {:>12} {:>8} {:>14}", "appenders", "appends/s", "ratio", "appends/sync");
    let name = topic(log, "group-commit", 1).await;
    let at = TopicPartition::new(name, PartitionId::new(0));
    let mut alone = 0.0;
    for appenders in [1_usize, 4, 16, 64, 256] {
        let appends = if appenders == 1 { 300 } else { 4_000 / appenders };
        let syncs = log.metrics().syncs_total;
        let clock = RealClock::new();
        let clients = (0..appenders).map(|_| {
            let (log, at, batch) = (log.clone(), at.clone(), batch(1, RECORD_BYTES));
            tokio::spawn(async move {
                for _ in 0..appends {
                    log.append(&at, batch.clone()).await.expect("an append");
                }
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.expect("no panic");
        }
        let total = (appenders * appends) as f64;
        let rate = total / clock.elapsed().as_secs_f64();
        if appenders == 1 {
            alone = rate;
        }
        let shared = total / (log.metrics().syncs_total - syncs).max(1) as f64;
        println!("{appenders:>10} {rate:>12.0} {:>8.1} {shared:>14.1}", rate / alone);
    }
}

/// Transactions over some partitions with one offset: in units of one synced append.
async fn transactions(log: &Arc<Log>) {
    let name = topic(log, "transactions", 4).await;
    let at = |partition| TopicPartition::new(name.clone(), PartitionId::new(partition));
    let small = batch(1, SHORT_BYTES);
    let rounds = 200;
    let clock = RealClock::new();
    for _ in 0..rounds {
        log.append(&at(0), small.clone()).await.expect("an append");
    }
    let append = clock.elapsed().as_secs_f64() / f64::from(rounds);
    println!("\ntransactions: one small batch a partition, and one offset");
    println!("{:>10} {:>12} {:>20}", "partitions", "ms", "x one synced append");
    for partitions in [1, 2, 4] {
        let clock = RealClock::new();
        for number in 0..rounds {
            let mut transaction = log.begin("bench").await.expect("a transaction");
            for partition in 0..partitions {
                let appended = transaction.append(&at(partition), small.clone()).await;
                appended.expect("an append");
            }
            let offset = CommittedOffset::new(Offset::new(number.into()), "manifest");
            let offsets = transaction.commit_offsets("bench", vec![(at(0), offset)]).await;
            offsets.expect("an offset");
            transaction.commit().await.expect("a commit");
        }
        let each = clock.elapsed().as_secs_f64() / f64::from(rounds);
        println!("{partitions:>10} {:>12.3} {:>20.2}", each * 1e3, each / append);
    }
}

/// Large batches: written, synced, read, checked and decoded.
async fn throughput(log: &Arc<Log>) {
    println!("\nthroughput: records of {SHORT_BYTES} bytes in batches of 1 MiB, one client");
    println!("{:>24} {:>10} {:>16}", "", "MB/s", "records/s");
    let name = topic(log, "throughput", 1).await;
    let at = TopicPartition::new(name, PartitionId::new(0));
    let records = (1 << 20) / (SHORT_BYTES + 8);
    let batches = 256;

    let clock = RealClock::new();
    let mut encoded = 0;
    for _ in 0..batches {
        encoded += std::hint::black_box(batch(records, SHORT_BYTES)).bytes().len();
    }
    report("encode", encoded, records * batches, clock.elapsed());

    let one = batch(records, SHORT_BYTES);
    let bytes = one.bytes().len() * batches;
    let clock = RealClock::new();
    for _ in 0..batches {
        log.append(&at, one.clone()).await.expect("an append");
    }
    report("append, synced", bytes, records * batches, clock.elapsed());

    let clock = RealClock::new();
    let mut total = 0;
    read(log, &at, |fetched| total += fetched.bytes.len());
    report("read and check", total, records * batches, clock.elapsed());

    let (mut decoded, mut took) = (0, Duration::ZERO);
    read(log, &at, |fetched| {
        let clock = RealClock::new();
        decoded += decode(fetched);
        took += clock.elapsed();
    });
    report("decode", total, decoded, took);
}

/// Counts the records, and looks at the first byte of each.
fn decode(fetched: &Fetched) -> usize {
    let mut count = 0;
    for batch in fetched.batches() {
        for record in batch.expect("a good batch").records().expect("no compression") {
            let value = record.expect("a good record").value.unwrap_or_default();
            count += usize::from(value.first() == Some(&b'v'));
        }
    }
    count
}

fn read(log: &Log, at: &TopicPartition, mut each: impl FnMut(&Fetched)) {
    let mut from = Offset::ZERO;
    loop {
        let fetched = log.read(at, from, 1 << 20, Isolation::Committed).expect("a read");
        if fetched.bytes.is_empty() {
            return;
        }
        from = fetched.next;
        each(&fetched);
    }
}

fn report(what: &str, bytes: usize, records: usize, took: Duration) {
    let seconds = took.as_secs_f64();
    let megabytes = bytes as f64 / 1e6 / seconds;
    println!("{what:>24} {megabytes:>10.0} {:>16.0}", records as f64 / seconds);
}
