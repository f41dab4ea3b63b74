//! Damage, full disks and I/O errors: each with the message that a person reads.

mod support;

use std::path::{Path, PathBuf};

use support::{at, batch, block_on, chain, open, partition_dir, read_all, small_segments, topic};
use tidemill_log::simulation::{Fault, Simulation};
use tidemill_log::{
    AppendError, CommittedOffset, Dump, Isolation, Log, LogConfig, Offset, TransactionError,
};

const DIR: &str = "/data";

fn segment(base: i64, extension: &str) -> PathBuf {
    partition_dir(Path::new(DIR), &at("t", 0)).join(format!("{base:020}.{extension}"))
}

/// A log with 40 records in some segments; closed, or killed.
async fn filled(simulation: &Simulation, close: bool) -> Vec<(i64, String)> {
    let log = open(Path::new(DIR), &simulation.environment()).await;
    log.create_topic(&topic("t"), small_segments(1)).await.unwrap();
    for number in 0..40 {
        log.append(&at("t", 0), batch([format!("value {number:04}")])).await.unwrap();
    }
    if close {
        log.close().await;
    }
    read_all(&log, &at("t", 0))
}

async fn refused(simulation: &Simulation) -> String {
    let opened = Log::open(Path::new(DIR), simulation.environment(), LogConfig::default()).await;
    let error = opened.expect_err("damage is refused");
    assert!(!error.is_retryable());
    format!("{}; hint: {}", chain(&error), error.hint())
}

/// The segments' base offsets: 12 batches of 81 bytes fit 1 KiB.
const BASES: [i64; 4] = [0, 12, 24, 36];
const BATCH_BYTES: usize = 81;

#[test]
fn the_figures_of_these_tests_hold() {
    block_on(async {
        let simulation = Simulation::new(1);
        filled(&simulation, true).await;
        let mut found: Vec<i64> = Vec::new();
        let environment = simulation.environment();
        let folder = partition_dir(Path::new(DIR), &at("t", 0));
        for entry in environment.disk.list(&folder).unwrap() {
            found.extend(entry.name.strip_suffix(".log").and_then(|name| name.parse::<i64>().ok()));
        }
        assert_eq!(found, BASES);
        simulation
            .disk
            .damage(&segment(36, "log"), |bytes| assert_eq!(bytes.len(), 4 * BATCH_BYTES))
            .unwrap();
    });
}

#[test]
fn damage_among_acknowledged_records_is_refused() {
    for close in [true, false] {
        block_on(async {
            let simulation = Simulation::new(1);
            filled(&simulation, close).await;
            let path = segment(36, "log");
            simulation.disk.damage(&path, |bytes| bytes[BATCH_BYTES + 70] ^= 1).unwrap();
            let message = refused(&simulation).await;
            let start = "open the partitions: `/data/topics/t/0/00000000000000000036.log` is \
                         damaged at byte 81 (offset 37): the batch's checksum is ";
            assert!(message.starts_with(start), "{message}");
            assert!(message.contains("nothing was changed; look with `tidemill log dump`"));
            assert_eq!(refused(&simulation).await, message, "nothing was changed");
            simulation.disk.damage(&path, |bytes| bytes[BATCH_BYTES + 70] ^= 1).unwrap();
            let log = open(Path::new(DIR), &simulation.environment()).await;
            assert_eq!(read_all(&log, &at("t", 0)).len(), 40);
        });
    }
}

#[test]
fn every_damaged_byte_of_the_active_segment_is_noticed() {
    block_on(async {
        let simulation = Simulation::new(1);
        filled(&simulation, true).await;
        for position in 0..4 * BATCH_BYTES {
            let flip = |bytes: &mut Vec<u8>| bytes[position] ^= 0x10;
            simulation.disk.damage(&segment(36, "log"), flip).unwrap();
            let message = refused(&simulation).await;
            let batch = position / BATCH_BYTES;
            let place = format!("damaged at byte {} (offset {})", batch * BATCH_BYTES, 36 + batch);
            assert!(message.contains(&place), "byte {position}: {message}");
            simulation.disk.damage(&segment(36, "log"), flip).unwrap();
        }
    });
}

