//! Prints what many topics cost: time to make, open and delete them, memory and open files.
//!
//! ```sh
//! cargo run --release -p tidemill-log --example many_topics -- 10000 1000
//! ```
//! makes 10,000 topics of one partition and one of 1,000 partitions. Linux only, for it reads
//! `/proc`.

use std::fs;
use std::time::Duration;

use tidemill_log::{
    BatchBuilder, Clock, Environment, Log, LogConfig, PartitionId, RealClock, TopicConfig,
    TopicName, TopicPartition,
};

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

struct Report {
    clock: RealClock,
    last: Duration,
}

impl Report {
    fn step(&mut self, what: &str, count: usize) {
        let now = self.clock.elapsed();
        let took = now.saturating_sub(self.last);
        self.last = now;
        let each = took.as_micros() / u128::try_from(count.max(1)).unwrap_or(1);
        println!(
            "{what:<34} {:>8.2} s {each:>8} us each {:>8} KiB resident {:>6} open files {:>4} threads",
            took.as_secs_f64(),
            resident_kib(),
            open_files(),
            threads(),
        );
    }
}

fn name(text: &str) -> TopicName {
    TopicName::new(text).expect("a valid name")
}

async fn fill(log: &Log, topic: &TopicName, partitions: u32) {
    for partition in 0..partitions {
        let mut builder = BatchBuilder::new();
        builder.push(Some(b"key"), Some(&[7; 100]), &[], 1_000).expect("it fits");
        let at = TopicPartition::new(topic.clone(), PartitionId::new(partition));
        log.append(&at, builder.finish().expect("a record")).await.expect("an append");
    }
}

async fn open(dir: &std::path::Path) -> std::sync::Arc<Log> {
    Log::open(dir, Environment::real(), LogConfig::default()).await.expect("the log opens")
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let topics: usize = arguments.next().unwrap_or(10_000);
    let partitions = u32::try_from(arguments.next().unwrap_or(1_000)).expect("a small number");
    let dir = tempfile::tempdir().expect("a folder");
    let mut report = Report { clock: RealClock::new(), last: Duration::ZERO };
    let log = open(dir.path()).await;
    report.step("open an empty folder", 1);
    for number in 0..topics {
        let created = log.create_topic(&name(&format!("t{number}")), TopicConfig::default()).await;
        created.expect("a new topic");
    }
    report.step("create topics", topics);
    let wide = name("wide");
    let config = TopicConfig { partitions, ..TopicConfig::default() };
    log.create_topic(&wide, config).await.expect("a new topic");
    report.step("create one topic of many partitions", partitions as usize);
    fill(&log, &wide, partitions).await;
    report.step("append to each partition", partitions as usize);
    log.maintain().await;
    report.step("maintain, files in use", topics);
    log.maintain().await;
    report.step("maintain, files at rest", topics);
    log.close().await;
    report.step("close", topics);
    drop(log);
    let log = open(dir.path()).await;
    report.step("open", topics + partitions as usize);
    for number in 0..topics {
        log.delete_topic(&name(&format!("t{number}"))).await.expect("the topic is there");
    }
    report.step("delete topics", topics);
    log.close().await;
}
