//! Power is lost at every I/O operation of random scripts; many legal images of the disk are
//! recovered, and compared with what had been acknowledged.
//!
//! A failure prints `TIDEMILL_SEED=script:operation:image`; with that variable only this one is
//! run again. `TIDEMILL_SEEDS` multiplies the number of scripts.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use support::{at, batch, block_on, chain, open, read_all, small_segments, topic};
use tidemill_log::simulation::{Fault, SimulatedRandom, Simulation};
use tidemill_log::{
    AppendError, BatchBuilder, Cleanup, Codec, CommittedOffset, Flush, GroupError, Isolation, Log,
    LogConfig, Offset, Ratio, RecordReader, TopicConfig, Transaction, TransactionError,
};

const DIR: &str = "/data";
const PARTITIONS: u64 = 3;
const STEPS: u64 = 28;

/// What the client knows of something it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It must be there.
    Acknowledged,
    /// It may be there, whole.
    Unknown,
    /// It must not be there.
    Refused,
}

/// A record that was asked for.
#[derive(Clone, Debug)]
struct Asked {
    partition: u64,
    value: String,
    /// Where it must be, if that was said.
    offset: Option<i64>,
    outcome: Outcome,
    /// The transaction that it belongs to.
    transaction: Option<u64>,
}

/// A record of the compacted topic that was asked for; without a value it is a tombstone.
#[derive(Clone, Debug)]
struct Keyed {
    key: String,
    value: Option<String>,
    offset: Option<i64>,
    outcome: Outcome,
}

/// What a client has asked for, and what it was answered.
#[derive(Default)]
struct Client {
    asked: Vec<Asked>,
    keyed: Vec<Keyed>,
    transactions: BTreeMap<u64, Outcome>,
    /// Plain commits of group "g": the newest acknowledged, and the newest asked for.
    offset_acknowledged: i64,
    offset_asked: i64,
    /// How far readers have seen each partition.
    seen: BTreeMap<u64, Offset>,
    topic_is_acknowledged: bool,
    next: u64,
}

fn append_outcome(error: &AppendError) -> Outcome {
    match error {
        AppendError::Poisoned { .. } => Outcome::Unknown,
        _ => Outcome::Refused,
    }
}

fn transaction_outcome(error: &TransactionError) -> Outcome {
    match error {
        TransactionError::Unknown { .. } => Outcome::Unknown,
        TransactionError::Unfinished { .. } => Outcome::Acknowledged,
        _ => Outcome::Refused,
    }
}

impl Client {
    /// Does `STEPS` random things, then closes, unless the power is lost before.
    async fn run(&mut self, simulation: &Simulation, random: &SimulatedRandom) {
        let environment = simulation.environment();
        let config = LogConfig { internal_bytes_max: 4 << 10, ..LogConfig::default() };
        let Ok(log) = Log::open(Path::new(DIR), environment, config).await else { return };
        let made = log.create_topic(&topic("t"), small_segments(PARTITIONS as u32)).await;
        self.topic_is_acknowledged = made.is_ok();
        let compacted = TopicConfig {
            cleanup: Cleanup::COMPACT,
            min_cleanable_dirty_ratio: Ratio::from_millionths(200_000),
            delete_retention_ms: 300,
            ..small_segments(1)
        };
        let _ = log.create_topic(&topic("c"), compacted).await;
        let mut left_open = Vec::new();
        for _ in 0..STEPS {
            if simulation.disk.is_off() {
                return;
            }
            simulation.clock.advance_ms(100);
            self.step(&log, random, &mut left_open).await;
            self.look(&log);
        }
        drop(left_open);
        log.close().await;
    }

    async fn step(
        &mut self,
        log: &Arc<Log>,
        random: &SimulatedRandom,
        left_open: &mut Vec<Transaction>,
    ) {
        match random.below(18) {
            0..=4 => self.append(log, random).await,
            12..=14 => self.append_keyed(log, random).await,
            15 | 16 => drop(log.compact().await),
            17 => drop(log.add_partitions(&topic("t"), PARTITIONS as u32).await),
            5..=7 => self.transact(log, random, left_open).await,
            8 => self.commit_offset(log).await,
            9 => log.maintain().await,
            10 => self.delete_records(log, random).await,
            _ => left_open.clear(),
        }
    }

