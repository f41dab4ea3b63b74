//! One suite for transactions, producers and groups, run against the machine's disk and the
//! simulated one.

#[macro_use]
mod support;

use std::path::PathBuf;

use support::{at, batch, open, read_all, read_as, small_segments, topic};
use tidemill_log::{
    AppendError, CommittedOffset, Environment, Isolation, LeaderEpoch, Log, LogConfig, Offset,
    ProducerEpoch, ProducerId, Sequence, TransactionError,
};

contract! {
    a_transaction_counts_as_a_whole,
    an_aborted_transaction_does_not_count,
    a_new_holder_fences_the_old_one,
    abandoned_transactions_are_swept,
    open_transactions_hold_back_committed_reads_only,
    a_restart_aborts_what_was_open,
    producers_are_idempotent,
    group_offsets_survive,
    groups_are_saved_and_forgotten,
    internal_topics_stay_small,
}

async fn a_transaction_counts_as_a_whole(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(3)).await.unwrap();
    for number in 0..10 {
        let mut transaction = log.begin("pipeline").await.unwrap();
        for partition in 0..3 {
            for part in ["a", "b"] {
                let batch = batch([format!("{number}{part}")]);
                transaction.append(&at("t", partition), batch).await.unwrap();
            }
        }
        let offset = CommittedOffset::new(Offset::new(number), format!("manifest-{number}"));
        transaction.commit_offsets("pipeline", vec![(at("s", 0), offset)]).await.unwrap();
        let before = log.committed("pipeline");
        assert_eq!(before.first().map_or(-1, |it| it.1.offset.get()), number - 1);
        let committed = transaction.commit().await.unwrap();
        assert_eq!(committed.ends.len(), 4, "three partitions, and the offsets");
        for partition in 0..3 {
            let all = read_all(&log, &at("t", partition));
            assert_eq!(all.len() as i64, 2 * (number + 1), "readable on return");
            let offsets = log.offsets(&at("t", partition)).unwrap();
            assert_eq!(offsets.last_stable, offsets.high_watermark);
        }
        let after = log.committed("pipeline");
        assert_eq!(after[0].1.offset.get(), number);
        assert_eq!(after[0].1.metadata, format!("manifest-{number}"));
    }
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(read_all(&log, &at("t", 2)).len(), 20);
    assert_eq!(log.committed("pipeline")[0].1.offset.get(), 9);
    assert_eq!(log.begin("pipeline").await.unwrap().epoch().get(), 10);
}

async fn an_aborted_transaction_does_not_count(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    log.append(&at("t", 0), batch(["before"])).await.unwrap();
    let mut transaction = log.begin("x").await.unwrap();
    transaction.append(&at("t", 0), batch(["aborted"])).await.unwrap();
    let offset = CommittedOffset::new(Offset::new(7), "");
    transaction.commit_offsets("g", vec![(at("t", 0), offset)]).await.unwrap();
    log.append(&at("t", 0), batch(["between"])).await.unwrap();
    transaction.abort().await.unwrap();
    log.append(&at("t", 0), batch(["after"])).await.unwrap();
    for _ in 0..2 {
        let all = read_all(&log, &at("t", 0));
        let texts: Vec<_> = all.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(texts, ["before", "between", "after"]);
    }
    assert!(log.committed("g").is_empty());
    let raw = log.read(&at("t", 0), Offset::ZERO, 1 << 20, Isolation::Committed).unwrap();
    assert_eq!(raw.aborted.len(), 1);
    assert_eq!(raw.aborted[0].first_offset.get(), 1);
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(read_all(&log, &at("t", 0)).len(), 3);
    assert_eq!(read_as(&log, &at("t", 0), Isolation::Uncommitted, 1 << 20).len(), 4);
    assert!(log.committed("g").is_empty());
}

