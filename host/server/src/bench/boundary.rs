//! `tidemill bench boundary`: calls of ready plugins over columns, beside the plugins' own code run natively.
//!
//! Both sides run the same Rust code over the same columns, native code with buffers that it uses again. The
//! sandbox runs as a host runs it, with its deadline checks on. Both sides take turns, so that both see the same
//! machine, and what they give is compared.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tidemill_plugin::{
    BatchRef, CallContext, Column, ColumnRef, Grants, Limits, Operator, Runtime, RuntimeConfig,
    Settings,
};
use tidemill_sdk::plugin::Transform;
use tidemill_sdk::{Buffers, run_transform};

use super::BenchError;
use super::corpus::Corpus;
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
    let upper = Bench { runtime: &runtime, name: "upper-case", values: &values, duration };
    let split = Bench { name: "split-words", ..upper };
    let words = split_words::SplitWords {
        lower_case: false,
        separators: split_words::Separators::WhiteSpace,
    };
    Ok(vec![
        upper.compare::<upper_case::Plugin>(&())?,
        split.compare::<split_words::Plugin>(&words)?,
    ])
}

/// One plugin to be measured.
#[derive(Clone, Copy)]
struct Bench<'a> {
    runtime: &'a Arc<Runtime>,
    name: &'static str,
    values: &'a Column,
    duration: Duration,
}

/// Items and bytes of keys and of values.
type Emitted = [(usize, usize); 2];

impl Bench<'_> {
    fn compare<P: Transform>(&self, settings: &P::Settings) -> Result<Figures, BenchError> {
        let operator = self.operator()?;
        let input = self.native_input();
        let mut buffers = Buffers::default();
        let (mut native_times, mut component_times) = (Vec::new(), Vec::new());
        let started = clock::now();
        while started.elapsed() < self.duration || native_times.len() < 10 {
            let began = clock::now();
            let outcome = run_transform::<P>(settings, &input, std::mem::take(&mut buffers));
            native_times.push(began.elapsed());
            let outcome = outcome.map_err(|failure| self.wrong(&failure.to_string()))?;
            let size = |column: &tidemill_sdk::Column| (column.len(), column.data.len());
            let expected = [size(&outcome.emitted.keys), size(&outcome.emitted.values)];
            buffers = outcome.into();

            let began = clock::now();
            let emitted = self.call(&operator)?;
            component_times.push(began.elapsed());
            if emitted != expected {
                return Err(self.wrong("it gave something else than the same code natively"));
            }
        }
        let (native, component) = (fastest_ns(native_times), fastest_ns(component_times));
        Ok(Figures {
            plugin: self.name,
            native_ns_per_record: native,
            component_ns_per_record: component,
            ratio: component / native,
        })
    }

    fn operator(&self) -> Result<Operator, BenchError> {
        let ready = tidemill_plugins::ready().iter().find(|ready| ready.name == self.name);
        let component = ready.ok_or_else(|| self.wrong("it is no ready plugin"))?.component;
        let plugin = self.runtime.load(component, &Grants::none())?;
        Ok(plugin.operator(self.name, &Settings::new(), Limits::default())?)
    }

    /// The same records as plugins have them.
    fn native_input(&self) -> tidemill_sdk::Batch {
        let values = self.values.as_ref();
        let values = tidemill_sdk::Column {
            data: values.data().to_vec(),
            offsets: values.offsets().to_vec(),
            validity: Vec::new(),
        };
        tidemill_sdk::Batch { values, ..tidemill_sdk::Batch::default() }
    }

    /// Looks at sizes alone: comparing every byte would be timed as well.
    fn call(&self, operator: &Operator) -> Result<Emitted, BenchError> {
        let context = CallContext { pipeline: "bench", batch: 0, task: 0, time_ms: 0 };
        let empty = ColumnRef::EMPTY;
        let batch = BatchRef::new(empty, self.values.as_ref(), empty, &[])?;
        let size = |column: ColumnRef<'_>| (column.len(), column.item_bytes());
        Ok(operator.transform(&context, batch, |outcome| {
            let emitted = outcome.emitted();
            [size(emitted.keys()), size(emitted.values())]
        })?)
    }

    fn wrong(&self, what: &str) -> BenchError {
        BenchError::Wrong { what: format!("`{}`: {what}", self.name) }
    }
}

/// Nanoseconds a record, of the fastest tenth of the calls: what disturbs a call only makes it slower.
fn fastest_ns(mut times: Vec<Duration>) -> f64 {
    times.sort();
    let fastest = &times[..times.len().div_ceil(10)];
    fastest.iter().sum::<Duration>().as_nanos() as f64 / fastest.len() as f64 / RECORDS as f64
}