    fn value(&mut self, random: &SimulatedRandom) -> String {
        self.next += 1;
        // Some batches take more than a sector.
        format!("{}-{}", self.next, "x".repeat(random.below(700) as usize))
    }

    async fn append(&mut self, log: &Log, random: &SimulatedRandom) {
        let partition = random.below(PARTITIONS);
        let values: Vec<_> = (0..=random.below(2)).map(|_| self.value(random)).collect();
        let appended = log.append(&at("t", partition as u32), batch(&values)).await;
        for (index, value) in values.into_iter().enumerate() {
            let (offset, outcome) = match &appended {
                Ok(appended) => {
                    (Some(appended.base_offset.get() + index as i64), Outcome::Acknowledged)
                }
                Err(error) => (None, append_outcome(error)),
            };
            self.asked.push(Asked { partition, value, offset, outcome, transaction: None });
        }
    }

    async fn append_keyed(&mut self, log: &Log, random: &SimulatedRandom) {
        for _ in 0..3 {
            self.next += 1;
            let key = format!("k{}", random.below(4));
            let text = format!("{}-{}", self.next, "x".repeat(random.below(300) as usize));
            let value = (random.below(4) > 0).then_some(text);
            let mut builder = BatchBuilder::new();
            let pushed =
                builder.push(Some(key.as_bytes()), value.as_deref().map(str::as_bytes), &[], 1);
            pushed.expect("it fits");
            let batch = builder.finish().expect("a record");
            let codec = if random.below(2) == 0 { Codec::None } else { Codec::Lz4 };
            let batch = batch.compressed(codec).expect("a codec");
            let appended = log.append(&at("c", 0), batch).await;
            let (offset, outcome) = match &appended {
                Ok(appended) => (Some(appended.base_offset.get()), Outcome::Acknowledged),
                Err(error) => (None, append_outcome(error)),
            };
            self.keyed.push(Keyed { key, value, offset, outcome });
        }
    }

    async fn transact(
        &mut self,
        log: &Log,
        random: &SimulatedRandom,
        left_open: &mut Vec<Transaction>,
    ) {
        self.next += 1;
        let number = self.next;
        // Refused until it is said otherwise.
        self.transactions.insert(number, Outcome::Refused);
        let id = format!("x{}", random.below(2));
        let Ok(mut transaction) = log.begin(&id).await else { return };
        for _ in 0..=random.below(4) {
            let partition = random.below(PARTITIONS);
            let value = self.value(random);
            let appended = transaction.append(&at("t", partition as u32), batch([&value])).await;
            let offset = appended.as_ref().ok().map(|appended| appended.base_offset.get());
            let outcome = Outcome::Refused;
            let transaction = Some(number);
            self.asked.push(Asked { partition, value, offset, outcome, transaction });
            if appended.is_err() {
                return;
            }
        }
        let offset = CommittedOffset::new(Offset::new(1), "m");
        let group = format!("t{number}");
        if transaction.commit_offsets(&group, vec![(at("s", 0), offset)]).await.is_err() {
            return;
        }
        match random.below(5) {
            0 => {
                let _ = transaction.abort().await;
            }
            1 => left_open.push(transaction),
            _ => {
                let outcome = match transaction.commit().await {
                    Ok(_) => Outcome::Acknowledged,
                    Err(error) => transaction_outcome(&error),
                };
                self.transactions.insert(number, outcome);
            }
        }
    }

    async fn commit_offset(&mut self, log: &Log) {
        self.offset_asked += 1;
        let offset = CommittedOffset::new(Offset::new(self.offset_asked), "plain");
        match log.commit_offsets("g", vec![(at("t", 0), offset)]).await {
            Ok(()) => self.offset_acknowledged = self.offset_asked,
            // Whatever may be there later.
            Err(GroupError::Append(AppendError::Poisoned { .. })) => {}
            Err(_) => {}
        }
    }

    /// Only what nobody will miss: nothing is checked of what lies before the start.
    async fn delete_records(&mut self, log: &Log, random: &SimulatedRandom) {
        let partition = at("t", random.below(PARTITIONS) as u32);
        let Ok(offsets) = log.offsets(&partition) else { return };
        let before = offsets.log_start.plus(random.below(8) as i64);
        let _ = log.delete_records(&partition, before).await;
    }

