//! Many clients at once on the machine's own threads and disk.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::{at, batch, block_on_threads, chain, open, read_all, small_segments, topic, values};
use tidemill_log::{
    CommittedOffset, Environment, Isolation, Log, LogConfig, Offset, TopicConfig, TransactionError,
};

const CLIENTS: usize = 16;
const APPENDS: usize = 60;

/// Follows a partition until `until` records were seen.
async fn follow(log: Arc<Log>, partition: u32, until: usize) -> Vec<String> {
    let at = at("t", partition);
    let mut offsets = log.subscribe(&at).unwrap();
    let mut from = Offset::ZERO;
    let mut seen = Vec::new();
    while seen.len() < until {
        let fetched = log.read(&at, from, 4096, Isolation::Committed);
        let fetched = fetched.unwrap_or_else(|error| panic!("{}", chain(&error)));
        if fetched.bytes.is_empty() {
            let waited = tokio::time::timeout(Duration::from_secs(60), offsets.changed()).await;
            waited.expect("the rest comes").unwrap();
            continue;
        }
        seen.extend(values(&fetched, from).into_iter().map(|(_, value)| value));
        from = fetched.next;
    }
    seen
}

/// The numbers of each client must come in order.
fn assert_in_order(seen: &[String]) {
    let mut last = std::collections::HashMap::new();
    for value in seen {
        let (client, number) = value.split_once('/').unwrap();
        let number: usize = number.parse().unwrap();
        let before = last.insert(client.to_owned(), number);
        assert!(before.is_none_or(|before| before < number), "{value} after {before:?}");
    }
}

#[test]
fn appends_transactions_and_readers_get_along() {
    let dir = tempfile::tempdir().unwrap();
    block_on_threads(async {
        let environment = Environment::real();
        let log = open(dir.path(), &environment).await;
        let config = TopicConfig { segment_bytes: 16 << 10, ..small_segments(2) };
        log.create_topic(&topic("t"), config).await.unwrap();
        let readers: Vec<_> = (0..2)
            .map(|partition| tokio::spawn(follow(log.clone(), partition, 2 * CLIENTS * APPENDS)))
            .collect();
        let done = Arc::new(AtomicBool::new(false));
        let keeper = tokio::spawn({
            let (log, done) = (log.clone(), done.clone());
            async move {
                while !done.load(Ordering::Relaxed) {
                    log.maintain().await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
        let mut clients = Vec::new();
        for client in 0..CLIENTS {
            let appender = log.clone();
            clients.push(tokio::spawn(async move {
                for number in 0..APPENDS {
                    for partition in 0..2 {
                        let batch = batch([format!("a{client}/{number}")]);
                        appender.append(&at("t", partition), batch).await.unwrap();
                    }
                }
            }));
            let transactor = log.clone();
            clients.push(tokio::spawn(async move {
                for number in 0..APPENDS {
                    let mut transaction = transactor.begin(&format!("x{client}")).await.unwrap();
                    for partition in 0..2 {
                        let batch = batch([format!("x{client}/{number}")]);
                        transaction.append(&at("t", partition), batch).await.unwrap();
                    }
                    let offset = CommittedOffset::new(Offset::new(number as i64), "m");
                    let offsets = vec![(at("s", 0), offset)];
                    transaction.commit_offsets(&format!("x{client}"), offsets).await.unwrap();
                    if number % 7 == 3 {
                        transaction.abort().await.unwrap();
                        transaction = transactor.begin(&format!("x{client}")).await.unwrap();
                        for partition in 0..2 {
                            let batch = batch([format!("x{client}/{number}")]);
                            transaction.append(&at("t", partition), batch).await.unwrap();
                        }
                    }
                    transaction.commit().await.unwrap();
                }
            }));
        }
        for client in clients {
            client.await.unwrap();
        }
        for reader in readers {
            assert_in_order(&reader.await.unwrap());
        }
        done.store(true, Ordering::Relaxed);
        keeper.await.unwrap();
        let metrics = log.metrics();
        assert_eq!(metrics.commits_total, (CLIENTS * APPENDS) as u64);
        assert!(metrics.syncs_total < metrics.appends_total, "syncs are shared: {metrics:?}");
        drop(log);
        let log = open(dir.path(), &environment).await;
        for partition in 0..2 {
            assert_eq!(read_all(&log, &at("t", partition)).len(), 2 * CLIENTS * APPENDS);
        }
        drop(log);
        assert_eq!(Log::verify(dir.path(), &environment).unwrap().findings, []);
    });
}

#[test]
fn holders_of_one_id_fence_each_other() {
    let dir = tempfile::tempdir().unwrap();
    block_on_threads(async {
        let log = open(dir.path(), &Environment::real()).await;
        log.create_topic(&topic("t"), small_segments(2)).await.unwrap();
        let rivals: Vec<_> = (0..8)
            .map(|rival| {
                let log = log.clone();
                tokio::spawn(async move {
                    let mut committed = Vec::new();
                    for number in 0..40 {
                        let value = format!("{rival}/{number}");
                        if compete(&log, &value).await {
                            committed.push(value);
                        }
                    }
                    committed
                })
            })
            .collect();
        let mut committed = Vec::new();
        for rival in rivals {
            committed.extend(rival.await.unwrap());
        }
        log.maintain().await;
        committed.sort_unstable();
        for partition in 0..2 {
            let all = read_all(&log, &at("t", partition));
            let mut found: Vec<_> = all.into_iter().map(|(_, value)| value).collect();
            found.sort_unstable();
            assert_eq!(found, committed, "what was committed counts, and nothing else");
        }
    });
}

/// Tries to commit `value` in two partitions; whether it was committed.
async fn compete(log: &Log, value: &str) -> bool {
    let is_fenced = |error: &TransactionError| matches!(error, TransactionError::Fenced { .. });
    let mut transaction = log.begin("one").await.unwrap();
    for partition in 0..2 {
        tokio::task::yield_now().await;
        if let Err(error) = transaction.append(&at("t", partition), batch([value])).await {
            assert!(is_fenced(&error), "{}", chain(&error));
            return false;
        }
    }
    match transaction.commit().await {
        Ok(_) => true,
        Err(error) => {
            assert!(is_fenced(&error), "{}", chain(&error));
            false
        }
    }
}

#[test]
fn a_dropped_append_gives_the_lead_back() {
    let dir = tempfile::tempdir().unwrap();
    block_on_threads(async {
        let log = open(dir.path(), &Environment::real()).await;
        log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
        for number in 0..200 {
            let client = tokio::spawn({
                let log = log.clone();
                async move { log.append(&at("t", 0), batch(["dropped"])).await }
            });
            for _ in 0..number % 4 {
                tokio::task::yield_now().await;
            }
            client.abort();
            let place = at("t", 0);
            let kept = log.append(&place, batch(["kept"]));
            tokio::time::timeout(Duration::from_secs(30), kept).await.expect("no hang").unwrap();
        }
        let all = read_all(&log, &at("t", 0));
        assert_eq!(all.iter().filter(|(_, value)| value == "kept").count(), 200);
    });
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    block_on_threads(async {
        let config = LogConfig { recovery_threads: 0, ..LogConfig::default() };
        let opened = Log::open(dir.path(), Environment::real(), config).await;
        let expected = "settings of the log: recovery_threads = 0 is not between 1 and 256";
        assert_eq!(chain(&opened.unwrap_err()), expected);
    });
}
