//! A stream cut into any batches, and run by any number of workers, gives the results of the same
//! records as one batch on one worker: for every operator and every kind of window.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidemill_engine::progress::PipelineState;

use crate::world::{NOW_MS, Row, World};

/// Operators between `in` and the sinks, and what is compared of the output.
const PIPELINES: [(&str, Compare, &str); 7] = [
    (
        "upper-case",
        Compare::Rows,
        "[[operator]]\nname = 'last'\nplugin = 'upper-case'\ninput = 'in'\n",
    ),
    (
        "filter and split",
        Compare::Rows,
        "[[operator]]\nname = 'kept'\nplugin = 'contains'\ninput = 'in'\nparams = { text = '1' }\n\
         [[operator]]\nname = 'last'\nplugin = 'split-words'\ninput = 'kept'\n",
    ),
    (
        "running count",
        Compare::LastOfKey,
        "[[operator]]\nname = 'last'\nplugin = 'count'\ninput = 'in'\n",
    ),
    (
        "running stats",
        Compare::LastOfKey,
        "[[operator]]\nname = 'last'\nplugin = 'stats'\ninput = 'in'\n",
    ),
    (
        "tumbling",
        Compare::Sorted,
        "[[operator]]\nname = 'last'\nplugin = 'stats'\ninput = 'in'\n\
         window = { size = '10s', slide = '10s', time = 'event', delay = '5s' }\n",
    ),
    (
        "sliding",
        Compare::Sorted,
        "[[operator]]\nname = 'last'\nplugin = 'count'\ninput = 'in'\n\
         window = { size = '15s', slide = '5s', time = 'event', delay = '5s' }\n",
    ),
    (
        "processing time, two reducers",
        Compare::LastOfKey,
        "[[operator]]\nname = 'first'\nplugin = 'count'\ninput = 'in'\n\
         window = { size = '10s', slide = '10s', time = 'processing' }\n\
         [[operator]]\nname = 'last'\nplugin = 'stats'\ninput = 'first'\n",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    /// All rows, in their order. Rows of several partitions meet in one of the output by turns
    /// that depend on the batches; then in any order.
    Rows,
    /// All rows, in any order: when a window closes depends on the batches.
    Sorted,
    /// The last row of each key: running totals say something with every batch.
    LastOfKey,
}

fn file(operators: &str, records_max: usize, tasks: u32) -> String {
    format!(
        "name = 'cut'\ntrigger = 'available-now'\non_end = 'flush'\nlimits = {{ batch_records_max = {records_max} }}\ntasks = {tasks}\n\
         [[source]]\nname = 'in'\ntopic = 'in'\n{operators}\
         [[sink]]\nname = 'out'\ninput = 'last'\ntopic = 'out'\n"
    )
}

async fn results(
    input: &[Vec<Row>],
    operators: &str,
    records_max: usize,
    workers: usize,
) -> Vec<Vec<Row>> {
    let world = World::new(1).await;
    world.create_topic("in", u32::try_from(input.len()).unwrap()).await;
    for (partition, rows) in (0u32..).zip(input) {
        world.produce("in", partition, rows).await;
    }
    let state = world.run(&file(operators, records_max, 3), workers).await;
    assert_eq!(state, PipelineState::Finished);
    world.rows("out")
}

fn comparable(rows: Vec<Vec<Row>>, how: Compare) -> Vec<Vec<Row>> {
    match how {
        Compare::Rows if rows.len() == 1 => rows,
        Compare::Rows | Compare::Sorted => {
            let mut all = rows.concat();
            all.sort();
            vec![all]
        }
        Compare::LastOfKey => {
            let last: BTreeMap<_, _> =
                rows.concat().into_iter().map(|row| (row.key.clone(), row)).collect();
            vec![last.into_values().collect()]
        }
    }
}

/// Rows of a partition: few keys, numbers as values, event times out of order by less than the delay.
fn partition() -> impl Strategy<Value = Vec<Row>> {
    let row = (prop::option::weighted(0.9, 0u8..6), -500i64..500, 0i64..2_000, 0i64..4_000);
    prop::collection::vec(row, 0..60).prop_map(|drawn| {
        let mut time = NOW_MS;
        let rows = drawn.into_iter().map(|(key, number, step, back)| {
            time += step;
            Row {
                key: key.map(|key| format!("key-{key}").into_bytes()),
                value: Some(format!("{}.{}", number / 10, number.unsigned_abs() % 10).into_bytes()),
                timestamp: time - back,
                headers: Vec::new(),
            }
        });
        rows.collect()
    })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_on_any_number_of_workers(
        input in prop::collection::vec(partition(), 1..4),
        records_max in 1usize..50,
        workers in prop::sample::select(vec![1, 2, 8]),
    ) {
        for (name, how, operators) in PIPELINES {
            let whole = comparable(run(results(&input, operators, 1_000_000, 1)), how);
            let cut = comparable(run(results(&input, operators, records_max, workers)), how);
            prop_assert_eq!(whole, cut, "{}", name);
        }
    }

    #[test]
    fn the_same_plan_twice(input in prop::collection::vec(partition(), 1..4), records_max in 1usize..50) {
        for (name, _, operators) in PIPELINES {
            let once = run(results(&input, operators, records_max, 2));
            let again = run(results(&input, operators, records_max, 8));
            prop_assert_eq!(once, again, "{}", name);
        }
    }
}