#[test]
fn acknowledged_records_that_are_cut_off_are_missed() {
    block_on(async {
        let simulation = Simulation::new(1);
        filled(&simulation, false).await;
        let cut = |bytes: &mut Vec<u8>| bytes.truncate(2 * BATCH_BYTES);
        simulation.disk.damage(&segment(36, "log"), cut).unwrap();
        let message = refused(&simulation).await;
        let expected = "damaged at byte 162 (offset 38): records are missing up to offset 40";
        assert!(message.contains(expected), "{message}");
    });
}

#[test]
fn a_torn_tail_is_cut_off_and_clients_notice() {
    block_on(async {
        let simulation = Simulation::new(1);
        let mut expected = filled(&simulation, false).await;
        let torn = batch(["torn"]).bytes()[..70].to_vec();
        let tear = |bytes: &mut Vec<u8>| bytes.extend_from_slice(&torn);
        simulation.disk.damage(&segment(36, "log"), tear).unwrap();
        let verified = Log::verify(Path::new(DIR), &simulation.environment()).unwrap();
        assert_eq!((verified.torn_bytes, verified.is_sound()), (70, true));
        let log = open(Path::new(DIR), &simulation.environment()).await;
        assert_eq!(read_all(&log, &at("t", 0)), expected);
        assert_eq!(log.leader_epoch(&at("t", 0)).unwrap().get(), 1);
        assert_eq!(log.metrics().truncations_total, 1);
        let appended = log.append(&at("t", 0), batch(["after"])).await.unwrap();
        assert_eq!((appended.base_offset.get(), appended.leader_epoch.get()), (40, 1));
        expected.push((40, "after".into()));
        drop(log);
        let log = open(Path::new(DIR), &simulation.environment()).await;
        assert_eq!(read_all(&log, &at("t", 0)), expected);
        assert_eq!(log.leader_epoch(&at("t", 0)).unwrap().get(), 1, "only when cut");
    });
}

#[test]
fn a_missing_segment_is_missed() {
    for base in BASES {
        block_on(async {
            let simulation = Simulation::new(1);
            filled(&simulation, true).await;
            simulation.environment().disk.remove_file(&segment(base, "log")).unwrap();
            let message = refused(&simulation).await;
            let next = base + if base == 36 { 4 } else { 12 };
            let expected = format!("records are missing up to offset {next}");
            assert!(message.contains(&expected), "{base}: {message}");
        });
    }
}

#[test]
fn a_changed_length_of_a_sealed_segment_is_refused() {
    block_on(async {
        let simulation = Simulation::new(1);
        filled(&simulation, true).await;
        simulation.disk.damage(&segment(12, "log"), |bytes| bytes.push(0)).unwrap();
        let message = refused(&simulation).await;
        let expected = "the segment has 973 bytes, but had 972 when it was closed";
        assert!(message.contains(expected), "{message}");
    });
}

#[test]
fn damage_in_a_sealed_segment_is_found_by_readers_and_by_verify() {
    block_on(async {
        let simulation = Simulation::new(1);
        filled(&simulation, true).await;
        let flip = |bytes: &mut Vec<u8>| bytes[3 * BATCH_BYTES + 70] ^= 1;
        simulation.disk.damage(&segment(12, "log"), flip).unwrap();
        let verified = Log::verify(Path::new(DIR), &simulation.environment()).unwrap();
        assert!(!verified.is_sound());
        let finding = verified.findings[0].to_string();
        let place = "`/data/topics/t/0/00000000000000000012.log`, byte 243: offset 15: the batch's";
        assert!(finding.starts_with(place), "{finding}");
        let log = open(Path::new(DIR), &simulation.environment()).await;
        let good = log.read(&at("t", 0), Offset::new(12), 4096, Isolation::Committed).unwrap();
        assert_eq!(good.next, Offset::new(15), "what is before the damage is fine");
        let bad = log.read(&at("t", 0), Offset::new(15), 4096, Isolation::Committed).unwrap_err();
        let start =
            "`/data/topics/t/0/00000000000000000012.log` is damaged at byte 243 (offset 15)";
        assert!(bad.to_string().starts_with(start), "{bad}");
        assert_eq!(bad.hint(), "look with `tidemill log verify`; restore the file from a backup");
    });
}

