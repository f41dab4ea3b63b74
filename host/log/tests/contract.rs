//! One suite for disk, records and topics, run against the machine's disk and the simulated one.

#[macro_use]
mod support;

use std::path::{Path, PathBuf};

use support::{at, batch, chain, open, read_all, read_as, small_segments, stamped, topic, values};
use tidemill_log::{
    CommittedOffset, Environment, Flush, Isolation, LeaderEpoch, Log, LogConfig, Offset, OpenMode,
    ReadError, Setting, TopicConfig, TopicError,
};

contract! {
    files_keep_what_is_written,
    names_move_and_vanish,
    a_lock_is_held_once,
    appends_are_read_back,
    reads_return_whole_batches,
    reads_out_of_range_are_refused,
    timestamps_are_found,
    everything_survives_a_restart,
    topics_are_made_listed_and_deleted,
    retention_deletes_whole_segments,
    records_are_deleted_on_request,
    relaxed_topics_answer_at_once,
    watchers_wake,
    epochs_and_newest_timestamps_are_told,
    a_relaxed_topic_begins_an_epoch_with_every_start,
    partitions_are_added,
    settings_change_by_name_and_at_once,
}

async fn files_keep_what_is_written(dir: PathBuf, environment: Environment) {
    let disk = &*environment.disk;
    disk.create_dir_all(&dir).unwrap();
    let path = dir.join("f");
    assert!(disk.open(&path, OpenMode::Read).is_err());
    let file = disk.open(&path, OpenMode::Create).unwrap();
    file.write_at(b"world", 6).unwrap();
    file.write_at(b"hello ", 0).unwrap();
    file.sync_data().unwrap();
    let mut bytes = [0; 20];
    let again = disk.open(&path, OpenMode::Read).unwrap();
    assert_eq!(again.read_at(&mut bytes, 0).unwrap(), 11);
    assert_eq!(&bytes[..11], b"hello world");
    assert_eq!(again.read_at(&mut bytes, 99).unwrap(), 0);
    assert!(again.write_at(b"x", 0).is_err(), "opened for reading");
    file.set_length(5).unwrap();
    assert_eq!(again.length().unwrap(), 5);
    file.set_length(7).unwrap();
    assert_eq!(again.read_at(&mut bytes, 0).unwrap(), 7);
    assert_eq!(&bytes[..7], b"hello\0\0");
    disk.open(&path, OpenMode::Create).unwrap();
    assert_eq!(again.length().unwrap(), 0, "made anew");
}

async fn names_move_and_vanish(dir: PathBuf, environment: Environment) {
    let disk = &*environment.disk;
    disk.create_dir_all(&dir.join("a/b")).unwrap();
    let write = |path: &Path, bytes: &[u8]| {
        let file = disk.open(path, OpenMode::Create).unwrap();
        file.write_at(bytes, 0).unwrap();
        file
    };
    let old = write(&dir.join("a/old"), b"old");
    write(&dir.join("a/new"), b"newer");
    disk.rename(&dir.join("a/new"), &dir.join("a/old")).unwrap();
    assert_eq!(disk.open(&dir.join("a/old"), OpenMode::Read).unwrap().length().unwrap(), 5);
    assert_eq!(old.length().unwrap(), 3, "an open file outlives its name");
    let names = |dir: &Path| -> Vec<String> {
        disk.list(dir).unwrap().into_iter().map(|entry| entry.name).collect()
    };
    assert_eq!(names(&dir.join("a")), ["b", "old"]);
    assert!(disk.remove_dir(&dir.join("a")).is_err(), "not empty");
    disk.rename(&dir.join("a"), &dir.join("c")).unwrap();
    disk.sync_dir(&dir).unwrap();
    assert_eq!(names(&dir), ["c"]);
    disk.remove_file(&dir.join("c/old")).unwrap();
    disk.remove_dir(&dir.join("c/b")).unwrap();
    disk.remove_dir(&dir.join("c")).unwrap();
    assert!(names(&dir).is_empty());
}

async fn a_lock_is_held_once(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    let second = Log::open(&dir, environment.clone(), LogConfig::default()).await.unwrap_err();
    let expected = format!("the data folder `{}` is in use by another host", dir.display());
    assert_eq!(second.to_string(), expected);
    assert_eq!(second.hint(), "stop the other host, or choose another folder with --data");
    assert!(Log::verify(&dir, &environment).is_err(), "nor can it be looked at");
    log.close().await;
    drop(log);
    drop(open(&dir, &environment).await);
}

