//! One source, operator or sink.

use std::time::Duration;

use toml::{Spanned, Value};

use super::check::{inputs, operator_limits};
use super::place::{NodePlaces, Span};
use super::problems::Problems;
use super::raw::{RawOnError, RawOperator, RawSink, RawSource, RawWindow};
use super::types::{
    OnError, OperatorSpec, ParamValue, SinkOutput, SinkSpec, SourceInput, SourceSpec, Start,
    WindowSpec, WindowTime,
};
use super::value::{self, Wrong};

/// What a plugin can be granted today.
const GRANTS: [(&str, &str); 2] = [("logging", "logging"), ("metrics", "metrics")];
const PARTITIONS_MAX: u64 = 10_000;
/// Most of a batch being bad is a storm and not some bad records.
const POISON_MAX_DEFAULT: f64 = 0.5;
/// A year, as humantime counts it.
const WINDOW_MAX: Duration = Duration::from_secs(31_557_600);
/// A record falls into this many windows at most, and a window has as many panes.
const PANES_MAX: i64 = 10_000;

/// A node, unless it is wrong, and where its parts are.
pub(super) type Checked<T> = (Option<T>, NodePlaces);

pub(super) fn source(raw: &RawSource, ends: bool, problems: &mut Problems) -> Checked<SourceSpec> {
    let mut places = NodePlaces { name: raw.name.span(), ..NodePlaces::default() };
    let input = source_input(raw, ends, &mut places.body, problems);
    let start = match &raw.start {
        None => Some(Start::default()),
        Some(start) => {
            let known = [("earliest", Start::Earliest), ("latest", Start::Latest)];
            let checked = problems.take(start.span(), value::word(start.get_ref(), &known));
            if checked == Some(Start::Latest) && raw.topic.is_none() {
                let hint = "leave it out: files and sockets are read from their beginning";
                let wrong = Wrong::new("only a topic can be read from its latest record", hint);
                problems.add(start.span(), wrong);
            }
            checked
        }
    };
    let node = input.zip(start).map(|(input, start)| SourceSpec {
        name: raw.name.get_ref().clone(),
        input,
        start,
    });
    (node, places)
}

fn source_input(
    raw: &RawSource,
    ends: bool,
    body: &mut Span,
    problems: &mut Problems,
) -> Option<SourceInput> {
    *body = raw.name.span();
    let written = [&raw.topic, &raw.files, &raw.socket];
    let mut written = written.into_iter().flatten();
    let (first, second) = (written.next(), written.next());
    if let Some(second) = second {
        let wrong = Wrong::new("a source reads one thing", "make a second [[source]] of it");
        problems.add(second.span(), wrong);
        return None;
    }
    let Some(first) = first else {
        let message = format!("the source `{}` reads nothing", raw.name.get_ref());
        let hint = "add topic = \"…\", files = \"DIR/*.log\" or socket = \"127.0.0.1:9999\"";
        problems.add(raw.name.span(), Wrong::new(message, hint));
        return None;
    };
    *body = first.span();
    let text = first.get_ref();
    let checked = if raw.topic.is_some() {
        value::topic(text).map(SourceInput::Topic)
    } else if raw.files.is_some() {
        value::files(text).map(SourceInput::Files)
    } else if ends {
        let hint = "read it with a batch_interval, or read files or a topic";
        Err(Wrong::new("a socket never ends, but the trigger waits for its end", hint))
    } else {
        value::socket(text).map(SourceInput::Socket)
    };
    problems.take(first.span(), checked)
}