    /// What a reader has seen must never go away.
    fn look(&mut self, log: &Log) {
        for partition in 0..PARTITIONS {
            if let Ok(offsets) = log.offsets(&at("t", partition as u32)) {
                self.seen.insert(partition, offsets.high_watermark);
            }
        }
    }

    /// Compares with what is there after recovery.
    fn check(&self, log: &Log) {
        if self.topic_is_acknowledged {
            assert!(log.describe(&topic("t")).is_some(), "the topic is lost");
        }
        if log.describe(&topic("t")).is_none() {
            return;
        }
        self.check_keyed(log);
        let mut present: BTreeMap<u64, Vec<bool>> = BTreeMap::new();
        for partition in 0..PARTITIONS {
            self.check_partition(log, partition, &mut present);
        }
        for (number, outcome) in &self.transactions {
            let mut parts = present.remove(number).unwrap_or_default();
            parts.push(!log.committed(&format!("t{number}")).is_empty());
            let all = parts.iter().all(|is_there| *is_there);
            let none = !parts.iter().any(|is_there| *is_there);
            match outcome {
                Outcome::Acknowledged => assert!(all, "transaction {number} is lost: {parts:?}"),
                Outcome::Refused => assert!(none, "transaction {number} counts: {parts:?}"),
                Outcome::Unknown => assert!(all || none, "transaction {number} is torn: {parts:?}"),
            }
        }
        let committed = log.committed("g").first().map_or(0, |(_, it)| it.offset.get());
        let possible = self.offset_acknowledged..=self.offset_asked;
        assert!(possible.contains(&committed), "offset {committed} is not in {possible:?}");
    }

    /// The newest acknowledged record of each key is there, unless a newer one is; a key that
    /// was deleted does not come back; and nothing is there that nobody asked for.
    fn check_keyed(&self, log: &Log) {
        if log.describe(&topic("c")).is_none() {
            return assert!(self.keyed.iter().all(|it| it.outcome != Outcome::Acknowledged));
        }
        let found = read_keyed(log);
        assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "out of order: {found:?}");
        let mut rest = self.keyed.iter();
        for (offset, key, value) in &found {
            let asked = rest.find(|asked| {
                let is_same = asked.key == *key && asked.value == *value;
                is_same
                    && asked.outcome != Outcome::Refused
                    && asked.offset.is_none_or(|at| at == *offset)
            });
            assert!(asked.is_some(), "nobody asked for {key} = {value:?} at {offset}");
        }
        for (index, asked) in self.keyed.iter().enumerate() {
            let Some(offset) = asked.offset else { continue };
            let later = self.keyed.get(index + 1..).unwrap_or_default();
            if later.iter().any(|it| it.key == asked.key && it.outcome != Outcome::Refused) {
                continue;
            }
            let is_there = found.iter().any(|(at, _, _)| *at == offset);
            let older = found.iter().any(|(at, key, _)| *at < offset && *key == asked.key);
            match asked.value {
                Some(_) => assert!(is_there, "{asked:?} is lost: {found:?}"),
                None => assert!(is_there || !older, "{asked:?} is lost, what it deletes is not"),
            }
        }
    }

    fn check_partition(&self, log: &Log, partition: u64, present: &mut BTreeMap<u64, Vec<bool>>) {
        let place = at("t", partition as u32);
        let offsets = log.offsets(&place).expect("a partition");
        assert_eq!(offsets.last_stable, offsets.high_watermark, "something is left open");
        let seen = self.seen.get(&partition).copied().unwrap_or(Offset::ZERO);
        assert!(offsets.high_watermark >= seen, "readers of {place} had seen more");
        let found = read_all(log, &place);
        let by_value: BTreeMap<_, _> = found.iter().map(|(at, value)| (value, *at)).collect();
        assert_eq!(by_value.len(), found.len(), "a record is there twice");
        let mut last = -1;
        let mut expected = 0;
        for asked in self.asked.iter().filter(|asked| asked.partition == partition) {
            let offset = by_value.get(&asked.value).copied();
            expected += usize::from(offset.is_some());
            if let Some(offset) = offset {
                assert!(offset > last, "{} is out of order", asked.value);
                last = offset;
            }
            let deleted = asked.offset.is_some_and(|at| at < offsets.log_start.get());
            if deleted {
                continue;
            }
            if let Some(number) = asked.transaction {
                present.entry(number).or_default().push(offset.is_some());
                continue;
            }
            match asked.outcome {
                Outcome::Acknowledged => {
                    assert_eq!(offset, asked.offset, "{} is lost or elsewhere", asked.value);
                }
                Outcome::Refused => assert_eq!(offset, None, "{} was refused", asked.value),
                Outcome::Unknown => {}
            }
        }
        assert_eq!(found.len(), expected, "there is something that nobody asked for: {found:?}");
    }
}

