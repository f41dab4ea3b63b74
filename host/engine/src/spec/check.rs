//! Raw structures become validated ones. Each function turns one table into one value, or notes
//! what is wrong with it and goes on, so that all problems are told at once.

use std::time::Duration;

use toml::Spanned;

use super::place::{NodePlaces, Places};
use super::problems::Problems;
use super::raw::{OneOrMore, RawBatchLimits, RawOperatorLimits, RawPipeline};
use super::types::{
    BatchLimits, Input, OnEnd, OperatorLimits, PipelineName, PipelineSpec, Trigger,
};
use super::value::{self, Wrong};
use super::{node, wiring};

const BATCH_INTERVAL_DEFAULT: Duration = Duration::from_millis(100);
const BATCH_INTERVAL_MAX: Duration = Duration::from_secs(24 * 3600);
const BATCH_BYTES_DEFAULT: u64 = 64 << 20;
const BATCH_BYTES_MAX: u64 = 16 << 30;
/// A pipeline has at least this many key groups, and a task without a group has nothing to do.
const TASKS_MAX: u64 = 128;
/// The last checkpoint, and enough before it to go back where the last commit itself is lost.
const CHECKPOINTS_KEPT_MIN: u64 = 3;
const CHECKPOINTS_KEPT_MAX: u64 = 1000;
const CHECKPOINTS_KEPT_DEFAULT: usize = 16;
/// A host has no more plugin instances than this.
const INSTANCES_MAX: u64 = 512;
/// More would make the host's log useless to everybody else.
const LOG_LINES_MAX: u64 = 10_000;
/// Far above what a person writes, and low enough for every check to be quick.
const NODES_MAX: usize = 1000;

/// Checks everything and gives back the pipeline, unless there are problems.
pub(super) fn pipeline(
    raw: RawPipeline,
    text: &str,
    problems: &mut Problems,
) -> Option<PipelineSpec> {
    if raw.sources.len() + raw.operators.len() + raw.sinks.len() > NODES_MAX {
        let message = format!("the pipeline has more than {NODES_MAX} nodes");
        problems.add(raw.name.span(), Wrong::new(message, "cut it into several pipelines"));
        return None;
    }
    wiring::check(&raw, problems);
    let name = problems.take(raw.name.span(), value::name(raw.name.get_ref()));
    let trigger = trigger(&raw, problems);
    let on_end = on_end(&raw, trigger, problems);
    let limits = batch_limits(&raw.limits, trigger, problems);
    let tasks = raw.tasks.as_ref().map(|tasks| {
        let checked = value::whole(*tasks.get_ref(), 1, TASKS_MAX);
        problems.take(tasks.span(), checked).map(|tasks| tasks as u32)
    });
    let checkpoints = raw.checkpoints.location.as_ref();
    let location =
        checkpoints.map(|url| problems.take(url.span(), value::storage_url(url.get_ref())));
    let kept = raw.checkpoints.keep.as_ref().map(|keep| {
        let checked = value::whole(*keep.get_ref(), CHECKPOINTS_KEPT_MIN, CHECKPOINTS_KEPT_MAX);
        problems.take(keep.span(), checked).and_then(|kept| usize::try_from(kept).ok())
    });
    let mut places = Places {
        name: raw.name.span(),
        checkpoints: checkpoints.map(Spanned::span),
        tasks: raw.tasks.as_ref().map(Spanned::span),
        ..Places::default()
    };
    let ends = trigger.is_some_and(|trigger| !matches!(trigger, Trigger::Interval(_)));
    let sources = raw.sources.iter().map(|raw| node::source(raw, ends, problems));
    let sources = keep_places(sources, &mut places.sources);
    let operators =
        raw.operators.into_iter().map(|node| node::operator(node, raw.name.get_ref(), problems));
    let operators = keep_places(operators, &mut places.operators);
    let sinks = raw.sinks.iter().map(|raw| node::sink(raw, problems));
    let sinks = keep_places(sinks, &mut places.sinks);
    Some(PipelineSpec {
        name: PipelineName(name?),
        trigger: trigger?,
        checkpoints: all(location)?,
        checkpoints_kept: all(kept)?.unwrap_or(CHECKPOINTS_KEPT_DEFAULT),
        limits: limits?,
        tasks: all(tasks)?,
        on_end: on_end?,
        sources: sources?,
        operators: operators?,
        sinks: sinks?,
        source_text: text.to_owned(),
        places,
    })
}

/// An absent value is right; a present one must have passed its check.
fn all<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    value.map_or(Some(None), |checked| checked.map(Some))
}

/// Keeps every node's places, and the nodes unless one is wrong. All are looked at.
fn keep_places<T>(
    nodes: impl Iterator<Item = (Option<T>, NodePlaces)>,
    places: &mut Vec<NodePlaces>,
) -> Option<Vec<T>> {
    let mut checked = Vec::new();
    for (node, place) in nodes {
        checked.push(node);
        places.push(place);
    }
    checked.into_iter().collect()
}