async fn a_new_holder_fences_the_old_one(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(2)).await.unwrap();
    let mut old = log.begin("x").await.unwrap();
    old.append(&at("t", 0), batch(["old"])).await.unwrap();
    let mut new = log.begin("x").await.unwrap();
    let known = old.append(&at("t", 0), batch(["zombie"])).await.unwrap_err();
    assert!(matches!(known, TransactionError::Fenced { .. }), "{known}");
    let other = old.append(&at("t", 1), batch(["zombie"])).await.unwrap_err();
    assert!(matches!(other, TransactionError::Fenced { .. }), "{other}");
    let commit = old.commit().await.unwrap_err();
    let expected = "the transaction of \"x\" with epoch 0 was fenced; it is aborted";
    assert_eq!(commit.to_string(), expected);
    new.append(&at("t", 0), batch(["new"])).await.unwrap();
    new.commit().await.unwrap();
    assert_eq!(read_all(&log, &at("t", 0)), [(2, "new".to_owned())]);
    assert_eq!(read_all(&log, &at("t", 1)), []);
}

async fn abandoned_transactions_are_swept(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    let mut dropped = log.begin("x").await.unwrap();
    dropped.append(&at("t", 0), batch(["dropped"])).await.unwrap();
    drop(dropped);
    log.append(&at("t", 0), batch(["plain"])).await.unwrap();
    assert_eq!(read_all(&log, &at("t", 0)), [], "held back");
    log.maintain().await;
    assert_eq!(read_all(&log, &at("t", 0)), [(1, "plain".to_owned())]);
    let mut again = log.begin("x").await.unwrap();
    again.append(&at("t", 0), batch(["again"])).await.unwrap();
    again.commit().await.unwrap();
    assert_eq!(read_all(&log, &at("t", 0)).len(), 2);
}

async fn open_transactions_hold_back_committed_reads_only(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    let mut first = log.begin("1").await.unwrap();
    let mut second = log.begin("2").await.unwrap();
    first.append(&at("t", 0), batch(["first"])).await.unwrap();
    second.append(&at("t", 0), batch(["second"])).await.unwrap();
    second.commit().await.unwrap();
    log.append(&at("t", 0), batch(["plain"])).await.unwrap();
    assert_eq!(read_all(&log, &at("t", 0)), []);
    assert_eq!(read_as(&log, &at("t", 0), Isolation::Uncommitted, 1).len(), 3);
    first.commit().await.unwrap();
    assert_eq!(read_all(&log, &at("t", 0)).len(), 3);
}

async fn a_restart_aborts_what_was_open(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(2)).await.unwrap();
    let mut transaction = log.begin("x").await.unwrap();
    transaction.append(&at("t", 0), batch(["open"])).await.unwrap();
    log.append(&at("t", 0), batch(["plain"])).await.unwrap();
    let used = (transaction.producer_id(), transaction.epoch());
    drop((transaction, log));
    let log = open(&dir, &environment).await;
    assert_eq!(read_all(&log, &at("t", 0)), [(1, "plain".to_owned())]);
    let next = log.begin("x").await.unwrap();
    assert_ne!((next.producer_id(), next.epoch()), used, "no two transactions share both");
}

async fn producers_are_idempotent(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    let producer = log.allocate_producer_id().await.unwrap();
    let numbered = |sequence: i32| {
        let mut batch = batch([format!("v{sequence}")]);
        batch.stamp_producer(producer, ProducerEpoch::new(0), Sequence::new(sequence));
        batch
    };
    for sequence in 0..30 {
        log.append(&at("t", 0), numbered(sequence)).await.unwrap();
    }
    for round in 0..2 {
        let again = log.append(&at("t", 0), numbered(27)).await.unwrap();
        assert!(again.duplicate);
        assert_eq!(again.base_offset, Offset::new(27), "round {round}");
        let gap = log.append(&at("t", 0), numbered(31)).await.unwrap_err();
        assert!(matches!(gap, AppendError::Producer { .. }));
        assert!(!gap.is_retryable());
    }
    drop(log);
    let log = open(&dir, &environment).await;
    let again = log.append(&at("t", 0), numbered(28)).await.unwrap();
    assert_eq!((again.duplicate, again.base_offset), (true, Offset::new(28)));
    log.append(&at("t", 0), numbered(30)).await.unwrap();
    assert_eq!(read_all(&log, &at("t", 0)).len(), 31);
    let other = log.allocate_producer_id().await.unwrap();
    assert!(other > producer && other != ProducerId::NONE);
}