async fn appends_are_read_back(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(2)).await.unwrap();
    for number in 0..50 {
        let appended = log.append(&at("t", 0), batch([format!("v{number}")])).await.unwrap();
        assert_eq!(appended.base_offset, Offset::new(number));
    }
    let expected: Vec<_> = (0..50).map(|number| (number, format!("v{number}"))).collect();
    for bytes_max in [1, 100, 700, 1 << 20] {
        let all = read_as(&log, &at("t", 0), Isolation::Committed, bytes_max);
        assert_eq!(all, expected, "{bytes_max}");
    }
    assert_eq!(read_all(&log, &at("t", 1)), []);
    let unknown = log.append(&at("t", 2), batch(["v"])).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no partition t-2");
    let metrics = log.metrics();
    assert_eq!(metrics.append_records_total, 50);
    assert!(metrics.syncs_total > 0);
}

async fn reads_return_whole_batches(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    for number in 0..20 {
        let values = (0..10).map(|index| format!("v{number}-{index}"));
        log.append(&at("t", 0), batch(values)).await.unwrap();
    }
    for from in 0..200 {
        let fetched = log.read(&at("t", 0), Offset::new(from), 1, Isolation::Committed).unwrap();
        let all = values(&fetched, Offset::ZERO);
        assert_eq!(all.first().unwrap().0, from - from % 10, "the batch that contains {from}");
        assert_eq!(all.len(), 10);
        assert_eq!(fetched.next.get(), from - from % 10 + 10);
    }
}

async fn reads_out_of_range_are_refused(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    log.append(&at("t", 0), batch(["a", "b"])).await.unwrap();
    let at_end = log.read(&at("t", 0), Offset::new(2), 100, Isolation::Committed).unwrap();
    assert!(at_end.bytes.is_empty());
    for beyond in [-1, 3] {
        let error = log.read(&at("t", 0), Offset::new(beyond), 100, Isolation::Committed);
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), format!("offset {beyond} of t-0 is not between 0 and 2"));
    }
    let unknown = log.read(&at("u", 0), Offset::ZERO, 100, Isolation::Committed).unwrap_err();
    assert!(matches!(unknown, ReadError::UnknownPartition { .. }));
}

async fn timestamps_are_found(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    for number in 0..60 {
        log.append(&at("t", 0), stamped(["a", "b"], 1_000 + number * 10)).await.unwrap();
    }
    for restart in 0..2 {
        for (wanted, offset, found) in
            [(0, 0, 1_000), (1_000, 0, 1_000), (1_001, 2, 1_010), (1_590, 118, 1_590)]
        {
            let result = log.offset_for_timestamp(&at("t", 0), wanted, Isolation::Committed);
            assert_eq!(result.unwrap(), Some((Offset::new(offset), found)), "{wanted} {restart}");
        }
        let late = log.offset_for_timestamp(&at("t", 0), 1_591, Isolation::Committed).unwrap();
        assert_eq!(late, None);
    }
}

async fn everything_survives_a_restart(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    let config = small_segments(1);
    log.create_topic(&topic("t"), config.clone()).await.unwrap();
    let id = log.describe(&topic("t")).unwrap().id;
    let mut expected = Vec::new();
    let mut log = Some(log);
    for round in 0..4 {
        let current = match log.take() {
            Some(log) => log,
            None => open(&dir, &environment).await,
        };
        for number in 0..17 {
            let value = format!("v{round}-{number}");
            let appended = current.append(&at("t", 0), batch([&value])).await.unwrap();
            expected.push((appended.base_offset.get(), value));
        }
        assert_eq!(read_all(&current, &at("t", 0)), expected);
        let described = current.describe(&topic("t")).unwrap();
        assert_eq!((described.id, &described.config), (id, &config));
        assert_eq!(current.leader_epoch(&at("t", 0)).unwrap().get(), 0, "nothing was torn");
        // Every second time without closing.
        if round % 2 == 0 {
            current.close().await;
        }
    }
    let verified = Log::verify(&dir, &environment).unwrap();
    assert_eq!(verified.findings, []);
    assert_eq!(verified.records, 4 * 17);
}