fn read_keyed(log: &Log) -> Vec<(i64, String, Option<String>)> {
    let mut all = Vec::new();
    let mut reader = RecordReader::default();
    let mut from = Offset::ZERO;
    loop {
        let fetched = log.read(&at("c", 0), from, 1 << 20, Isolation::Committed);
        let fetched = fetched.unwrap_or_else(|error| panic!("{}", chain(&error)));
        if fetched.bytes.is_empty() {
            return all;
        }
        for batch in fetched.batches().map(|batch| batch.expect("a good batch")) {
            for record in reader.records(&batch).expect("records") {
                let record = record.expect("a record");
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let key = text(record.key.expect("a key"));
                all.push((record.offset.get(), key, record.value.map(text)));
            }
        }
        from = fetched.next;
    }
}

/// The log works: appends, transactions, and another restart.
async fn use_it(simulation: &Simulation) {
    let log = open(Path::new(DIR), &simulation.environment()).await;
    if log.describe(&topic("t")).is_none() {
        log.create_topic(&topic("t"), small_segments(PARTITIONS as u32)).await.unwrap();
    }
    let before = read_all(&log, &at("t", 0)).len();
    log.append(&at("t", 0), batch(["after"])).await.unwrap();
    for id in ["x0", "x1"] {
        let mut transaction = log.begin(id).await.unwrap();
        transaction.append(&at("t", 0), batch([id])).await.unwrap();
        transaction.append(&at("t", 1), batch([id])).await.unwrap();
        transaction.commit().await.unwrap();
    }
    assert_eq!(read_all(&log, &at("t", 0)).len(), before + 3);
    if log.describe(&topic("c")).is_some() {
        let newest = |log: &Log| -> BTreeMap<_, _> {
            read_keyed(log).into_iter().map(|(_, key, value)| (key, value)).collect()
        };
        let before = newest(&log);
        log.compact().await;
        let after = newest(&log);
        assert!(before.iter().all(|(key, value)| value.is_none() || after.get(key) == Some(value)));
    }
    drop(log);
    let log = open(Path::new(DIR), &simulation.environment()).await;
    assert_eq!(read_all(&log, &at("t", 0)).len(), before + 3);
    drop(log);
    let verified = Log::verify(Path::new(DIR), &simulation.environment()).unwrap();
    assert_eq!(verified.findings, []);
}

/// Which script, which operation, which image.
#[derive(Clone, Copy)]
struct Case {
    script: u64,
    operation: u64,
    image: u64,
}

impl Case {
    fn from_environment() -> Option<Self> {
        let text = std::env::var("TIDEMILL_SEED").ok()?;
        let mut numbers =
            text.split(':').map(|number| number.parse().expect("script:operation:image"));
        let mut next = || numbers.next().expect("script:operation:image");
        Some(Self { script: next(), operation: next(), image: next() })
    }

    /// Says how to run this case again, should it fail.
    fn announce(self) -> Announcement {
        Announcement(self)
    }
}

struct Announcement(Case);

impl Drop for Announcement {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Case { script, operation, image } = self.0;
            eprintln!("run again with TIDEMILL_SEED={script}:{operation}:{image}");
        }
    }
}

fn scripts() -> u64 {
    let scale = std::env::var("TIDEMILL_SEEDS").ok().and_then(|text| text.parse().ok());
    4 * scale.unwrap_or(1)
}

/// Runs a script with a fault; returns the machine and what the client knows.
fn run(script: u64, operation: u64, fault: Fault) -> (Simulation, Client) {
    let simulation = Simulation::new(script);
    simulation.disk.fail_at(operation, fault);
    let mut client = Client::default();
    block_on(client.run(&simulation, &SimulatedRandom::new(script)));
    (simulation, client)
}

fn operations_of(script: u64) -> u64 {
    run(script, u64::MAX, Fault::Error).0.disk.operations()
}

