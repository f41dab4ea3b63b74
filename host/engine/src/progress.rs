//! What a batch did, as Spark's `StreamingQueryProgress` tells it, and a pipeline's status.
//! **Written once per batch**, never per record.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::upgrade::CanaryStatus;

/// One batch, after its commit.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The pipeline's consumer group.
    pub id: String,
    /// Which start of the pipeline this was.
    pub run_id: String,
    /// The pipeline.
    pub name: String,
    /// The batch's time, milliseconds since 1970-01-01 UTC.
    pub timestamp: i64,
    /// Counted from 0.
    pub batch_id: u64,
    /// Records read.
    pub num_input_rows: u64,
    /// Records that came in a second since the batch before.
    pub input_rows_per_second: f64,
    /// Records worked on a second.
    pub processed_rows_per_second: f64,
    /// Records written to sinks.
    pub num_output_rows: u64,
    /// How long each step took.
    pub duration_ms: Durations,
    /// Event time of the windowed operators; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_time: Option<EventTime>,
    /// Reducers.
    pub state_operators: Vec<StateOperator>,
    /// Partitions read.
    pub sources: Vec<SourceProgress>,
    /// Outputs.
    pub sinks: Vec<SinkProgress>,
    /// What the operators did in it.
    pub operators: Vec<OperatorProgress>,
}

/// Milliseconds of each step. Steps of one batch overlap, so they need not add up.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Durations {
    /// Asking the log what there is.
    pub latest_offset: f64,
    /// Deciding what to read.
    pub query_planning: f64,
    /// Persisting the plan, where a sink outside the log needs it.
    pub wal_commit: f64,
    /// Reading, and the operators up to the exchange.
    pub get_batch: f64,
    /// Exchange, state and the operators behind it.
    pub add_batch: f64,
    /// Publishing state and manifest.
    pub publish: f64,
    /// The transaction.
    pub commit_offsets: f64,
    /// From plan to commit.
    pub trigger_execution: f64,
}

/// Milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventTime {
    /// The lowest of the operators' watermarks that this batch ran under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<i64>,
    /// Of this batch's records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// Of this batch's records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
}

/// One reducer's state after a batch.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateOperator {
    /// The operator's name.
    pub operator_name: String,
    /// Keys (and panes) held.
    pub num_rows_total: u64,
    /// Touched by this batch.
    pub num_rows_updated: u64,
    /// Evicted by this batch.
    pub num_rows_removed: u64,
    /// Bytes of keys and accumulators.
    pub memory_used_bytes: u64,
    /// Records that came after their windows had closed.
    pub num_rows_dropped_by_watermark: u64,
    /// Bytes of state files written.
    pub checkpoint_bytes: u64,
}

/// One partition of one source.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceProgress {
    /// The source's name.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// Where this batch began.
    pub start_offset: i64,
    /// Where it ended.
    pub end_offset: i64,
    /// What was there when it was planned.
    pub latest_offset: i64,
}

/// One sink.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkProgress {
    /// The sink's name.
    pub name: String,
    /// Records written.
    pub num_output_rows: u64,
    /// Bytes written, encoded.
    pub num_output_bytes: u64,
}

/// What one operator did: in one batch, or since the pipeline was started.
///
/// Batches overlap, so that what the next one has cost already when one commits counts as that one's.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorProgress {
    /// The operator's name.
    pub name: String,
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's digest.
    pub digest: String,
    /// Calls into the plugin.
    pub calls: u64,
    /// Calls that failed.
    pub failed_calls: u64,
    /// Calls that were made to find bad records.
    pub bisect_calls: u64,
    /// Records (or groups) handed over.
    pub records: u64,
    /// Records (or groups) that came back.
    pub records_out: u64,
    /// Records that the plugin rejected.
    pub rejected: u64,
    /// Records found to make a call fail.
    pub failed: u64,
    /// Bad records left out.
    pub skipped: u64,
    /// Bad records written to a topic of dead letters.
    pub dead_lettered: u64,
    /// Bytes handed over.
    pub bytes_in: u64,
    /// Bytes that came back.
    pub bytes_out: u64,
    /// Milliseconds in the guest.
    pub time_ms: f64,
    /// Milliseconds to lower parameters and check results.
    pub boundary_ms: f64,
    /// Instances of the plugin started.
    pub instances_started: u64,
    /// Instances dropped, for an error or for too much memory.
    pub instances_dropped: u64,
    /// The most memory that one instance had since the pipeline was started.
    pub memory_bytes_high: u64,
    /// Lines of the plugin's log that were left out.
    pub log_lines_dropped: u64,
    /// Updates of the plugin's own metrics that were left out.
    pub metric_updates_dropped: u64,
}

impl OperatorProgress {
    /// Adds a batch to what was before.
    pub fn add(&mut self, batch: &Self) {
        self.calls += batch.calls;
        self.failed_calls += batch.failed_calls;
        self.bisect_calls += batch.bisect_calls;
        self.records += batch.records;
        self.records_out += batch.records_out;
        self.rejected += batch.rejected;
        self.failed += batch.failed;
        self.skipped += batch.skipped;
        self.dead_lettered += batch.dead_lettered;
        self.bytes_in += batch.bytes_in;
        self.bytes_out += batch.bytes_out;
        self.time_ms += batch.time_ms;
        self.boundary_ms += batch.boundary_ms;
        self.instances_started += batch.instances_started;
        self.instances_dropped += batch.instances_dropped;
        self.memory_bytes_high = self.memory_bytes_high.max(batch.memory_bytes_high);
        self.log_lines_dropped += batch.log_lines_dropped;
        self.metric_updates_dropped += batch.metric_updates_dropped;
    }
}

/// What a pipeline is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum PipelineState {
    /// Restoring from its checkpoint.
    Starting,
    /// Batch after batch.
    Running,
    /// Waiting before it starts again from its last commit.
    Retrying {
        /// Why.
        reason: String,
    },
    /// A person stopped it.
    Stopped,
    /// It read all there was, as its trigger says, and ended.
    Finished,
    /// It cannot go on without a person.
    Failed {
        /// Why, with the chain of causes.
        reason: String,
    },
}

/// A pipeline and its totals since it was started.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineStatus {
    /// The pipeline.
    pub name: String,
    /// What it is doing.
    #[serde(flatten)]
    pub state: PipelineState,
    /// The last committed batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<u64>,
    /// Batches committed since the host started.
    pub batches: u64,
    /// Records read since the host started.
    pub input_rows: u64,
    /// Records written since the host started.
    pub output_rows: u64,
    /// Records late since the host started.
    pub late_rows: u64,
    /// Offsets not yet read, over all partitions.
    pub lag: u64,
    /// Milliseconds of the last batches, rising by percentile name (`p50`, `p99`).
    pub batch_ms: BTreeMap<&'static str, f64>,
    /// What each operator did, by the plugin that it ran.
    pub operators: Vec<OperatorProgress>,
    /// Versions that are tried beside those that run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub canaries: Vec<CanaryStatus>,
    /// The last batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_progress: Option<Progress>,
}