async fn topics_are_made_listed_and_deleted(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("b"), small_segments(3)).await.unwrap();
    log.create_topic(&topic("a"), small_segments(1)).await.unwrap();
    let again = log.create_topic(&topic("a"), small_segments(1)).await.unwrap_err();
    assert_eq!(again.to_string(), "topic a exists already");
    let internal = log.create_topic(&topic("__a"), small_segments(1)).await.unwrap_err();
    assert!(matches!(internal, TopicError::Internal { .. }));
    let none = TopicConfig { partitions: 0, ..TopicConfig::default() };
    let none = log.create_topic(&topic("c"), none).await.unwrap_err();
    let expected = "settings of topic c: partitions = 0 is not between 1 and 10000";
    assert_eq!(chain(&none), expected);
    let names = |log: &Log| log.topics().iter().map(ToString::to_string).collect::<Vec<_>>();
    let internal = ["__consumer_offsets", "__transaction_state"];
    assert_eq!(names(&log), [&internal[..], &["a", "b"]].concat());
    log.append(&at("b", 1), batch(["v"])).await.unwrap();
    let committed = CommittedOffset::new(Offset::new(1), "");
    log.commit_offsets("g", vec![(at("b", 1), committed)]).await.unwrap();
    log.delete_topic(&topic("b")).await.unwrap();
    assert!(log.delete_topic(&topic("b")).await.is_err());
    assert!(log.committed("g").is_empty(), "offsets go with their topic");
    log.create_topic(&topic("b"), small_segments(2)).await.unwrap();
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(log.describe(&topic("b")).unwrap().partitions.len(), 2);
    assert_eq!(read_all(&log, &at("b", 1)), []);
    assert!(log.committed("g").is_empty());
}

async fn retention_deletes_whole_segments(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    let config = TopicConfig { retention_bytes: Some(3_000), ..small_segments(1) };
    log.create_topic(&topic("t"), config).await.unwrap();
    for number in 0..100 {
        log.append(&at("t", 0), batch([format!("value {number:020}")])).await.unwrap();
    }
    let before = log.describe(&topic("t")).unwrap().partitions[0];
    log.maintain().await;
    let after = log.describe(&topic("t")).unwrap().partitions[0];
    assert!(before.1 > 9_000 && after.1 < 4_200, "{before:?} {after:?}");
    let start = after.0.log_start;
    assert!(start > Offset::ZERO);
    let gone = log.read(&at("t", 0), Offset::ZERO, 100, Isolation::Committed).unwrap_err();
    assert!(matches!(gone, ReadError::OutOfRange { .. }));
    let left = read_all(&log, &at("t", 0));
    assert_eq!(left.first().unwrap().0, start.get());
    assert_eq!(left.last().unwrap().0, 99);
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(read_all(&log, &at("t", 0)), left);
}

async fn records_are_deleted_on_request(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    for number in 0..40 {
        log.append(&at("t", 0), batch([format!("v{number}")])).await.unwrap();
    }
    let start = log.delete_records(&at("t", 0), Offset::new(25)).await.unwrap();
    assert_eq!(start, Offset::new(25));
    assert_eq!(read_all(&log, &at("t", 0)).len(), 15);
    let start = log.delete_records(&at("t", 0), Offset::new(10)).await.unwrap();
    assert_eq!(start, Offset::new(25), "never back");
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(read_all(&log, &at("t", 0)).first().unwrap().0, 25);
    let start = log.delete_records(&at("t", 0), Offset::new(99)).await.unwrap();
    assert_eq!(start, Offset::new(40), "not beyond what is stable");
    log.append(&at("t", 0), batch(["more"])).await.unwrap();
    assert_eq!(read_all(&log, &at("t", 0)), [(40, "more".to_owned())]);
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(read_all(&log, &at("t", 0)), [(40, "more".to_owned())]);
}

async fn relaxed_topics_answer_at_once(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    let config = TopicConfig { flush: Flush::IntervalMs(60_000), ..small_segments(1) };
    log.create_topic(&topic("t"), config).await.unwrap();
    let before = log.metrics().syncs_total;
    for number in 0..20 {
        log.append(&at("t", 0), batch([format!("v{number}")])).await.unwrap();
    }
    assert_eq!(log.metrics().syncs_total, before, "nobody waited for the disk");
    assert_eq!(read_all(&log, &at("t", 0)).len(), 20);
    let mut transaction = log.begin("x").await.unwrap();
    transaction.append(&at("t", 0), batch(["committed"])).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(log.metrics().syncs_total > before, "a commit is durable even so");
    log.close().await;
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(read_all(&log, &at("t", 0)).len(), 21);
}

async fn watchers_wake(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    let mut offsets = log.subscribe(&at("t", 0)).unwrap();
    offsets.mark_unchanged();
    log.append(&at("t", 0), batch(["a", "b"])).await.unwrap();
    offsets.changed().await.unwrap();
    assert_eq!(offsets.borrow_and_update().last_stable, Offset::new(2));
    let mut transaction = log.begin("x").await.unwrap();
    transaction.append(&at("t", 0), batch(["c"])).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(offsets.has_changed().unwrap());
    assert_eq!(offsets.borrow_and_update().last_stable, Offset::new(4));
}

