//! Bad records anywhere in a stream, in any cut and on any number of workers: what comes out is what the
//! good ones alone give, in their order, and the letters are exactly the bad ones.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidemill_engine::dead_letters::{Letter, without_letter};
use tidemill_engine::progress::{PipelineState, PipelineStatus};

use crate::world::{NOW_MS, Row, World};

/// A good record, and some ways to be a bad one. Loops cost their deadline and have a test of their own.
const MARKS: [&str; 6] = ["ok", "Reject", "Trap", "Fail", "Bad", "Post-return"];

fn file(operators: &str, records_max: usize) -> String {
    format!(
        "name = 'poison'\ntrigger = 'available-now'\nlimits = {{ batch_records_max = {records_max} }}\n\
         [[source]]\nname = 'in'\ntopic = 'in'\n{operators}\
         [[sink]]\nname = 'out'\ninput = 'last'\ntopic = 'out'\n"
    )
}

fn operator(name: &str, plugin: &str, input: &str, more: &str) -> String {
    format!("[[operator]]\nname = '{name}'\nplugin = '{plugin}'\ninput = '{input}'\n{more}\n")
}

fn dead_lettering(plugin: &str) -> String {
    operator("last", plugin, "in", "on_error = { dead_letter = 'dead' }")
}

async fn ran(world: &World, file: &str, workers: usize) -> PipelineStatus {
    let report = world.run_reported(file, workers).await;
    assert_eq!(report.state(), PipelineState::Finished);
    report.status()
}

async fn world_of(input: &[Vec<Row>]) -> World {
    let world = World::new(1).await;
    world.create_topic("in", u32::try_from(input.len()).unwrap()).await;
    for (partition, rows) in (0u32..).zip(input) {
        world.produce("in", partition, rows).await;
    }
    world
}

fn row(index: usize, mark: &str) -> Row {
    Row {
        key: Some(format!("key-{}", index % 5).into_bytes()),
        value: Some(format!("{mark} {index}").into_bytes()),
        timestamp: NOW_MS + i64::try_from(index).unwrap(),
        headers: Vec::new(),
    }
}

/// Rows of a partition of which a few are bad.
fn partition() -> impl Strategy<Value = Vec<Row>> {
    let bad = prop::collection::btree_map(0usize..150, 1usize..MARKS.len(), 0..8);
    (1usize..150, bad).prop_map(|(rows, bad)| {
        (0..rows).map(|at| row(at, bad.get(&at).map_or(MARKS[0], |mark| MARKS[*mark]))).collect()
    })
}

fn is_bad(row: &Row, marks: &str) -> bool {
    row.value.as_ref().is_some_and(|value| marks.as_bytes().contains(&value[0]))
}

fn good(input: &[Vec<Row>], marks: &str) -> Vec<Vec<Row>> {
    input
        .iter()
        .map(|rows| rows.iter().filter(|row| !is_bad(row, marks)).cloned().collect())
        .collect()
}