async fn group_offsets_survive(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    let offset = |number: i64| CommittedOffset::new(Offset::new(number), format!("m{number}"));
    for number in 0..10 {
        let offsets = vec![(at("t", 0), offset(number)), (at("t", 1), offset(number * 2))];
        log.commit_offsets("g", offsets).await.unwrap();
    }
    log.commit_offsets("h", vec![(at("t", 0), offset(5))]).await.unwrap();
    log.delete_group("h").await.unwrap();
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(log.groups(), ["g"]);
    let committed = log.committed("g");
    assert_eq!(committed.len(), 2);
    assert_eq!(committed[1].0, at("t", 1));
    assert_eq!((committed[1].1.offset.get(), committed[1].1.metadata.as_str()), (18, "m18"));
    let nameless = log.commit_offsets("", vec![]).await.unwrap_err();
    assert_eq!(nameless.to_string(), "a group's name of 0 bytes; 1 to 32767 are allowed");
}

async fn groups_are_saved_and_forgotten(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    let offset = |number: i64| {
        let committed = CommittedOffset::new(Offset::new(number), "m");
        CommittedOffset { leader_epoch: Some(LeaderEpoch::new(3)), ..committed }
    };
    log.save_group("g", Some("members".into())).await.unwrap();
    log.save_group("h", Some("nobody".into())).await.unwrap();
    let offsets = (0..3).map(|partition| (at("t", partition), offset(7))).collect();
    log.commit_offsets("g", offsets).await.unwrap();
    let known = log.committed_at("g", &at("t", 1)).unwrap();
    assert_eq!(CommittedOffset { at_ms: 0, ..known.clone() }, offset(7));
    log.forget_offsets("g", &[at("t", 1), at("u", 0)]).await.unwrap();
    let mut transaction = log.begin("x").await.unwrap();
    transaction.commit_offsets("g", vec![(at("t", 5), offset(1))]).await.unwrap();
    assert_eq!(log.pending_offsets("g"), [at("t", 5)]);
    transaction.abort().await.unwrap();
    assert!(log.pending_offsets("g").is_empty() && log.committed_at("g", &at("t", 5)).is_none());
    log.delete_group("h").await.unwrap();
    log.maintain().await;
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(log.saved_groups(), [("g".into(), "members".into())]);
    let left: Vec<_> = log.committed("g").into_iter().map(|(at, _)| at).collect();
    assert_eq!(left, [at("t", 0), at("t", 2)]);
    log.forget_offsets("g", &left).await.unwrap();
    log.maintain().await;
    log.maintain().await;
    assert_eq!((log.groups().len(), log.saved_groups().len()), (0, 1));
    let large = log.save_group("g", Some(vec![0; 9 << 20].into())).await.unwrap_err();
    assert_eq!(large.hint(), "let fewer members join the group");
}

async fn internal_topics_stay_small(dir: PathBuf, environment: Environment) {
    let config = LogConfig { internal_bytes_max: 8 << 10, ..LogConfig::default() };
    let log = Log::open(&dir, environment.clone(), config).await.unwrap();
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    for number in 0..300 {
        let mut transaction = log.begin("x").await.unwrap();
        transaction.append(&at("t", 0), batch([format!("v{number}")])).await.unwrap();
        let offset = CommittedOffset::new(Offset::new(number), "manifest");
        transaction.commit_offsets("g", vec![(at("s", 0), offset)]).await.unwrap();
        transaction.commit().await.unwrap();
        if number % 10 == 0 {
            log.maintain().await;
            log.compact().await;
        }
    }
    log.maintain().await;
    log.compact().await;
    for name in ["__consumer_offsets", "__transaction_state"] {
        let partition = log.describe(&topic(name)).unwrap().partitions[0];
        assert!(partition.1 < 16 << 10, "{name}: {partition:?}");
    }
    let transactions = log.describe(&topic("__transaction_state")).unwrap().partitions[0];
    assert!(transactions.0.log_start > Offset::ZERO);
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(log.committed("g")[0].1.offset.get(), 299);
    assert_eq!(read_all(&log, &at("t", 0)).len(), 300);
    assert_eq!(log.begin("x").await.unwrap().epoch().get(), 300);
}