pub(super) fn operator(
    raw: RawOperator,
    pipeline: &str,
    problems: &mut Problems,
) -> Checked<OperatorSpec> {
    let places = NodePlaces {
        name: raw.name.span(),
        body: raw.plugin.span(),
        inputs: raw.input.0.iter().map(Spanned::span).collect(),
        params: raw.params.keys().map(|key| (key.get_ref().clone(), key.span())).collect(),
        grants: raw.grants.iter().map(Spanned::span).collect(),
        window: raw.window.as_ref().map(Spanned::span),
    };
    let plugin = problems.take(raw.plugin.span(), value::plugin(raw.plugin.get_ref()));
    let limits = operator_limits(&raw.limits, problems);
    let grants: Vec<_> = raw
        .grants
        .iter()
        .map(|grant| problems.take(grant.span(), value::word(grant.get_ref(), &GRANTS)))
        .collect();
    let on_error = on_error(raw.on_error.as_ref(), pipeline, problems);
    let poison_max = match &raw.poison_max {
        None => Some(POISON_MAX_DEFAULT),
        Some(share) => {
            if raw.on_error.is_none() {
                let hint = "set on_error to \"skip\" or \"dead-letter\", or leave `poison_max` out";
                let wrong = Wrong::new("the first bad record fails the pipeline", hint);
                problems.add(share.span(), wrong);
            }
            problems.take(share.span(), value::share(share.get_ref()))
        }
    };
    let window = raw.window.map(|raw| window(&raw, problems));
    let params: Vec<_> =
        raw.params.into_iter().map(|(key, value)| param(key, value, problems)).collect();
    let inputs = inputs(&raw.input);
    let node = || {
        Some(OperatorSpec {
            name: raw.name.into_inner(),
            plugin: plugin?,
            inputs,
            params: params.into_iter().collect::<Option<_>>()?,
            limits: limits?,
            grants: grants
                .into_iter()
                .map(|grant| grant.map(str::to_owned))
                .collect::<Option<_>>()?,
            on_error: on_error?,
            poison_max: poison_max?,
            window: window.map_or(Some(None), |window| window.map(Some))?,
        })
    };
    (node(), places)
}

/// What becomes of bad records; `dead-letter` alone means a topic that is named after the pipeline.
fn on_error(
    raw: Option<&Spanned<RawOnError>>,
    pipeline: &str,
    problems: &mut Problems,
) -> Option<OnError> {
    let Some(raw) = raw else { return Some(OnError::default()) };
    let checked = match raw.get_ref() {
        RawOnError::DeadLetter { topic } => {
            value::output_topic(topic).map(|topic| OnError::DeadLetter { topic })
        }
        RawOnError::Word(word) => {
            let known = [("fail", false), ("skip", false), ("dead-letter", true)];
            value::word(word, &known).map(|is_topic| match (is_topic, word.as_str()) {
                (true, _) => OnError::DeadLetter { topic: format!("{pipeline}-dead-letters") },
                (false, "skip") => OnError::Skip,
                (false, _) => OnError::Fail,
            })
        }
    };
    problems.take(raw.span(), checked)
}

fn param(
    key: Spanned<String>,
    value: Spanned<Value>,
    problems: &mut Problems,
) -> Option<(String, ParamValue)> {
    let span = value.span();
    let checked = match value.into_inner() {
        Value::String(text) => Ok(ParamValue::Text(text)),
        Value::Integer(number) => Ok(ParamValue::Integer(number)),
        Value::Float(number) if number.is_finite() => Ok(ParamValue::Number(number)),
        Value::Boolean(value) => Ok(ParamValue::Boolean(value)),
        Value::Float(_) => Err(Wrong::new("a parameter is a finite number", "not `inf` or `nan`")),
        other => Err(Wrong::new(
            format!("a parameter cannot be of type {}", other.type_str()),
            "a parameter is a string, a number, `true` or `false`",
        )),
    };
    problems.take(span, checked).map(|value| (key.into_inner(), value))
}

