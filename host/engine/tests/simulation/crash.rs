//! A multi-batch run with windows and running totals, stopped at every I/O operation: recovered and
//! run to its end, it leaves what an uncrashed run leaves. **Outputs and state are byte-identical.**

use std::collections::BTreeMap;

use tidemill_engine::progress::PipelineState;
use tidemill_log::simulation::Fault;

use crate::world::{NOW_MS, Row, State, World};

const PIPELINE: &str = r#"
name = "crash"
trigger = "available-now"
limits = { batch_records_max = 40 }
on_end = "flush"

[[source]]
name = "lines"
topic = "lines"

[[operator]]
name = "words"
plugin = "split-words"
input = "lines"

[[operator]]
name = "totals"
plugin = "count"
input = "words"

[[operator]]
name = "per-window"
plugin = "count"
input = "words"
window = { size = "20s", slide = "10s", time = "event", delay = "5s" }

[[sink]]
name = "totals-out"
input = "totals"
topic = "totals"

[[sink]]
name = "windows-out"
input = "per-window"
topic = "windows"
"#;

/// A sink outside the log: the plan of each batch is made durable before it runs.
const FILE_SINK: &str = r#"
[[sink]]
name = "files"
input = "per-window"
files = "file:///files"
"#;

/// Bad records of two operators, in front of a reducer and in it.
const POISON: &str = r#"
name = "crash"
trigger = "available-now"
limits = { batch_records_max = 40 }

[[source]]
name = "lines"
topic = "lines"

[[operator]]
name = "checked"
plugin = "marked"
input = "lines"
on_error = { dead_letter = "dead" }

[[operator]]
name = "words"
plugin = "split-words"
input = "checked"

[[operator]]
name = "totals"
plugin = "marked-count"
input = "checked"
on_error = "dead-letter"

[[sink]]
name = "totals-out"
input = "totals"
topic = "totals"

[[sink]]
name = "words-out"
input = "words"
topic = "windows"
"#;

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    letters: Vec<Vec<Row>>,
    files: BTreeMap<String, Vec<u8>>,
    totals: Vec<Vec<Row>>,
    windows: Vec<Vec<Row>>,
    state: State,
}

async fn prepared(seed: u64) -> World {
    let world = World::new(seed).await;
    world.create_topic("lines", 2).await;
    for partition in 0..2 {
        let rows: Vec<Row> = (0..60).map(|index| line(partition, index)).collect();
        world.produce("lines", partition, &rows).await;
    }
    world
}

/// Lines of which some are bad, each in its own way.
async fn prepared_with_poison(seed: u64) -> World {
    let world = prepared(seed).await;
    for partition in 0..2 {
        let row = |(index, mark): (i64, &str)| Row {
            value: Some(mark.as_bytes().to_vec()),
            ..line(partition, index)
        };
        let marked = ["Reject", "fine", "Trap", "Fail", "Trap", "Post-return", "Bad", "last"];
        let rows: Vec<Row> = (60..).zip(marked).map(row).collect();
        world.produce("lines", partition, &rows).await;
    }
    world
}

fn line(partition: u32, index: i64) -> Row {
    let words = ["tide", "mill", "wheel", "water", "stone"];
    let picked = (0..3).map(|word| {
        words[usize::try_from((index * 7 + word * 3 + i64::from(partition)) % 5).unwrap()]
    });
    let value = picked.collect::<Vec<_>>().join(" ");
    // Up to two seconds out of order.
    let timestamp = NOW_MS + index * 1_000 - (index % 3) * 1_000;
    Row { key: None, value: Some(value.into_bytes()), timestamp, headers: Vec::new() }
}

async fn left(world: &World, pipeline: &str) -> Left {
    Left {
        letters: world.rows("dead"),
        files: world.files.files(),
        totals: world.rows("totals"),
        windows: world.rows("windows"),
        state: world.state(pipeline).await,
    }
}

