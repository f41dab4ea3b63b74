//! `tidemill bench plugin`: calls of any components, beside each other.
//!
//! Components take turns over the same lines, so that all see the same machine. What each makes of them is
//! compared with what the first makes: **a ratio between different results is marked as such.**

use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tidemill_plugin::{
    BatchRef, CallContext, Column, ColumnRef, Grants, Limits, Operator, Runtime, RuntimeConfig,
    SettingValue, Settings, World,
};

use super::BenchError;
use super::corpus::Corpus;
use crate::cli::{parameter, table};
use crate::clock;

/// Groups that the records of a call belong to, where a reducer folds them.
const GROUPS: usize = 1_000;

#[derive(Args)]
pub struct PluginArgs {
    /// The components; each is compared with the first.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Records of one call, of about 104 bytes each.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    records: u32,
    /// Seconds for each component.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Call each component until it has had at least so many records.
    #[arg(long, default_value_t = 0, value_name = "N")]
    records_total: u64,
    /// A parameter, as in a pipeline file: `--param length_min=7`.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, SettingValue)>,
    /// Memory that an instance may have.
    #[arg(long, default_value = "256MiB")]
    memory: bytesize::ByteSize,
    /// Small sizes: whether it works, not how fast.
    #[arg(long)]
    smoke: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    file: PathBuf,
    plugin: String,
    world: &'static str,
    records_per_second: f64,
    ns_per_record: f64,
    /// Of the first component's speed.
    ratio: f64,
    /// Whether it makes the same of the records as the first.
    same_result: bool,
    compile_ms: f64,
    records: u64,
    instances_started: u64,
    memory_bytes_high: u64,
}

pub fn text(all: &Vec<Figures>) -> String {
    let mut rows = table(&[
        "PLUGIN",
        "RECORDS/S",
        "NS A RECORD",
        "OF THE FIRST",
        "RESULT",
        "MEMORY",
        "INSTANCES",
    ]);
    for figures in all {
        rows.add_row([
            figures.plugin.clone(),
            format!("{:.0}", figures.records_per_second),
            format!("{:.1}", figures.ns_per_record),
            format!("{:.2}", figures.ratio),
            if figures.same_result { "same" } else { "another" }.to_owned(),
            bytesize::ByteSize(figures.memory_bytes_high).to_string(),
            figures.instances_started.to_string(),
        ]);
    }
    rows.trim_fmt()
}

pub fn run(args: &PluginArgs) -> Result<Vec<Figures>, BenchError> {
    let records = if args.smoke { args.records.min(100) } else { args.records } as usize;
    let input = Input::new(records);
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let mut runs = Vec::with_capacity(args.files.len());
    for file in &args.files {
        runs.push(Run::start(&runtime, file, args)?);
    }
    let results = runs.iter().map(|run| run.result_of(&input)).collect::<Result<Vec<u64>, _>>()?;
    let duration = match args.seconds {
        _ if args.smoke => Duration::from_millis(30),
        seconds => Duration::from_secs(seconds) * runs.len() as u32,
    };
    let started = clock::now();
    let is_done = |runs: &[Run]| {
        let calls = runs.iter().map(|run| run.times.len()).min().unwrap_or_default();
        started.elapsed() >= duration && calls as u64 * records as u64 >= args.records_total
    };
    while !is_done(&runs) {
        for run in &mut runs {
            let began = clock::now();
            run.call(&input, |_| ())?;
            run.times.push(began.elapsed());
        }
    }
    let first = runs[0].ns_per_record(records);
    let figures = runs.iter().zip(&results).map(|(run, result)| Figures {
        same_result: *result == results[0],
        ratio: first / run.ns_per_record(records),
        ..run.figures(records)
    });
    Ok(figures.collect())
}

/// What every component gets: lines as values, one timestamp each, and groups for reducers.
struct Input {
    values: Column,
    timestamps: Vec<i64>,
    groups: Vec<u32>,
    new_groups: Column,
}

