//! What the boundary costs: the ready plugins through the sandbox, against the same Rust code run
//! natively with reused buffers, in the same run. Prints nanoseconds a record and the ratio.
//!
//! Not a timed test: it fails only where the two do not give the same records.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidemill_plugin::{
    Batch, BatchRef, CallContext, ColumnRef, Grants, Limits, Operator, Runtime, RuntimeConfig,
    Settings,
};
use tidemill_sdk::plugin::Transform;
use tidemill_sdk::{Buffers, run_transform};

/// In a call, unless the first argument says otherwise.
const RECORDS: usize = 10_000;
const RECORD_BYTES: usize = 104;
const ROUNDS: usize = 300;

fn main() {
    // `cargo test` runs benchmarks too, to see that they work.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 3 };
    let records = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(RECORDS);
    let runtime = Runtime::new(RuntimeConfig::default()).expect("an engine");
    let lines = lines(records);
    println!("{records} records of {RECORD_BYTES} bytes a call, {rounds} calls, epoch checks on");
    println!("{:<14}{:>12}{:>14}{:>8}{:>9}", "", "native", "component", "ratio", "target");
    let words = split_words::SplitWords {
        lower_case: false,
        separators: split_words::Separators::WhiteSpace,
    };
    compare::<split_words::Plugin>(&operator(&runtime, "split-words"), &lines, &words, rounds, 1.5);
    compare::<upper_case::Plugin>(&operator(&runtime, "upper-case"), &lines, &(), rounds, 3.5);
    print_starts("split-words");
}

/// What a start of the host pays for a plugin: compiled once, then taken from the cache.
fn print_starts(name: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let config =
        RuntimeConfig { code_cache: Some(folder.path().join("code")), ..RuntimeConfig::default() };
    for what in ["compiled", "from the cache"] {
        let (runtime, engine) = timed(|| Runtime::new(config.clone()).expect("an engine"));
        let component = ready(name);
        let (plugin, load) = timed(|| runtime.load(component, &Grants::none()).expect("a plugin"));
        let (_, start) = timed(|| plugin.operator(name, &Settings::new(), Limits::default()));
        println!("{name} {what}: engine {engine:.1?}, load {load:.1?}, first instance {start:.1?}");
    }
}

/// Times both in turns, so that both see the same machine, and takes the fastest of each: what
/// disturbs a run only ever makes it slower.
fn compare<P: Transform>(
    operator: &Operator,
    lines: &Batch,
    settings: &P::Settings,
    rounds: usize,
    target: f64,
) {
    let name = operator.name();
    let input = BatchRef::new(ColumnRef::EMPTY, lines.values.as_ref(), ColumnRef::EMPTY, &[])
        .expect("one column");
    let native_input = native(lines);
    let mut buffers = Buffers::default();
    let (mut fastest_native, mut fastest_component) = (Duration::MAX, Duration::MAX);
    for _ in 0..rounds {
        let (outcome, time) =
            timed(|| run_transform::<P>(settings, &native_input, std::mem::take(&mut buffers)));
        let outcome = outcome.expect("no failure");
        fastest_native = fastest_native.min(time);
        let expected = (outcome.emitted.keys.len(), outcome.emitted.values.len());
        let (emitted, time) = timed(|| component(operator, input));
        assert_eq!(emitted, expected, "{name}");
        fastest_component = fastest_component.min(time);
        buffers = outcome.into();
    }
    let per_record = |time: Duration| time.as_nanos() as f64 / input.len() as f64;
    let (native, component) = (per_record(fastest_native), per_record(fastest_component));
    let ratio = component / native;
    println!(
        "{name:<14}{native:>9.1} ns{component:>11.1} ns{ratio:>8.2}{:>9}",
        format!("≤ {target}")
    );
}

/// One call through the sandbox, looking at the result as the engine's next step would.
fn component(operator: &Operator, input: BatchRef<'_>) -> (usize, usize) {
    let cx = CallContext { pipeline: "bench", batch: 1, task: 0, time_ms: 0 };
    let columns = |emitted: BatchRef<'_>| (emitted.keys().len(), emitted.values().len());
    operator.transform(&cx, input, |outcome| columns(outcome.emitted())).expect("no failure")
}

fn operator(runtime: &Arc<Runtime>, name: &str) -> Operator {
    let plugin = runtime.load(ready(name), &Grants::none()).expect("a plugin");
    plugin.operator(name, &Settings::new(), Limits::default()).expect("an operator")
}

fn ready(name: &str) -> &'static [u8] {
    let ready = tidemill_plugins::ready().iter().find(|plugin| plugin.name == name);
    ready.expect("a ready plugin").component
}

#[allow(clippy::disallowed_methods, reason = "a benchmark's own stopwatch")]
fn timed<R>(run: impl FnOnce() -> R) -> (R, Duration) {
    let started = Instant::now();
    let result = run();
    (result, started.elapsed())
}

/// Lengths of a line's words; with the spaces between them they make its 104 bytes.
const WORDS: [usize; 19] = [2, 3, 5, 4, 6, 3, 4, 7, 2, 5, 4, 3, 6, 5, 4, 8, 3, 5, 7];

/// Lines of 104 bytes with 19 words, as in the design's measurements. Always the same.
fn lines(records: usize) -> Batch {
    let mut random = 1_u64;
    let mut letter = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        b'a' + (random >> 33) as u8 % 26
    };
    let mut batch = Batch::default();
    for record in 0..records {
        let mut line: Vec<u8> = Vec::with_capacity(RECORD_BYTES + 1);
        for length in WORDS.iter().cycle().skip(record % WORDS.len()).take(WORDS.len()) {
            line.extend((0..*length).map(|_| letter()));
            line.push(b' ');
        }
        line.pop();
        assert_eq!(line.len(), RECORD_BYTES);
        batch.values.push(Some(&line));
    }
    batch
}

/// The same records as the SDK has them.
fn native(lines: &Batch) -> tidemill_sdk::Batch {
    let values = lines.values.as_ref();
    let values = tidemill_sdk::Column {
        data: values.data().to_vec(),
        offsets: values.offsets().to_vec(),
        validity: Vec::new(),
    };
    tidemill_sdk::Batch { values, ..tidemill_sdk::Batch::default() }
}