fn window(raw: &Spanned<RawWindow>, problems: &mut Problems) -> Option<WindowSpec> {
    let span = raw.span();
    let raw = raw.get_ref();
    let mut length = |text: &Spanned<String>, min_ms| {
        let checked = value::duration(text.get_ref(), Duration::from_millis(min_ms), WINDOW_MAX);
        // Bounded by `WINDOW_MAX`, so that it fits.
        problems.take(text.span(), checked).map(|length| length.as_millis() as i64)
    };
    let size = length(&raw.size, 1);
    let slide = raw.slide.as_ref().map_or(size, |slide| length(slide, 1));
    let delay = raw.delay.as_ref().map_or(Some(0), |delay| length(delay, 0));
    let known = [("event", WindowTime::Event), ("processing", WindowTime::Processing)];
    let time = raw.time.as_ref().map_or(Some(WindowTime::Event), |time| {
        problems.take(time.span(), value::word(time.get_ref(), &known))
    });
    let checked = WindowSpec { size_ms: size?, slide_ms: slide?, time: time?, delay_ms: delay? };
    let slide_span = raw.slide.as_ref().map_or(span, Spanned::span);
    if let Some(wrong) = relation(&checked) {
        problems.add(slide_span, wrong);
    }
    if let (Some(delay), WindowTime::Processing, 1..) = (&raw.delay, checked.time, checked.delay_ms)
    {
        let hint = "leave `delay` out, or set time = \"event\"";
        problems.add(delay.span(), Wrong::new("nothing is late in processing time", hint));
    }
    Some(checked)
}

/// What is wrong between size and slide.
fn relation(window: &WindowSpec) -> Option<Wrong> {
    let WindowSpec { size_ms, slide_ms, .. } = *window;
    if slide_ms > size_ms {
        return Some(Wrong::new(
            "the slide is longer than the window, so that records between two windows would be lost",
            "use a slide of at most the size",
        ));
    }
    let panes = size_ms / gcd(size_ms, slide_ms);
    (panes > PANES_MAX).then(|| {
        Wrong::new(
            format!("each window would be merged from {panes} panes; {PANES_MAX} are allowed"),
            "use a longer slide, and one that divides the size",
        )
    })
}

fn gcd(left: i64, right: i64) -> i64 {
    if right == 0 { left } else { gcd(right, left % right) }
}

pub(super) fn sink(raw: &RawSink, problems: &mut Problems) -> Checked<SinkSpec> {
    let mut places = NodePlaces {
        name: raw.name.span(),
        inputs: raw.input.0.iter().map(Spanned::span).collect(),
        ..NodePlaces::default()
    };
    let output = sink_output(raw, &mut places.body, problems);
    let node = output.map(|output| SinkSpec {
        name: raw.name.get_ref().clone(),
        inputs: inputs(&raw.input),
        output,
    });
    (node, places)
}

fn sink_output(raw: &RawSink, body: &mut Span, problems: &mut Problems) -> Option<SinkOutput> {
    *body = raw.name.span();
    let print = raw.print.as_ref().filter(|print| *print.get_ref()).map(Spanned::span);
    let spans =
        [raw.topic.as_ref().map(Spanned::span), print, raw.files.as_ref().map(Spanned::span)];
    let mut spans = spans.into_iter().flatten();
    let (first, second) = (spans.next(), spans.next());
    if let Some(second) = second {
        let wrong = Wrong::new("a sink writes one thing", "make a second [[sink]] of it");
        problems.add(second, wrong);
        return None;
    }
    let Some(first) = first else {
        let message = format!("the sink `{}` writes nothing", raw.name.get_ref());
        let hint = "add topic = \"…\", print = true or files = \"s3://bucket/prefix\"";
        problems.add(raw.name.span(), Wrong::new(message, hint));
        return None;
    };
    *body = first.clone();
    let partitions = match &raw.partitions {
        None => None,
        Some(partitions) if raw.topic.is_none() => {
            let wrong = Wrong::new("only a topic has partitions", "leave `partitions` out");
            problems.add(partitions.span(), wrong);
            None
        }
        Some(partitions) => {
            let checked = value::whole(*partitions.get_ref(), 1, PARTITIONS_MAX);
            Some(problems.take(partitions.span(), checked)? as u32)
        }
    };
    let checked = match (&raw.topic, &raw.files) {
        (Some(topic), _) => {
            value::output_topic(topic.get_ref()).map(|name| SinkOutput::Topic { name, partitions })
        }
        (None, Some(files)) => value::storage_url(files.get_ref()).map(SinkOutput::Files),
        (None, None) => Ok(SinkOutput::Print),
    };
    problems.take(first, checked)
}
