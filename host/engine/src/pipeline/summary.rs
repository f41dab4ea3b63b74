//! What a batch did, put into words once it has committed.

use std::sync::Arc;
use std::time::Duration;

use crate::batch::finish::{Finished, Finisher};
use crate::batch::plan::BatchPlan;
use crate::batch::poison::PoisonCounts;
use crate::batch::watermark::Watermarks;
use crate::graph::Graph;
use crate::progress::{Durations, EventTime, OperatorProgress, Progress, SourceProgress};

/// What a batch's progress says of its first half, up to the exchange.
pub(super) struct Summary {
    pub plan: Arc<BatchPlan>,
    pub durations: Durations,
    pub sources: Vec<SourceProgress>,
    pub records: u64,
    /// When it was planned, on the monotonic clock.
    pub began: Duration,
    /// How long it waited for the batch before it.
    pub late_by: Duration,
    /// Since the batch before was planned.
    pub since_last: Option<Duration>,
    pub event_times: Option<(i64, i64)>,
}

impl Summary {
    /// The whole batch.
    pub fn progress(self, run_id: &str, finisher: &Finisher, finished: Finished) -> Progress {
        let event_time = self.event_time();
        let Finished { state, sinks, poison, took, committed_at, .. } = finished;
        let [reduced, published, committed] = took;
        let took = committed_at.saturating_sub(self.began);
        Progress {
            id: finisher.group.clone(),
            run_id: run_id.to_owned(),
            name: finisher.pipeline.to_string(),
            timestamp: self.plan.time_ms,
            batch_id: self.plan.id,
            num_input_rows: self.records,
            input_rows_per_second: self
                .since_last
                .map_or(0.0, |since| per_second(self.records, since)),
            processed_rows_per_second: per_second(self.records, took),
            num_output_rows: sinks.iter().map(|sink| sink.num_output_rows).sum(),
            duration_ms: Durations {
                add_batch: millis(reduced),
                publish: millis(published),
                commit_offsets: millis(committed),
                trigger_execution: millis(took),
                ..self.durations
            },
            event_time,
            state_operators: state,
            sources: self.sources,
            sinks,
            operators: operators_of(&finisher.graph, &poison),
        }
    }

    /// A batch that only closes windows has a watermark, but no records.
    fn event_time(&self) -> Option<EventTime> {
        // A flush closes all windows, but says nothing about event time.
        let reached =
            |watermark: &Watermarks| if self.plan.flush { watermark.late } else { watermark.evict };
        let watermark = self.plan.watermarks.iter().filter_map(reached).min();
        (watermark.is_some() || self.event_times.is_some()).then(|| EventTime {
            watermark,
            min: self.event_times.map(|(min, _)| min),
            max: self.event_times.map(|(_, max)| max),
        })
    }
}

/// What each operator did since the batch before committed; the next batch may have begun meanwhile.
fn operators_of(graph: &Graph, poison: &[PoisonCounts]) -> Vec<OperatorProgress> {
    let told = graph.plugins().zip(poison).map(|((name, operator), poison)| {
        let costs = operator.costs_since_last();
        OperatorProgress {
            name: name.to_owned(),
            plugin: operator.plugin().description().name.clone(),
            digest: operator.plugin().digest().to_string(),
            calls: costs.calls,
            failed_calls: costs.failed_calls,
            bisect_calls: poison.bisect_calls,
            records: costs.records_in,
            records_out: costs.records_out,
            rejected: poison.rejected,
            failed: poison.failed,
            skipped: poison.skipped,
            dead_lettered: poison.dead_lettered,
            bytes_in: costs.bytes_in,
            bytes_out: costs.bytes_out,
            time_ms: millis(costs.guest_time),
            boundary_ms: millis(costs.boundary_time),
            instances_started: costs.instances_started,
            instances_dropped: costs.instances_dropped,
            memory_bytes_high: costs.memory_bytes_high,
            log_lines_dropped: costs.log_lines_dropped,
            metric_updates_dropped: costs.metric_updates_dropped,
        }
    });
    told.collect()
}

/// Milliseconds, with their fractions.
pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn per_second(records: u64, took: Duration) -> f64 {
    if took.is_zero() { 0.0 } else { records as f64 / took.as_secs_f64() }
}