fn seeds() -> Vec<u64> {
    let read = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match read("TIDEMILL_SEED") {
        Some(seed) => vec![seed],
        None => (0..read("TIDEMILL_SEEDS").unwrap_or(16)).collect(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_operation_changes_nothing() {
    crash_everywhere(PIPELINE).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_operation_changes_no_file() {
    crash_everywhere(&format!("{PIPELINE}{FILE_SINK}")).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_operation_changes_no_dead_letter() {
    let uncrashed = prepared_with_poison(0).await;
    let first = uncrashed.machine.disk.operations();
    assert_eq!(uncrashed.run(POISON, 0).await, PipelineState::Finished);
    let last = uncrashed.machine.disk.operations();
    let expected = left(&uncrashed, POISON).await;
    assert_eq!(expected.letters.concat().len(), 12, "every bad line became a letter");
    for operation in first..last {
        let world = prepared_with_poison(0).await;
        world.machine.disk.fail_at(operation, Fault::PowerLoss);
        world.run(POISON, 0).await;
        for seed in seeds().iter().take(4) {
            let recovered = world.recovered(seed.wrapping_mul(1_000_003) + operation).await;
            let state = recovered.run(POISON, 0).await;
            let shown = format!("stopped at operation {operation}, TIDEMILL_SEED={seed}");
            assert_eq!(state, PipelineState::Finished, "{shown}");
            assert_eq!(left(&recovered, POISON).await, expected, "{shown}");
        }
    }
}

/// Letters are retried with a mended plugin, and the power fails at every step of that. A person asks
/// again, and in the end every record has gone through once.
#[tokio::test(start_paused = true)]
async fn a_crash_while_letters_are_retried_doubles_none() {
    let mended = POISON.replace("plugin = \"marked\"", "plugin = \"marked-mended\"");
    let with_letters = || async {
        let world = prepared_with_poison(0).await;
        assert_eq!(world.run(POISON, 0).await, PipelineState::Finished);
        world
    };
    let totals = |world: &World| {
        let last: BTreeMap<_, _> =
            world.rows("totals").concat().into_iter().map(|row| (row.key, row.value)).collect();
        last
    };
    let uncrashed = with_letters().await;
    let first = uncrashed.machine.disk.operations();
    let retried = uncrashed.retry(&mended, "checked").await.expect("letters are retried");
    assert_eq!((retried.retried, retried.before, retried.more), (12, 0, false));
    assert_eq!(uncrashed.retry(&mended, "checked").await.expect("again").retried, 0);
    assert_eq!(uncrashed.run(&mended, 0).await, PipelineState::Finished);
    let last = uncrashed.machine.disk.operations();
    // The reducer cannot take those that trap: they are letters again, of its own.
    let again = uncrashed.rows("crash-dead-letters").concat().len();
    assert_eq!(again, 6, "three of each partition");
    let expected = (totals(&uncrashed), uncrashed.rows("windows").concat().len(), again);
    for operation in (first..last).step_by(3) {
        let world = with_letters().await;
        world.machine.disk.fail_at(operation, Fault::PowerLoss);
        let _ = world.retry(&mended, "checked").await;
        world.run(&mended, 0).await;
        for seed in seeds().iter().take(2) {
            let recovered = world.recovered(seed.wrapping_mul(1_000_003) + operation).await;
            let shown = format!("stopped at operation {operation}, TIDEMILL_SEED={seed}");
            recovered
                .retry(&mended, "checked")
                .await
                .unwrap_or_else(|error| panic!("{shown}: {error}"));
            assert_eq!(recovered.run(&mended, 0).await, PipelineState::Finished, "{shown}");
            let words = recovered.rows("windows").concat().len();
            let again = recovered.rows("crash-dead-letters").concat().len();
            assert_eq!((totals(&recovered), words, again), expected, "{shown}");
        }
    }
}

async fn crash_everywhere(pipeline: &str) {
    let uncrashed = prepared(0).await;
    let first = uncrashed.machine.disk.operations();
    assert_eq!(uncrashed.run(pipeline, 0).await, PipelineState::Finished);
    let last = uncrashed.machine.disk.operations();
    let expected = left(&uncrashed, pipeline).await;
    let windows: usize = expected.windows.iter().map(Vec::len).sum();
    assert!(windows >= 30, "{windows} results of windows: too few to prove anything");
    assert_eq!(
        expected.files.is_empty(),
        !pipeline.contains(FILE_SINK),
        "files where there is a sink for them"
    );
    let seeds = seeds();
    println!("{} operations, images by seeds {seeds:?}", last - first);
    for operation in first..last {
        let world = prepared(0).await;
        world.machine.disk.fail_at(operation, Fault::PowerLoss);
        world.run(pipeline, 0).await;
        assert!(world.machine.disk.is_off(), "operation {operation} was not reached");
        for seed in &seeds {
            let image = seed.wrapping_mul(1_000_003).wrapping_add(operation);
            let recovered = world.recovered(image).await;
            let state = recovered.run(pipeline, 0).await;
            let shown = format!("stopped at operation {operation}, TIDEMILL_SEED={seed}");
            assert_eq!(state, PipelineState::Finished, "{shown}");
            assert_eq!(left(&recovered, pipeline).await, expected, "{shown}");
        }
    }
}