#[test]
fn every_damaged_byte_of_a_sealed_segment_is_noticed_by_readers() {
    block_on(async {
        let simulation = Simulation::new(1);
        let expected = filled(&simulation, true).await;
        let log = open(Path::new(DIR), &simulation.environment()).await;
        for position in 0..12 * BATCH_BYTES {
            let flip = |bytes: &mut Vec<u8>| bytes[position] ^= 0x04;
            simulation.disk.damage(&segment(12, "log"), flip).unwrap();
            let offset = Offset::new(12 + (position / BATCH_BYTES) as i64);
            for bytes_max in [1, 4096] {
                let read = log.read(&at("t", 0), offset, bytes_max, Isolation::Committed);
                let error = read.expect_err("bad bytes are never returned").to_string();
                assert!(error.contains("000012.log` is damaged at byte"), "{position}: {error}");
            }
            simulation.disk.damage(&segment(12, "log"), flip).unwrap();
        }
        assert_eq!(read_all(&log, &at("t", 0)), expected);
    });
}

#[test]
fn seals_are_made_again() {
    block_on(async {
        let simulation = Simulation::new(1);
        let expected = filled(&simulation, true).await;
        let disk = simulation.environment().disk;
        simulation.disk.damage(&segment(0, "seal"), |bytes| bytes[30] ^= 1).unwrap();
        disk.remove_file(&segment(12, "seal")).unwrap();
        simulation.disk.damage(&segment(24, "seal"), |bytes| bytes.truncate(7)).unwrap();
        let log = open(Path::new(DIR), &simulation.environment()).await;
        assert_eq!(read_all(&log, &at("t", 0)), expected);
        drop(log);
        let verified = Log::verify(Path::new(DIR), &simulation.environment()).unwrap();
        assert_eq!(verified.findings, []);
        for base in [0, 12, 24] {
            assert!(disk.open(&segment(base, "seal"), tidemill_log::OpenMode::Read).is_ok());
        }
    });
}

#[test]
fn a_lost_seal_does_not_excuse_damage() {
    block_on(async {
        let simulation = Simulation::new(1);
        filled(&simulation, true).await;
        simulation.environment().disk.remove_file(&segment(12, "seal")).unwrap();
        simulation.disk.damage(&segment(12, "log"), |bytes| bytes[70] ^= 1).unwrap();
        let message = refused(&simulation).await;
        assert!(message.contains("00000000000000000012.log` is damaged at byte 0"), "{message}");
    });
}

#[test]
fn without_a_mark_only_a_plain_end_is_cut() {
    block_on(async {
        let mark = partition_dir(Path::new(DIR), &at("t", 0)).join("durable.mark");
        let simulation = Simulation::new(1);
        filled(&simulation, true).await;
        simulation.environment().disk.remove_file(&mark).unwrap();
        simulation.disk.damage(&segment(36, "log"), |bytes| bytes[BATCH_BYTES + 70] ^= 1).unwrap();
        assert!(refused(&simulation).await.contains("byte 81"));
        simulation.disk.damage(&segment(36, "log"), |bytes| bytes.truncate(100)).unwrap();
        let log = open(Path::new(DIR), &simulation.environment()).await;
        assert_eq!(read_all(&log, &at("t", 0)).len(), 37);
        assert_eq!(log.leader_epoch(&at("t", 0)).unwrap().get(), 1, "clients must notice");
    });
}

