//! Copying against a log in memory that can be told to fail.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::broker::{
    Bounds, BrokerError, Commit, Committed, Embedded, Fetched, Producer, TopicPartition,
};
use crate::clock::ManualClock;
use crate::spec::PipelineSpec;

/// What the next commits come to.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// The commit does not happen, and says so.
    Refused,
    /// It happens, but the answer is lost.
    Unanswered,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    commits: usize,
    offsets: BTreeMap<u32, (i64, String)>,
    epoch: u64,
    fates: Vec<Fate>,
}

#[derive(Clone, Default)]
struct MemoryLog(Arc<Mutex<State>>);

struct MemoryProducer {
    log: MemoryLog,
    epoch: u64,
}

fn failure(retryable: bool) -> BrokerError {
    BrokerError::Log { action: "commit".to_owned(), retryable, source: "told to".into() }
}

#[async_trait]
impl Broker for MemoryLog {
    async fn partitions(&self, _: &str) -> Result<Option<u32>, BrokerError> {
        Ok(Some(1))
    }

    async fn ensure_topic(&self, topic: &str, partitions: u32) -> Result<u32, BrokerError> {
        assert_eq!((topic, partitions), ("tidemill.p.s", 1));
        Ok(1)
    }

    async fn delete_topic(&self, _: &str) -> Result<(), BrokerError> {
        unreachable!("an ingest deletes nothing")
    }

    async fn bounds(&self, _: &str) -> Result<Vec<Bounds>, BrokerError> {
        Err(failure(false))
    }

    async fn fetch(
        &self,
        _: &TopicPartition,
        _: i64,
        _: i64,
        _: usize,
    ) -> Result<Fetched, BrokerError> {
        Err(failure(false))
    }

    async fn wait_for_records(&self, _: &[(TopicPartition, i64)]) -> Result<(), BrokerError> {
        Err(failure(false))
    }

    async fn committed(&self, group: &str) -> Result<Vec<Committed>, BrokerError> {
        assert_eq!(group, "tidemill.ingest.p.s");
        let offsets = self.0.lock().offsets.clone();
        let committed = offsets.into_iter().map(|(partition, (offset, metadata))| Committed {
            at: TopicPartition { topic: "tidemill.p.s".into(), partition },
            offset,
            metadata,
        });
        Ok(committed.collect())
    }

    async fn delete_group(&self, _: &str) -> Result<(), BrokerError> {
        Err(failure(false))
    }

    async fn producer(&self, _: &str) -> Result<Box<dyn Producer>, BrokerError> {
        let mut state = self.0.lock();
        state.epoch += 1;
        Ok(Box::new(MemoryProducer { log: self.clone(), epoch: state.epoch }))
    }
}

#[async_trait]
impl Producer for MemoryProducer {
    async fn commit(&mut self, commit: Commit) -> Result<(), BrokerError> {
        let mut state = self.log.0.lock();
        if state.epoch != self.epoch {
            return Err(BrokerError::Fenced { transactional_id: commit.group });
        }
        let fate = state.fates.pop();
        if fate == Some(Fate::Refused) {
            return Err(failure(true));
        }
        for batch in commit.outputs.iter().flat_map(|output| &output.batches) {
            for record in batch.as_batch().unwrap().records().unwrap() {
                let value = record.unwrap().value.unwrap();
                state.lines.push(String::from_utf8_lossy(value).into_owned());
            }
        }
        for position in commit.offsets {
            state.offsets.insert(position.at.partition, (position.offset, position.metadata));
        }
        state.commits += 1;
        if fate == Some(Fate::Unanswered) { Err(failure(true)) } else { Ok(()) }
    }
}

impl MemoryLog {
    fn lines(&self) -> Vec<String> {
        self.0.lock().lines.clone()
    }

