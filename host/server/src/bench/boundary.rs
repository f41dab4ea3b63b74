//! `tidemill bench boundary`: calls of ready plugins over columns, beside native code that does the same.
//!
//! Both sides read the same columns and write columns of the same form, into buffers that they use again.
//! The sandbox runs as a host runs it, with its deadline checks on, and each result is checked.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tidemill_plugin::{
    BatchRef, CallContext, Column, Grants, Limits, OutcomeRef, Runtime, RuntimeConfig, Settings,
};

use super::BenchError;
use super::corpus::{Corpus, for_each_word};
use crate::cli::table;
use crate::clock;

/// Records of one call.
const RECORDS: usize = 10_000;

#[derive(Args)]
pub struct BoundaryArgs {
    /// Seconds for each side of each plugin.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Small sizes: whether it works, not how fast.
    #[arg(long)]
    smoke: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    plugin: &'static str,
    native_ns_per_record: f64,
    component_ns_per_record: f64,
    /// Of the native time.
    ratio: f64,
}

pub fn text(all: &Vec<Figures>) -> String {
    let mut rows = table(&["PLUGIN", "NATIVE NS", "COMPONENT NS", "RATIO"]);
    for figures in all {
        rows.add_row([
            figures.plugin.to_owned(),
            format!("{:.1}", figures.native_ns_per_record),
            format!("{:.1}", figures.component_ns_per_record),
            format!("{:.2}", figures.ratio),
        ]);
    }
    format!(
        "{}\n{RECORDS} records of about 104 bytes a call, one core, time a record",
        rows.trim_fmt()
    )
}

pub fn run(args: &BoundaryArgs) -> Result<Vec<Figures>, BenchError> {
    let duration =
        if args.smoke { Duration::from_millis(30) } else { Duration::from_secs(args.seconds) };
    let corpus = Corpus::generate(RECORDS, 42);
    let mut values = Column::with_capacity(RECORDS, corpus.bytes());
    (0..RECORDS).for_each(|line| values.push(Some(corpus.line(line))));
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let upper = compare(&runtime, "upper-case", &values, duration, native_upper_case)?;
    let split = compare(&runtime, "split-words", &values, duration, native_split_words)?;
    Ok(vec![upper, split])
}

/// What a native run writes: items one after the other, where each ends, and how many each record gave.
#[derive(Default)]
struct Emitted {
    data: Vec<u8>,
    offsets: Vec<u32>,
    counts: Vec<u32>,
}

impl Emitted {
    fn clear(&mut self) {
        self.data.clear();
        self.offsets.clear();
        self.offsets.push(0);
        self.counts.clear();
    }
}

fn native_upper_case(values: &Column, out: &mut Emitted) {
    let values = values.as_ref();
    out.data.extend_from_slice(values.data());
    out.data.make_ascii_uppercase();
    out.offsets.clear();
    out.offsets.extend_from_slice(values.offsets());
}

fn native_split_words(values: &Column, out: &mut Emitted) {
    for line in values.as_ref().iter() {
        let mut words = 0;
        for_each_word(line.unwrap_or_default(), |word| {
            out.data.extend_from_slice(word);
            out.offsets.push(out.data.len() as u32);
            words += 1;
        });
        out.counts.push(words);
    }
}

fn compare(
    runtime: &Arc<Runtime>,
    name: &'static str,
    values: &Column,
    duration: Duration,
    native: fn(&Column, &mut Emitted),
) -> Result<Figures, BenchError> {
    let mut expected = Emitted::default();
    let native_ns = measure(duration, || {
        expected.clear();
        native(values, &mut expected);
        std::hint::black_box(&expected);
        Ok(())
    })?;
    let ready = tidemill_plugins::ready().iter().find(|ready| ready.name == name);
    let ready = ready
        .ok_or_else(|| BenchError::Wrong { what: format!("there is no ready plugin `{name}`") })?;
    let plugin = runtime.load(ready.component, &Grants::none())?;
    let operator = plugin.operator(name, &Settings::new(), Limits::default())?;
    let timestamps = vec![0; values.len()];
    let (keys, headers) = (Column::new(), Column::new());
    let batch = BatchRef::new(keys.as_ref(), values.as_ref(), headers.as_ref(), &timestamps)?;
    let context = CallContext { pipeline: "bench", batch: 0, task: 0, time_ms: 0 };
    let component_ns = measure(duration, || {
        let right = operator.transform(&context, batch, |outcome| is_right(outcome, &expected))?;
        if right {
            Ok(())
        } else {
            Err(BenchError::Wrong {
                what: format!("`{name}` gave something else than native code"),
            })
        }
    })?;
    Ok(Figures {
        plugin: name,
        native_ns_per_record: native_ns,
        component_ns_per_record: component_ns,
        ratio: component_ns / native_ns,
    })
}

/// Looks at sizes alone: comparing every byte would be timed as well.
fn is_right(outcome: OutcomeRef<'_>, expected: &Emitted) -> bool {
    let emitted = outcome.emitted();
    let column = if emitted.keys().is_empty() { emitted.values() } else { emitted.keys() };
    column.len() + 1 == expected.offsets.len() && column.item_bytes() == expected.data.len()
}

/// Nanoseconds a record, of the fastest tenth of the calls: what the machine does beside is not measured.
fn measure(
    duration: Duration,
    mut call: impl FnMut() -> Result<(), BenchError>,
) -> Result<f64, BenchError> {
    let started = clock::now();
    let mut times = Vec::new();
    while started.elapsed() < duration || times.len() < 10 {
        let began = clock::now();
        call()?;
        times.push(began.elapsed());
    }
    times.sort();
    let fastest = &times[..times.len().div_ceil(10)];
    Ok(fastest.iter().sum::<Duration>().as_nanos() as f64 / fastest.len() as f64 / RECORDS as f64)
}