async fn epochs_and_newest_timestamps_are_told(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    assert_eq!(log.offset_of_max_timestamp(&at("t", 0), Isolation::Committed).unwrap(), None);
    for (value, timestamp_ms) in [("a", 1_000), ("b", 9_000), ("c", 2_000), ("d", 9_000)] {
        log.append(&at("t", 0), stamped([value], timestamp_ms)).await.unwrap();
    }
    let newest = || log.offset_of_max_timestamp(&at("t", 0), Isolation::Committed).unwrap();
    assert_eq!(newest(), Some((Offset::new(1), 9_000)), "the first of the newest");
    log.delete_records(&at("t", 0), Offset::new(2)).await.unwrap();
    assert_eq!(newest(), Some((Offset::new(3), 9_000)));
    let epoch = LeaderEpoch::new(0);
    let end = log.end_of_epoch(&at("t", 0), epoch).unwrap();
    assert_eq!(end, Some((epoch, Offset::new(4))));
    assert_eq!(log.end_of_epoch(&at("t", 0), LeaderEpoch::new(1)).unwrap(), None);
    assert_eq!(log.epoch_at(&at("t", 0), Offset::new(3)).unwrap(), epoch);
}

async fn a_relaxed_topic_begins_an_epoch_with_every_start(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    let config = TopicConfig { flush: Flush::IntervalMs(1_000), ..small_segments(1) };
    log.create_topic(&topic("r"), config).await.unwrap();
    log.append(&at("r", 0), batch(["a"])).await.unwrap();
    log.close().await;
    drop(log);
    let log = open(&dir, &environment).await;
    let first = log.end_of_epoch(&at("r", 0), LeaderEpoch::new(0)).unwrap().unwrap();
    assert_eq!(first.1, Offset::new(1));
    assert!(log.leader_epoch(&at("r", 0)).unwrap() > LeaderEpoch::new(0));
    assert_eq!(read_all(&log, &at("r", 0)), [(0, "a".into())]);
}

async fn partitions_are_added(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    log.append(&at("t", 0), batch(["a"])).await.unwrap();
    log.add_partitions(&topic("t"), 3).await.unwrap();
    log.append(&at("t", 2), batch(["b"])).await.unwrap();
    let fewer = log.add_partitions(&topic("t"), 3).await.unwrap_err();
    assert_eq!(fewer.to_string(), "topic t has 3 partitions; their number cannot be changed to 3");
    let many = log.add_partitions(&topic("t"), 10_001).await.unwrap_err();
    assert!(matches!(many, TopicError::Config { .. }));
    assert!(log.add_partitions(&topic("u"), 3).await.is_err());
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(log.describe(&topic("t")).unwrap().partitions.len(), 3);
    assert_eq!(read_all(&log, &at("t", 0)), [(0, "a".into())]);
    assert_eq!(read_all(&log, &at("t", 2)), [(0, "b".into())]);
}

async fn settings_change_by_name_and_at_once(dir: PathBuf, environment: Environment) {
    let log = open(&dir, &environment).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    for number in 0..40 {
        log.append(&at("t", 0), batch([format!("v{number}")])).await.unwrap();
    }
    let set = |value: &str| Some(value.to_owned());
    let changes = vec![(Setting::RetentionBytes, set("1000")), (Setting::FlushMs, set("250"))];
    let config = log.alter_topic(&topic("t"), changes).await.unwrap();
    assert_eq!((config.retention_bytes, config.flush), (Some(1_000), Flush::IntervalMs(250)));
    log.maintain().await;
    assert!(log.offsets(&at("t", 0)).unwrap().log_start > Offset::ZERO, "it counts at once");
    // All or nothing.
    let changes = vec![(Setting::SegmentMs, set("1000")), (Setting::RetentionMs, set("soon"))];
    let refused = log.alter_topic(&topic("t"), changes).await.unwrap_err();
    let expected = "settings of topic t: invalid value soon for retention.ms: \
                    a number between 0 and 9223372036854775807";
    assert_eq!(chain(&refused), expected);
    drop(log);
    let log = open(&dir, &environment).await;
    assert_eq!(log.describe(&topic("t")).unwrap().config, config);
    let config = log.alter_topic(&topic("t"), vec![(Setting::FlushMs, None)]).await.unwrap();
    assert_eq!(config.flush, Flush::Always);
    assert!(log.alter_topic(&topic("__consumer_offsets"), vec![]).await.is_err());
}