    /// Waits until so many lines are there, and gives them back.
    async fn wait(&self, count: usize) -> Vec<String> {
        for _ in 0..1000 {
            if self.lines().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.lines()
    }
}

fn source(body: &str) -> (PipelineName, SourceSpec) {
    let text = format!(
        "name = \"p\"\n[[source]]\nname = \"s\"\n{body}\n[[sink]]\nname = \"k\"\ninput = \"s\"\nprint = true"
    );
    let spec = PipelineSpec::parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let source = spec.sources.into_iter().next().unwrap();
    (spec.name, source)
}

async fn start(log: &MemoryLog, body: &str) -> Result<Ingest, IngestError> {
    let (pipeline, source) = source(body);
    let clock = Arc::new(ManualClock::at(1000));
    Ingest::start(&pipeline, &source, Arc::new(log.clone()), clock).await
}

async fn start_files(log: &MemoryLog, folder: &Path) -> Ingest {
    start(log, &format!("files = \"{}/*.log\"", folder.display())).await.unwrap()
}

fn append(folder: &Path, name: &str, text: &str) {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(folder.join(name));
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn follows_files_over_restarts() {
    let (log, folder) = (MemoryLog::default(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    append(folder, "a.log", "1\n2\r\n3");
    append(folder, "ignored.txt", "x\n");
    let ingest = start_files(&log, folder).await;
    assert_eq!(log.wait(2).await, ["1", "2"]);
    append(folder, "a.log", "3\n");
    log.wait(3).await;
    append(folder, "b.log", "b\n");
    assert_eq!(log.wait(4).await, ["1", "2", "33", "b"]);
    ingest.stop().await;
    append(folder, "b.log", "bb\n");
    let ingest = start_files(&log, folder).await;
    assert_eq!(log.wait(5).await[4..], ["bb"]);
    // Cut short, and written anew.
    std::fs::write(folder.join("a.log"), "n\n").unwrap();
    assert_eq!(log.wait(6).await[5..], ["n"]);
    // Another file of at least the size.
    std::fs::remove_file(folder.join("b.log")).unwrap();
    append(folder, "b.log", "another\n");
    assert_eq!(log.wait(7).await[6..], ["another"]);
    assert!(ingest.failure().is_none());
    ingest.stop().await;
    let ingest = start_files(&log, folder).await;
    ingest.drain().await.unwrap();
    ingest.stop().await;
    assert_eq!(log.lines().len(), 7, "nothing twice");
}

#[tokio::test]
async fn reads_a_renamed_file_on() {
    let (log, folder) = (MemoryLog::default(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    append(folder, "a.log", "1\n");
    if folder.join("a.log").metadata().unwrap().created().is_err() {
        eprintln!("SKIPPED: this file system does not tell when a file was made");
        return;
    }
    let ingest = start_files(&log, folder).await;
    log.wait(1).await;
    for round in 2..5 {
        let (old, older) = (folder.join("a.log"), folder.join(format!("a.{round}.log")));
        append(folder, "a.log", &format!("last of {round}\n"));
        std::fs::rename(old, older).unwrap();
        append(folder, "a.log", &format!("first after {round}\n"));
        let lines = log.wait(2 * round - 1).await;
        assert_eq!(lines.len(), 2 * round - 1, "{lines:?}");
    }
    // Twice renamed, and only then written to.
    std::fs::rename(folder.join("a.4.log"), folder.join("a.5.log")).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    append(folder, "a.5.log", "late\n");
    assert_eq!(log.wait(8).await[7..], ["late"]);
    ingest.drain().await.unwrap();
    ingest.stop().await;
    assert_eq!(log.lines().len(), 8);
}

#[tokio::test]
async fn drains_to_the_present_end() {
    let (log, folder) = (MemoryLog::default(), tempfile::tempdir().unwrap());
    let many: Vec<String> = (0..300_000).map(|line| format!("line {line} of many")).collect();
    append(folder.path(), "a.log", &many.join("\n"));
    append(folder.path(), "b.log", "b\nunfinished");
    append(folder.path(), "empty.log", "");
    let ingest = start_files(&log, folder.path()).await;
    ingest.drain().await.unwrap();
    assert!(ingest.failure().is_none());
    ingest.stop().await;
    let mut lines = log.lines();
    lines.retain(|line| line != "b" && line != "unfinished");
    assert_eq!(lines.len(), 300_000);
    assert!(lines == many, "in order");
    assert_eq!(log.lines().len(), 300_002);
    assert!(log.0.lock().commits < 10, "large files are copied in few commits");
    // Again: nothing is left.
    let ingest = start_files(&log, folder.path()).await;
    ingest.drain().await.unwrap();
    ingest.stop().await;
    assert_eq!(log.lines().len(), 300_002);
}

#[tokio::test]
async fn a_commit_without_answer_is_looked_up() {
    for fates in [
        vec![Fate::Refused],
        vec![Fate::Unanswered],
        vec![Fate::Refused, Fate::Refused, Fate::Unanswered],
    ] {
        let (log, folder) = (MemoryLog::default(), tempfile::tempdir().unwrap());
        append(folder.path(), "a.log", "1\n2\n");
        log.0.lock().fates = fates;
        let ingest = start_files(&log, folder.path()).await;
        ingest.drain().await.unwrap();
        append(folder.path(), "a.log", "3\n");
        ingest.stop().await;
        let ingest = start_files(&log, folder.path()).await;
        ingest.drain().await.unwrap();
        ingest.stop().await;
        assert_eq!(log.lines(), ["1", "2", "3"]);
    }
}

/// All values of the internal topic of a real log.
async fn values(broker: &dyn Broker) -> Vec<String> {
    let at = TopicPartition { topic: "tidemill.p.s".into(), partition: 0 };
    let bounds = broker.bounds(&at.topic).await.unwrap();
    let (mut from, end) = (bounds[0].start, bounds[0].end);
    let mut values = Vec::new();
    while from < end {
        let fetched = broker.fetch(&at, from, end, 1 << 20).await.unwrap();
        for bytes in fetched.batches {
            let batch = tidemill_log::EncodedBatch::parse(bytes).unwrap();
            for record in batch.as_batch().unwrap().records().unwrap() {
                values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
            }
        }
        from = fetched.next;
    }
    values
}

/// Opens the log as soon as nobody else has it open.
async fn open(data: &Path) -> Arc<tidemill_log::Log> {
    for _ in 0..500 {
        let environment = tidemill_log::Environment::real();
        let config = tidemill_log::LogConfig::default();
        match tidemill_log::Log::open(data, environment, config).await {
            Ok(log) => return log,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("the log stays locked");
}

/// The real log, closed under the ingester again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_and_doubles_nothing_over_restarts_of_the_log() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (pipeline, source) = source(&format!("files = \"{}/*.log\"", folder.path().display()));
    let mut written = vec![Vec::new(); 3];
    for round in 0..12 {
        let log = open(data.path()).await;
        let blocking = tidemill_log::Blocking::Threads;
        let broker: Arc<dyn Broker> = Arc::new(Embedded::new(Arc::clone(&log), blocking));
        let clock = Arc::new(ManualClock::at(1000));
        let ingest = Ingest::start(&pipeline, &source, Arc::clone(&broker), clock).await.unwrap();
        for (file, lines) in written.iter_mut().enumerate() {
            for part in 0..4 {
                let new: Vec<String> =
                    (0..round * 100).map(|line| format!("{file} {round} {part} {line}")).collect();
                let text: String = new.iter().map(|line| format!("{line}\n")).collect();
                let (first, rest) = text.split_at(text.len() / 3);
                append(folder.path(), &format!("{file}.log"), first);
                tokio::time::sleep(Duration::from_millis(round % 5 * 3)).await;
                append(folder.path(), &format!("{file}.log"), rest);
                lines.extend(new);
            }
        }
        if round == 11 {
            ingest.drain().await.unwrap();
            ingest.stop().await;
            let values = values(&*broker).await;
            for (file, lines) in written.iter().enumerate() {
                let mine = format!("{file} ");
                let found: Vec<&String> =
                    values.iter().filter(|value| value.starts_with(&mine)).collect();
                assert!(
                    found.iter().copied().eq(lines),
                    "file {file}: {} of {}",
                    found.len(),
                    lines.len()
                );
            }
        } else if round % 2 == 0 {
            // Not stopped: the log is closed in the middle of whatever it does.
            log.close().await;
            drop(ingest);
        } else {
            ingest.stop().await;
            log.close().await;
        }
    }
}

#[tokio::test]
async fn a_second_ingester_fences_the_first() {
    let (log, folder) = (MemoryLog::default(), tempfile::tempdir().unwrap());
    let first = start_files(&log, folder.path()).await;
    let second = start_files(&log, folder.path()).await;
    append(folder.path(), "a.log", "1\n");
    log.wait(1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let error = first.failure().expect("it is fenced");
    assert!(!error.is_retryable(), "{error}");
    assert!(second.failure().is_none());
    assert!(matches!(first.drain().await, Err(IngestError::Stopped)));
    first.stop().await;
    second.stop().await;
    assert_eq!(log.lines(), ["1"]);
}

#[tokio::test]
async fn names_file_and_byte_of_a_long_line() {
    let (log, folder) = (MemoryLog::default(), tempfile::tempdir().unwrap());
    append(folder.path(), "a.log", "short\n");
    append(folder.path(), "a.log", &"x".repeat(lines::LINE_BYTES_MAX + 1));
    let ingest = start_files(&log, folder.path()).await;
    let error = ingest.drain().await.unwrap_err();
    let expected = format!(
        "the line at byte 6 of {}/a.log is longer than 1048576 bytes",
        folder.path().display()
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().is_some() && !error.is_retryable());
    ingest.stop().await;
}

#[tokio::test]
async fn names_what_cannot_be_started() {
    let folder = tempfile::tempdir().unwrap();
    let log = MemoryLog::default();
    let pattern = format!("files = \"{}/not-there/*.log\"", folder.path().display());
    let error = start(&log, &pattern).await.unwrap_err();
    assert!(matches!(error, IngestError::Folder { .. }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.starts_with("create the folder")));
    log.0.lock().offsets.insert(1, (5, "{\"version\":9}".to_owned()));
    let pattern = format!("files = \"{}/*.log\"", folder.path().display());
    let error = start(&log, &pattern).await.unwrap_err();
    assert!(matches!(error, IngestError::Position { .. }), "{error}");
}

#[tokio::test]
async fn copies_lines_of_a_socket_and_connects_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let log = MemoryLog::default();
    let ingest =
        start(&log, &format!("socket = \"{}\"", listener.local_addr().unwrap())).await.unwrap();
    let (mut first, _) = listener.accept().await.unwrap();
    first.write_all(b"a\nb").await.unwrap();
    assert_eq!(log.wait(1).await, ["a"]);
    first.write_all(b"b\nlast").await.unwrap();
    drop(first);
    assert_eq!(log.wait(3).await, ["a", "bb", "last"]);
    let (mut second, _) = listener.accept().await.unwrap();
    second.write_all(&b"again\n".repeat(100_000)).await.unwrap();
    assert_eq!(log.wait(100_003).await.len(), 100_003);
    ingest.drain().await.unwrap();
    second.write_all(&vec![b'x'; lines::LINE_BYTES_MAX + 2]).await.unwrap();
    let mut failure = None;
    for _ in 0..500 {
        failure = failure.or_else(|| ingest.failure());
        if failure.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let error = failure.expect("a line without end is refused").to_string();
    assert!(error.starts_with("the line at byte 600000 of 127.0.0.1:"), "{error}");
    ingest.stop().await;
}

#[tokio::test]
async fn stops_while_nobody_answers() {
    let log = MemoryLog::default();
    let ingest = start(&log, "socket = \"127.0.0.1:1\"").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    tokio::time::timeout(Duration::from_secs(5), ingest.stop()).await.expect("it stops at once");
}