fn trigger(raw: &RawPipeline, problems: &mut Problems) -> Option<Trigger> {
    match (&raw.batch_interval, &raw.trigger) {
        (None, None) => Some(Trigger::Interval(BATCH_INTERVAL_DEFAULT)),
        (Some(interval), None) => {
            let min = Duration::from_millis(1);
            let checked = value::duration(interval.get_ref(), min, BATCH_INTERVAL_MAX);
            problems.take(interval.span(), checked).map(Trigger::Interval)
        }
        (None, Some(trigger)) => {
            let known = [("available-now", Trigger::AvailableNow), ("once", Trigger::Once)];
            problems.take(trigger.span(), value::word(trigger.get_ref(), &known))
        }
        (Some(_), Some(trigger)) => {
            let hint = "leave one out: an interval runs for ever, a trigger ends";
            let wrong = Wrong::new("both `batch_interval` and `trigger` are set", hint);
            problems.add(trigger.span(), wrong);
            None
        }
    }
}

fn on_end(raw: &RawPipeline, trigger: Option<Trigger>, problems: &mut Problems) -> Option<OnEnd> {
    let Some(on_end) = &raw.on_end else { return Some(OnEnd::default()) };
    let known = [("keep", OnEnd::Keep), ("flush", OnEnd::Flush)];
    let checked = problems.take(on_end.span(), value::word(on_end.get_ref(), &known))?;
    if matches!(trigger, Some(Trigger::Interval(_))) {
        let hint = "leave it out, or set trigger = \"available-now\"";
        let wrong = Wrong::new("a pipeline with a batch interval has no end", hint);
        problems.add(on_end.span(), wrong);
    }
    Some(checked)
}

fn batch_limits(
    raw: &RawBatchLimits,
    trigger: Option<Trigger>,
    problems: &mut Problems,
) -> Option<BatchLimits> {
    let rate_max = raw.rate_max.as_ref().map(|rate| {
        let sound = rate.get_ref().is_finite() && *rate.get_ref() > 0.0;
        let wrong = || Wrong::new("the rate is not above zero", "in records a second: 10000");
        problems.take(rate.span(), sound.then_some(*rate.get_ref()).ok_or_else(wrong))
    });
    let bytes_max = raw.batch_bytes_max.as_ref().map(|bytes| {
        let checked = value::bytes(bytes.get_ref(), 1 << 10, BATCH_BYTES_MAX);
        problems.take(bytes.span(), checked)
    });
    let records_max = raw.batch_records_max.as_ref().map(|records| {
        let checked = value::whole(*records.get_ref(), 1, i64::MAX as u64);
        problems.take(records.span(), checked)
    });
    Some(BatchLimits {
        rate_max: all(rate_max)?,
        batch_bytes_max: all(bytes_max)?.unwrap_or(BATCH_BYTES_DEFAULT),
        batch_records_max: all(records_max)?,
        back_pressure: raw.back_pressure.unwrap_or(matches!(trigger, Some(Trigger::Interval(_)))),
    })
}

/// Where an operator's sandbox ends.
pub(super) fn operator_limits(
    raw: &RawOperatorLimits,
    problems: &mut Problems,
) -> Option<OperatorLimits> {
    let default = OperatorLimits::default();
    let memory = raw.memory.as_ref().map(|bytes| {
        // A component in a usual language needs a mebibyte to start; a 32-bit one has no more than four gibibytes.
        problems.take(bytes.span(), value::bytes(bytes.get_ref(), 1 << 20, 4 << 30))
    });
    let call = raw.call.as_ref().map(|call| {
        let (min, max) = (Duration::from_millis(1), Duration::from_secs(600));
        problems.take(call.span(), value::duration(call.get_ref(), min, max))
    });
    let output_bytes = raw.output_bytes.as_ref().map(|bytes| {
        // A column's offsets are below 2^31.
        problems.take(bytes.span(), value::bytes(bytes.get_ref(), 1 << 10, (1 << 31) - 1))
    });
    let instances = raw.instances.as_ref().map(|instances| {
        let checked = value::whole(*instances.get_ref(), 1, INSTANCES_MAX);
        problems.take(instances.span(), checked).map(|instances| instances as u32)
    });
    let lines = raw.log_lines_per_second.as_ref().map(|lines| {
        let checked = value::whole(*lines.get_ref(), 0, LOG_LINES_MAX);
        problems.take(lines.span(), checked).map(|lines| lines as u32)
    });
    Some(OperatorLimits {
        instances: all(instances)?,
        log_lines_per_second: all(lines)?.unwrap_or(default.log_lines_per_second),
        memory: all(memory)?.unwrap_or(default.memory),
        call: all(call)?.unwrap_or(default.call),
        output_bytes: all(output_bytes)?.unwrap_or(default.output_bytes),
    })
}

/// `node` or `node.port`. Whether they exist is checked in [`wiring`].
pub(super) fn inputs(raw: &OneOrMore) -> Vec<Input> {
    raw.0.iter().map(|input| split_input(input.get_ref())).collect()
}

/// Names have no points, so that the first one ends the node's name.
pub(super) fn split_input(text: &str) -> Input {
    match text.split_once('.') {
        Some((node, port)) => Input { node: node.to_owned(), port: Some(port.to_owned()) },
        None => Input { node: text.to_owned(), port: None },
    }
}
