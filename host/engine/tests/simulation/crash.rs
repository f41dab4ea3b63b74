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

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
struct Left {
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