/// Letters as the records that they were, each with where it came from.
fn letters(world: &World) -> Vec<(Row, Letter)> {
    let read = |row: Row| {
        let letter = Letter::decode(&row.headers).expect("a letter");
        (Row { headers: without_letter(&row.headers), ..row }, letter)
    };
    world.rows("dead").concat().into_iter().map(read).collect()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// By partition of the output, the rows of each partition of the input in their order.
fn by_key(rows: Vec<Vec<Row>>) -> BTreeMap<Option<Vec<u8>>, Vec<Row>> {
    let mut all: BTreeMap<_, Vec<Row>> = BTreeMap::new();
    for row in rows.concat() {
        all.entry(row.key.clone()).or_default().push(row);
    }
    all
}

fn last_of_key(rows: Vec<Vec<Row>>) -> BTreeMap<Option<Vec<u8>>, Option<Vec<u8>>> {
    rows.concat().into_iter().map(|row| (row.key, row.value)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn good_records_come_out_in_order_and_bad_ones_as_letters(
        input in prop::collection::vec(partition(), 1..3),
        records_max in prop::sample::select(vec![7, 40, 1_000]),
        workers in prop::sample::select(vec![1, 2, 8]),
    ) {
        for (plugin, marks) in [("marked", "RTFBP"), ("marked-filter", "TB"), ("marked-count", "TB")] {
            let world = run(world_of(&input));
            let text = file(&dead_lettering(plugin), records_max);
            let status = run(ran(&world, &text, workers));
            let mended = run(world_of(&good(&input, marks)));
            run(ran(&mended, &text, workers));
            let (found, expected) = (world.rows("out"), mended.rows("out"));
            match plugin {
                "marked-count" => prop_assert_eq!(last_of_key(found), last_of_key(expected)),
                _ if input.len() == 1 => prop_assert_eq!(found, expected),
                // Two partitions of the input meet in one of the output by turns that depend on the cut.
                _ => {
                    let sorted = |rows: Vec<Vec<Row>>| {
                        let mut rows = by_key(rows);
                        rows.values_mut().for_each(|rows| rows.sort());
                        rows
                    };
                    prop_assert_eq!(sorted(found), sorted(expected));
                }
            }
            check_letters(&world, &input, marks)?;
            check_calls(&status, &input, marks)?;
        }
    }
}

fn check_letters(world: &World, input: &[Vec<Row>], marks: &str) -> Result<(), TestCaseError> {
    let mut letters = letters(world);
    for (row, letter) in &letters {
        let place = letter.source.as_ref().expect("it came from a source");
        let stored = &world.rows("in")[place.partition as usize];
        let offset = usize::try_from(place.offset).unwrap();
        prop_assert_eq!(row, &stored[offset], "the place leads back to the record");
        prop_assert_eq!(&place.topic, "in");
        prop_assert_eq!((letter.operator.as_str(), letter.attempt), ("last", 1));
        let kind = match row.value.as_ref().map(|value| value[0]) {
            Some(b'R') => "rejected",
            Some(b'F') => "failed",
            Some(b'B') if marks.contains('R') => "malformed-result",
            _ => "trap",
        };
        prop_assert_eq!(letter.kind.as_str(), kind);
    }
    let mut bad: Vec<Row> =
        input.iter().flatten().filter(|row| is_bad(row, marks)).cloned().collect();
    bad.sort();
    letters.sort_by(|left, right| left.0.cmp(&right.0));
    let found: Vec<Row> = letters.into_iter().map(|(row, _)| row).collect();
    prop_assert_eq!(found, bad);
    Ok(())
}

fn check_calls(
    status: &PipelineStatus,
    input: &[Vec<Row>],
    marks: &str,
) -> Result<(), TestCaseError> {
    let of_operator = &status.operators[0];
    let searched = input.iter().flatten().filter(|row| is_bad(row, marks) && !is_bad(row, "R"));
    let searched = searched.count() as u64;
    let rejected = input.iter().flatten().filter(|row| is_bad(row, "R")).count() as u64;
    prop_assert_eq!(of_operator.failed, searched);
    prop_assert_eq!(of_operator.rejected, if marks.contains('R') { rejected } else { 0 });
    prop_assert_eq!(of_operator.dead_lettered, of_operator.failed + of_operator.rejected);
    prop_assert_eq!(of_operator.skipped, 0);
    // 150 records: eight levels, two calls each; a task that began anew has searched twice at most.
    prop_assert!(of_operator.bisect_calls <= 18 * searched, "{:?}", of_operator);
    Ok(())
}

#[tokio::test]
async fn places_are_followed_back_through_several_operators() {
    let texts = ["D out", "x Trap", "y", "z Reject again", "D D"];
    let rows = texts.iter().enumerate().map(|(at, text)| row(at, text)).collect();
    let world = world_of(&[rows]).await;
    // Some are dropped, the others split into words, and only then some are bad.
    let operators = operator("kept", "marked-filter", "in", "on_error = 'skip'")
        + &operator("words", "split-words", "kept", "")
        + &operator("last", "marked", "words", "on_error = { dead_letter = 'dead' }");
    ran(&world, &file(&operators, 1_000), 1).await;
    let place = |(row, letter): (Row, Letter)| {
        (String::from_utf8(row.key.unwrap()).unwrap(), letter.source.unwrap().offset)
    };
    let places: Vec<(String, i64)> = letters(&world).into_iter().map(place).collect();
    assert_eq!(places, [("Trap".to_owned(), 1), ("Reject".to_owned(), 3)]);
}

#[tokio::test]
async fn a_record_that_loops_is_found_and_skipped() {
    let mut rows: Vec<Row> = (0..100).map(|at| row(at, "ok")).collect();
    rows[37] = row(37, "Loop");
    let world = world_of(&[rows]).await;
    let more = "on_error = 'skip'\nlimits = { call = '10ms' }";
    let status = ran(&world, &file(&operator("last", "marked", "in", more), 1_000), 2).await;
    assert_eq!(world.rows("out").concat().len(), 99);
    assert_eq!((status.operators[0].failed, status.operators[0].skipped), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_asks_for_another_try_gets_some_first() {
    let rows: Vec<Row> =
        ["ok", "Yet", "ok"].iter().enumerate().map(|(at, mark)| row(at, mark)).collect();
    let world = world_of(&[rows]).await;
    let status = ran(&world, &file(&dead_lettering("marked"), 1_000), 1).await;
    assert_eq!(letters(&world)[0].1.reason, "the plugin failed: not now");
    assert_eq!(world.rows("out").concat().len(), 2);
    // Three tries in vain, the fourth searches; so many calls failed, at least.
    assert!(status.operators[0].failed_calls >= 4, "{:?}", status.operators[0]);
}

#[tokio::test]
async fn a_storm_of_poison_stops_the_pipeline_with_numbers_and_reasons() {
    for mark in ["Reject", "Trap"] {
        let rows: Vec<Row> =
            (0..4_000).map(|at| row(at, if at % 4 == 0 { "ok" } else { mark })).collect();
        let world = world_of(&[rows]).await;
        let report = world.run_reported(&file(&dead_lettering("marked"), 10_000), 2).await;
        let PipelineState::Failed { reason } = report.state() else { panic!("{mark}: it went on") };
        for text in [
            "operator `last` was stopped: 2001 bad records",
            "4000",
            "2000 are allowed",
            "poison_max",
        ] {
            assert!(reason.contains(text), "{text} is not in: {reason}");
        }
        assert!(world.rows("dead").concat().is_empty(), "nothing of the batch was committed");
        // A person may say that all of it is fine.
        let all = dead_lettering("marked").replace("on_error", "poison_max = '100%'\non_error");
        ran(&world, &file(&all, 10_000), 2).await;
        assert_eq!(world.rows("dead").concat().len(), 3_000);
        assert_eq!(world.rows("out").concat().len(), 1_000);
    }
}

#[tokio::test]
async fn a_letter_that_is_retried_in_vain_is_a_letter_again() {
    let world = world_of(&[vec![row(0, "ok"), row(1, "Trap")]]).await;
    let text = file(&dead_lettering("marked"), 1_000);
    ran(&world, &text, 1).await;
    for attempt in 2..5 {
        assert_eq!(world.retry(&text, "last").await.unwrap().retried, 1);
        ran(&world, &text, 1).await;
        let letters = letters(&world);
        let (row, letter) = letters.last().unwrap();
        assert_eq!(letters.len(), attempt as usize);
        assert_eq!((letter.attempt, letter.source.as_ref().unwrap().offset), (attempt, 1));
        assert!(row.headers.is_empty(), "the record's own headers come back");
    }
    // With the fault mended it goes through, once.
    let mended = text.replace("'marked'", "'marked-mended'");
    world.retry(&mended, "last").await.unwrap();
    ran(&world, &mended, 1).await;
    assert_eq!(world.rows("out").concat().len(), 2);
    assert_eq!(world.retry(&mended, "last").await.unwrap().retried, 0);
}