impl Input {
    fn new(records: usize) -> Input {
        let corpus = Corpus::generate(records, 42);
        let mut values = Column::with_capacity(records, corpus.bytes());
        (0..records).for_each(|line| values.push(Some(corpus.line(line))));
        let mut new_groups = Column::new();
        (0..GROUPS).for_each(|_| new_groups.push(None));
        Input {
            values,
            timestamps: (0..records as i64).map(|record| 1_700_000_000_000 + record).collect(),
            groups: (0..records as u32).map(|record| record % GROUPS as u32).collect(),
            new_groups,
        }
    }
}

/// One component under measurement.
struct Run {
    file: PathBuf,
    operator: Operator,
    times: Vec<Duration>,
}

impl Run {
    fn start(runtime: &Arc<Runtime>, file: &Path, args: &PluginArgs) -> Result<Run, BenchError> {
        let component = std::fs::read(file)
            .map_err(|source| BenchError::Component { path: file.to_owned(), source })?;
        let plugin = runtime.load(&component, &Grants::all())?;
        let settings: Settings = args.parameters.iter().cloned().collect();
        let memory_bytes_max = usize::try_from(args.memory.as_u64()).unwrap_or(usize::MAX);
        let limits = Limits {
            memory_bytes_max,
            call_time_max: Duration::from_secs(10),
            ..Limits::default()
        };
        let operator = plugin.operator("bench", &settings, limits)?;
        Ok(Run { file: file.to_owned(), operator, times: Vec::new() })
    }

    /// One call; `see` gets the columns that it gave back.
    fn call(&self, input: &Input, mut see: impl FnMut(ColumnRef<'_>)) -> Result<(), BenchError> {
        let context = CallContext { pipeline: "bench", batch: 0, task: 0, time_ms: 0 };
        let (empty, values) = (ColumnRef::EMPTY, input.values.as_ref());
        let batch = BatchRef::new(empty, values, empty, &input.timestamps)?;
        let operator = &self.operator;
        match operator.plugin().world() {
            World::Transform => operator.transform(&context, batch, |outcome| {
                see(outcome.emitted().keys());
                see(outcome.emitted().values());
            })?,
            World::Filter => operator.keep(&context, batch, |bitmap| {
                let bits = &[0, bitmap.len() as u32];
                see(ColumnRef::new(bitmap, bits, &[]).unwrap_or_default());
            })?,
            World::Reducer | World::InvertibleReducer => {
                let accumulators = input.new_groups.as_ref();
                operator.fold(
                    &context,
                    &input.groups,
                    values,
                    &input.timestamps,
                    accumulators,
                    see,
                )?;
            }
            world => return Err(BenchError::Wrong { what: format!("a {world} is not run yet") }),
        }
        Ok(())
    }

    /// A fingerprint of what it makes of the input.
    fn result_of(&self, input: &Input) -> Result<u64, BenchError> {
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        self.call(input, |column| {
            for item in column.iter() {
                hasher.write_u8(u8::from(item.is_some()));
                hasher.write(item.unwrap_or_default());
            }
        })?;
        Ok(hasher.finish())
    }

    /// Of the faster half of the calls: what disturbs a call only makes it slower.
    fn ns_per_record(&self, records: usize) -> f64 {
        let mut times = self.times.clone();
        times.sort();
        let fastest = &times[..times.len().div_ceil(2)];
        fastest.iter().sum::<Duration>().as_nanos() as f64 / fastest.len() as f64 / records as f64
    }

    fn figures(&self, records: usize) -> Figures {
        let plugin = self.operator.plugin();
        let costs = self.operator.costs();
        let description = plugin.description();
        Figures {
            file: self.file.clone(),
            plugin: format!("{}@{}", description.name, description.version),
            world: plugin.world().name(),
            records_per_second: 1e9 / self.ns_per_record(records),
            ns_per_record: self.ns_per_record(records),
            ratio: 1.0,
            same_result: true,
            compile_ms: plugin.compile_time().as_secs_f64() * 1000.0,
            records: costs.records_in,
            instances_started: costs.instances_started,
            memory_bytes_high: costs.memory_bytes_high,
        }
    }
}