#[test]
fn unknown_versions_and_foreign_files_are_refused_by_name() {
    let partition = partition_dir(Path::new(DIR), &at("t", 0));
    let files = [
        (PathBuf::from("/data/tidemill.data"), "data folder", 1),
        (PathBuf::from("/data/producer-ids"), "producer id file", 1),
        (PathBuf::from("/data/topics/t/topic.state"), "topic description", 2),
        (partition.join("partition.state"), "partition state", 2),
        (partition.join("durable.mark"), "durable mark", 1),
        (segment(12, "seal"), "segment seal", 1),
    ];
    for (path, name, version) in files {
        block_on(async {
            let simulation = Simulation::new(1);
            filled(&simulation, true).await;
            let log = open(Path::new(DIR), &simulation.environment()).await;
            log.allocate_producer_id().await.unwrap();
            drop(log);
            simulation.disk.damage(&path, |bytes| bytes[11] = 9).unwrap();
            let message = refused(&simulation).await;
            let expected = format!(
                "`{}` is a {name} of version 9; this build understands version {version}; \
                 hint: start the version of Tidemill that wrote the folder",
                path.display()
            );
            assert!(message.ends_with(&expected), "{message}");
            if name != "segment seal" {
                simulation.disk.damage(&path, |bytes| bytes[0] = b'X').unwrap();
                let message = refused(&simulation).await;
                assert!(message.contains(&format!("is not a {name}")), "{message}");
            }
        });
    }
}

#[test]
fn a_failed_sync_poisons_the_partition_until_restart() {
    block_on(async {
        let simulation = Simulation::new(1);
        let log = open(Path::new(DIR), &simulation.environment()).await;
        log.create_topic(&topic("t"), small_segments(2)).await.unwrap();
        log.append(&at("t", 0), batch(["before"])).await.unwrap();
        // The write is the next operation, the sync the one after it.
        simulation.disk.fail_at(simulation.disk.operations() + 2, Fault::Error);
        let first = log.append(&at("t", 0), batch(["lost"])).await.unwrap_err();
        let expected =
            "t-0 takes no appends until restart, since an I/O error: sync: simulated I/O error";
        assert_eq!(first.to_string(), expected);
        assert_eq!(first.hint(), "check the disk, then restart the host");
        assert!(!first.is_retryable());
        let second = log.append(&at("t", 0), batch(["refused"])).await.unwrap_err();
        assert_eq!(second.to_string(), expected, "never retry and acknowledge");
        assert_eq!(read_all(&log, &at("t", 0)), [(0, "before".to_owned())]);
        log.append(&at("t", 1), batch(["elsewhere"])).await.unwrap();
        let mut transaction = log.begin("x").await.unwrap();
        let refused = transaction.append(&at("t", 0), batch(["v"])).await.unwrap_err();
        assert!(matches!(refused, TransactionError::Append(AppendError::Poisoned { .. })));
        drop(transaction);
        assert_eq!(log.metrics().poisoned_partitions, 1);
        drop(log);
        let log = open(Path::new(DIR), &simulation.environment()).await;
        log.append(&at("t", 0), batch(["after"])).await.unwrap();
        assert_eq!(read_all(&log, &at("t", 0)).last().unwrap().1, "after");
    });
}