fn recover_and_check(simulation: &Simulation, client: &Client, seed: u64) {
    // Power is lost again while the log recovers, now and then.
    let crashed = simulation.after_crash(seed);
    let crashed = if seed.is_multiple_of(3) {
        let random = SimulatedRandom::new(seed);
        crashed.disk.fail_at(1 + random.below(80), Fault::PowerLoss);
        let opened = Log::open(Path::new(DIR), crashed.environment(), LogConfig::default());
        drop(block_on(opened));
        crashed.after_crash(seed + 1)
    } else {
        crashed
    };
    block_on(async {
        let log = open(Path::new(DIR), &crashed.environment()).await;
        client.check(&log);
        drop(log);
        // What was recovered stays.
        let again = crashed.after_crash(seed + 2);
        let log = open(Path::new(DIR), &again.environment()).await;
        client.check(&log);
        drop(log);
        use_it(&again).await;
    });
}

fn for_all_cases(images: u64, test: impl Fn(Case)) {
    if let Some(case) = Case::from_environment() {
        let _announcement = case.announce();
        return test(case);
    }
    for script in 0..scripts() {
        let operations = operations_of(script) + 1;
        for_cases(script..script + 1, operations, images, &test);
    }
}

fn for_cases(scripts: std::ops::Range<u64>, operations: u64, images: u64, test: impl Fn(Case)) {
    for script in scripts {
        for operation in 1..=operations {
            for image in 0..images {
                let case = Case { script, operation, image };
                let _announcement = case.announce();
                test(case);
            }
        }
    }
}

#[test]
fn power_loss_at_every_operation_loses_nothing_acknowledged() {
    for_all_cases(3, |Case { script, operation, image }| {
        let (simulation, client) = run(script, operation, Fault::PowerLoss);
        recover_and_check(&simulation, &client, script ^ operation << 8 ^ image << 32);
    });
}

#[test]
fn an_error_at_every_operation_loses_nothing_acknowledged() {
    for_all_cases(2, |Case { script, operation, image }| {
        let (simulation, client) = run(script, operation, Fault::Error);
        recover_and_check(&simulation, &client, script ^ operation << 8 ^ image << 32);
    });
}

/// Appends to a topic that is synced about every 250 ms; returns what was acknowledged.
async fn run_relaxed(simulation: &Simulation, random: &SimulatedRandom) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let log = Log::open(Path::new(DIR), simulation.environment(), LogConfig::default()).await;
    let Ok(log) = log else { return acknowledged };
    let config = TopicConfig { flush: Flush::IntervalMs(250), ..small_segments(1) };
    if log.create_topic(&topic("r"), config).await.is_err() {
        return acknowledged;
    }
    for number in 0..30 {
        simulation.clock.advance_ms(100);
        let value = format!("{number}-{}", "x".repeat(random.below(700) as usize));
        match log.append(&at("r", 0), batch([&value])).await {
            Ok(_) => acknowledged.push(value),
            Err(_) => break,
        }
    }
    acknowledged
}

#[test]
fn a_relaxed_topic_keeps_a_beginning_of_what_was_acknowledged() {
    let simulation = Simulation::new(1);
    block_on(run_relaxed(&simulation, &SimulatedRandom::new(1)));
    let operations = simulation.disk.operations();
    for_cases(0..scripts(), operations + 1, 3, |Case { script, operation, image }| {
        let simulation = Simulation::new(script);
        simulation.disk.fail_at(operation, Fault::PowerLoss);
        let random = SimulatedRandom::new(script);
        let acknowledged = block_on(run_relaxed(&simulation, &random));
        let crashed = simulation.after_crash(script ^ operation << 8 ^ image << 32);
        block_on(async {
            let log = open(Path::new(DIR), &crashed.environment()).await;
            if log.describe(&topic("r")).is_none() {
                return assert!(acknowledged.is_empty());
            }
            let found = read_all(&log, &at("r", 0));
            // The last one may have been written without an answer.
            assert!(found.len() <= acknowledged.len() + 1);
            for (index, (offset, value)) in found.iter().enumerate() {
                assert_eq!(*offset, index as i64);
                assert!(acknowledged.get(index).is_none_or(|it| it == value));
            }
        });
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for script in 0..scripts() {
        assert_eq!(operations_of(script), operations_of(script));
    }
}
