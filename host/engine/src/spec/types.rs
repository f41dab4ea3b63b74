//! What a pipeline file means once it is known to be right.
//! **A value of these types has passed every check of [`super`]**: nobody checks again.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::place::Places;

/// A pipeline's name: 1 to 100 letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PipelineName(pub(super) String);

impl PipelineName {
    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PipelineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which plugin: `name`, `name@version` or `sha256:` and hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct PluginRef(pub(super) String);

impl PluginRef {
    /// The reference as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pipeline: sources, operators and sinks, wired into a graph without cycles.
///
/// Names are unique over all nodes, every input exists, and every source and operator reaches a
/// sink. Whether plugins exist and their parameters fit is not known here.
#[derive(Debug, Clone)]
pub struct PipelineSpec {
    /// Unique in a host.
    pub name: PipelineName,
    /// When batches run.
    pub trigger: Trigger,
    /// Where checkpoints go, a `file://` or `s3://` URL; `None`: the host's data folder.
    pub checkpoints: Option<String>,
    /// So many checkpoints are kept, the last one among them: batches behind the oldest can be replayed.
    pub checkpoints_kept: usize,
    /// How large a batch may become.
    pub limits: BatchLimits,
    /// Tasks over which keyed state is spread; `None`: the engine chooses.
    pub tasks: Option<u32>,
    /// What becomes of open windows when the trigger ends the pipeline.
    pub on_end: OnEnd,
    /// At least one.
    pub sources: Vec<SourceSpec>,
    /// In the order of the file.
    pub operators: Vec<OperatorSpec>,
    /// At least one.
    pub sinks: Vec<SinkSpec>,
    /// The file, for messages that point into it.
    pub source_text: String,
    pub(super) places: Places,
}

/// When batches run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Trigger {
    /// One batch after the other, started this far apart at most.
    Interval(Duration),
    /// Batches until everything present at the start is done; then the pipeline ends.
    AvailableNow,
    /// One batch with everything present at the start; then the pipeline ends.
    Once,
}

/// How large a batch may become.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BatchLimits {
    /// Records a second, over all sources. Above zero, and finite.
    pub rate_max: Option<f64>,
    /// Bytes a batch may read. One record batch is always read whole.
    pub batch_bytes_max: u64,
    /// Records a batch may read.
    pub batch_records_max: Option<u64>,
    /// Whether the rate follows how fast batches were worked on.
    pub back_pressure: bool,
}

/// What becomes of open windows when the trigger ends the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum OnEnd {
    /// They stay in the state and go on when the pipeline is started again, as in Spark.
    #[default]
    Keep,
    /// They are emitted as they are, as in Flink.
    Flush,
}

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceSpec {
    /// Unique over all nodes.
    pub name: String,
    /// What is read.
    pub input: SourceInput,
    /// Where a pipeline that has no position yet begins.
    pub start: Start,
}

/// What a source reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum SourceInput {
    /// A topic of the log.
    Topic(String),
    /// The lines of all files that match a pattern, as they grow.
    Files(String),
    /// The lines that a TCP server sends.
    Socket(SocketAddr),
}

/// Where a pipeline that has no position yet begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Start {
    /// With the oldest record that is there.
    #[default]
    Earliest,
    /// With the next record to come.
    Latest,
}

/// One plugin at work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperatorSpec {
    /// Unique over all nodes.
    pub name: String,
    /// What it runs.
    pub plugin: PluginRef,
    /// At least one.
    pub inputs: Vec<Input>,
    /// In the order of their names.
    pub params: Vec<(String, ParamValue)>,
    /// Where the sandbox ends.
    pub limits: OperatorLimits,
    /// Capabilities the plugin may use.
    pub grants: Vec<String>,
    /// What becomes of a record that the plugin rejects, or that makes a call fail.
    pub on_error: OnError,
    /// The share of a batch's records that may be bad before the batch fails all the same; 0 to 1.
    pub poison_max: f64,
    /// Present for windowed reducers.
    pub window: Option<WindowSpec>,
}

/// What becomes of a record that a plugin cannot take.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub enum OnError {
    /// The pipeline fails.
    #[default]
    Fail,
    /// It is left out, and counted.
    Skip,
    /// It goes to a topic, with all that is known of why.
    DeadLetter {
        /// The topic; made if it is not there.
        topic: String,
    },
}

/// The output of another node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Input {
    /// A source's or operator's name.
    pub node: String,
    /// A named output of an operator; `None`: its first. `late` of a windowed operator has the
    /// records that came after their windows had closed.
    pub port: Option<String>,
}

/// A parameter as written; whether it fits is the plugin's to say.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A finite number with a point.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
}

/// Where a plugin's sandbox ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OperatorLimits {
    /// Bytes of linear memory of one instance.
    pub memory: u64,
    /// How long one call may take.
    pub call: Duration,
    /// Bytes that one call may give back.
    pub output_bytes: u64,
    /// Calls at a time, each on an instance; `None`: as many as there are workers.
    pub instances: Option<u32>,
    /// Lines that it may write to the host's log.
    pub log_lines_per_second: u32,
}

impl Default for OperatorLimits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            call: Duration::from_millis(500),
            output_bytes: 64 << 20,
            instances: None,
            log_lines_per_second: 100,
        }
    }
}

/// Windows of a reducer. A pane is `gcd(size_ms, slide_ms)` long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WindowSpec {
    /// How long a window is. Above zero.
    pub size_ms: i64,
    /// How far apart windows start. Above zero, at most `size_ms`.
    pub slide_ms: i64,
    /// Which time puts a record into a window.
    pub time: WindowTime,
    /// How long a window waits for late records. Zero for processing time.
    pub delay_ms: i64,
}

/// Which time puts a record into a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum WindowTime {
    /// The record's timestamp.
    Event,
    /// The batch's time.
    Processing,
}

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SinkSpec {
    /// Unique over all nodes.
    pub name: String,
    /// At least one.
    pub inputs: Vec<Input>,
    /// What is written.
    pub output: SinkOutput,
}

/// What a sink writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum SinkOutput {
    /// A topic of the log.
    Topic {
        /// Its name.
        name: String,
        /// How many partitions it gets if it is not there yet.
        partitions: Option<u32>,
    },
    /// The host's standard output.
    Print,
    /// A folder of immutable files, a `file://` or `s3://` URL.
    Files(String),
}