#[test]
fn a_full_disk_leaves_nothing_half_done() {
    block_on(async {
        let simulation = Simulation::new(1);
        let log = open(Path::new(DIR), &simulation.environment()).await;
        log.create_topic(&topic("t"), small_segments(2)).await.unwrap();
        let mut expected = Vec::new();
        for number in 0..5 {
            log.append(&at("t", 0), batch([format!("v{number}")])).await.unwrap();
            expected.push((number, format!("v{number}")));
        }
        simulation.disk.limit_bytes(Some(simulation.disk.bytes() + 40));
        let full = log.append(&at("t", 0), batch(["too much"])).await.unwrap_err();
        assert_eq!(full.to_string(), "append 79 bytes to t-0: the disk is full");
        assert!(full.is_retryable());
        assert_eq!(full.hint(), "free space or shorten the retention, then append again");
        let mut transaction = log.begin("x").await.unwrap();
        let full = transaction.append(&at("t", 0), batch(["too much"])).await.unwrap_err();
        assert!(full.is_retryable(), "{full}");
        transaction.abort().await.unwrap_err();
        let offset = CommittedOffset::new(Offset::new(1), "");
        let full = log.commit_offsets("g", vec![(at("t", 0), offset)]).await.unwrap_err();
        assert!(full.is_retryable(), "{full}");
        assert_eq!(read_all(&log, &at("t", 0)), expected, "what is there is fine");
        simulation.disk.limit_bytes(None);
        log.maintain().await;
        let appended = log.append(&at("t", 0), batch(["again"])).await.unwrap();
        let last = read_all(&log, &at("t", 0)).pop().unwrap();
        assert_eq!(last, (appended.base_offset.get(), "again".into()));
        drop(log);
        let verified = Log::verify(Path::new(DIR), &simulation.environment()).unwrap();
        assert_eq!((verified.findings.as_slice(), verified.torn_bytes), (&[][..], 0));
    });
}

#[test]
fn a_full_disk_at_any_byte_loses_nothing() {
    for room in 0..600 {
        block_on(async {
            let simulation = Simulation::new(1);
            let log = open(Path::new(DIR), &simulation.environment()).await;
            log.create_topic(&topic("t"), small_segments(2)).await.unwrap();
            log.append(&at("t", 0), batch(["first"])).await.unwrap();
            let mut transaction = log.begin("x").await.unwrap();
            simulation.disk.limit_bytes(Some(simulation.disk.bytes() + room));
            let mut written = true;
            for partition in 0..2 {
                let appended = transaction.append(&at("t", partition), batch(["in"])).await;
                written &= appended.is_ok();
            }
            // Either way the handle is gone, which would keep the folder open.
            let committed = match Some(transaction).filter(|_| written) {
                Some(transaction) => transaction.commit().await.is_ok(),
                None => false,
            };
            simulation.disk.limit_bytes(None);
            log.maintain().await;
            let counts = |log: &Log| {
                let count = |partition| {
                    let all = read_all(log, &at("t", partition));
                    all.iter().filter(|(_, value)| value == "in").count()
                };
                (count(0), count(1))
            };
            let after = counts(&log);
            assert!(after == (0, 0) || after == (1, 1), "room {room}: {after:?}");
            assert!(!committed || after == (1, 1), "room {room}");
            drop(log);
            let log = open(Path::new(DIR), &simulation.environment()).await;
            assert_eq!(counts(&log), after, "room {room}");
            let mut last = log.begin("x").await.unwrap();
            last.append(&at("t", 0), batch(["last"])).await.unwrap();
            last.commit().await.unwrap();
        });
    }
}

#[test]
fn a_dump_lists_every_batch() {
    block_on(async {
        let simulation = Simulation::new(1);
        filled(&simulation, true).await;
        let flip = |bytes: &mut Vec<u8>| bytes[BATCH_BYTES + 70] ^= 1;
        simulation.disk.damage(&segment(36, "log"), flip).unwrap();
        let dump = Dump::open(Path::new(DIR), simulation.environment()).unwrap();
        let all: Vec<_> = dump.map(Result::unwrap).filter(|it| it.at == at("t", 0)).collect();
        assert_eq!(all.len(), 38, "what is damaged ends its segment");
        let last = all.last().unwrap();
        assert_eq!((last.position, last.batch.is_err()), (81, true));
        let first = all[0].as_batch().unwrap();
        assert_eq!(first.records().unwrap().next().unwrap().unwrap().value.unwrap(), b"value 0000");
        let elsewhere = Dump::open(Path::new("/nowhere"), simulation.environment()).err().unwrap();
        assert_eq!(elsewhere.to_string(), "read data folder `/nowhere/tidemill.data`");
    });
}
