//! The source side of a pipeline: wait for work, plan, and run the stages of the sources.
//!
//! It may be one batch ahead of the commit: **what it hands over counts only once that batch is
//! committed**, and after a failure it begins again at the committed positions.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::surroundings::Surroundings;
use crate::batch::chain::{TaskError, TaskOutput};
use crate::batch::finish::{BatchError, Mapped};
use crate::batch::plan::{BatchPlan, PartitionFacts, plan_ranges};
use crate::batch::poison::Breaker;
use crate::batch::read::{Slice, run_source};
use crate::batch::watermark::{WatermarkState, Watermarks};
use crate::broker::{Bounds, BrokerError, TopicPartition};
use crate::graph::{Graph, Target, WindowClock};
use crate::pool::Lost;
use crate::progress::{Durations, SourceProgress};
use crate::rate::RateEstimator;
use crate::spec::{BatchLimits, Trigger};

/// A task of a source gets at most about this many bytes of stored batches, so that the backlog of
/// one partition is spread over all cores.
const TASK_BYTES_MAX: usize = 4 << 20;
/// Stored batches of at most about this many bytes wait for, or are in, the tasks of one batch.
const IN_FLIGHT_BYTES_MAX: usize = 64 << 20;
/// Back-pressure never goes below this many records a batch: less would only multiply batches.
const BACK_PRESSURE_RECORDS_MIN: u64 = 1_000;

/// Where a source's partition stands.
#[derive(Debug, Clone)]
pub struct Position {
    /// Index of the source.
    pub source: usize,
    /// The partition.
    pub at: TopicPartition,
    /// The next offset to plan.
    pub next: i64,
    /// Nothing from here on is read; for triggers that end.
    pub end: Option<i64>,
}

/// See the module.
pub struct SourceSide {
    /// The pipeline as it runs.
    pub graph: Arc<Graph>,
    /// Its name.
    pub pipeline: Arc<str>,
    /// What it asks of the host.
    pub host: Surroundings,
    /// How large batches may be.
    pub limits: BatchLimits,
    /// When batches run.
    pub trigger: Trigger,
    /// By source and partition.
    pub positions: Vec<Position>,
    /// By reducer, up to the batches planned so far.
    pub watermarks: Vec<WatermarkState>,
    /// The id of the next batch.
    pub next_batch: u64,
    /// Follows how fast batches are worked on.
    pub rate: RateEstimator,
    /// Records a second, once the estimator has one.
    pub rate_now: Option<f64>,
    /// How often the pipeline has failed since its last commit.
    pub retried: u32,
}

/// A batch that was run up to the exchange, and what its progress will say.
pub struct Ahead {
    /// For the other side.
    pub mapped: Mapped,
    /// Steps so far.
    pub durations: Durations,
    /// Partitions read.
    pub sources: Vec<SourceProgress>,
    /// Records read.
    pub records: u64,
    /// When planning began, on the monotonic clock.
    pub began: Duration,
    /// Event times that came in.
    pub event_times: Option<(i64, i64)>,
}

impl SourceSide {
    /// What every partition has just now.
    ///
    /// # Errors
    /// The log does not answer.
    pub async fn facts(&self) -> Result<Vec<PartitionFacts>, BatchError> {
        let bounds = self.bounds().await?;
        let gone = |(position, bounds): &(&Position, &Bounds)| bounds.end < position.next;
        if let Some((position, _)) = self.positions.iter().zip(&bounds).find(gone) {
            return Err(made_anew(&position.at.topic));
        }
        let facts = self.positions.iter().zip(bounds).map(|(position, mut bounds)| {
            bounds.end = position.end.map_or(bounds.end, |end| end.min(bounds.end));
            PartitionFacts {
                source: position.source,
                at: position.at.clone(),
                position: position.next,
                bounds,
            }
        });
        Ok(facts.collect())
    }

    /// Fixes the ends of all partitions: later records are left for the next start.
    ///
    /// # Errors
    /// The log does not answer.
    pub async fn fix_ends(&mut self) -> Result<(), BatchError> {
        let bounds = self.bounds().await?;
        for (position, bounds) in self.positions.iter_mut().zip(bounds) {
            position.end = Some(bounds.end);
        }
        Ok(())
    }

    /// One for each position, in their order: by source, then by partition.
    async fn bounds(&self) -> Result<Vec<Bounds>, BatchError> {
        let mut bounds = Vec::with_capacity(self.positions.len());
        for source in &self.graph.sources {
            let mut of_topic = self.host.broker.bounds(&source.topic).await?;
            if of_topic.len() < source.partitions as usize {
                return Err(made_anew(&source.topic));
            }
            // Partitions that were added since the start are read from the next start on.
            of_topic.truncate(source.partitions as usize);
            bounds.extend(of_topic);
        }
        Ok(bounds)
    }

    /// The watermarks that a batch planned now would run under.
    #[must_use]
    pub fn next_watermarks(&self, time_ms: i64, facts: &[PartitionFacts]) -> Vec<Watermarks> {
        // Facts are in the order of the positions that they were asked for.
        let drained: HashSet<String> = self
            .positions
            .iter()
            .zip(facts)
            .filter(|(position, partition)| position.end.is_some() && partition.lag() == 0)
            .map(|(_, partition)| self.input_name(partition))
            .collect();
        let by_reducer = self.graph.reducers.iter().zip(&self.watermarks);
        by_reducer
            .map(|(reducer, state)| match reducer.window {
                Some((_, WindowClock::Event { delay_ms })) => {
                    state.next(delay_ms, time_ms, |input| drained.contains(input))
                }
                Some((_, WindowClock::Processing)) => {
                    Watermarks { late: state.current, evict: state.current.max(Some(time_ms)) }
                }
                None => Watermarks::default(),
            })
            .collect()
    }

    fn input_name(&self, partition: &PartitionFacts) -> String {
        input_name(&self.graph.sources[partition.source].name, partition.at.partition)
    }

    /// Plans the next batch; `flush` closes every window whatever the watermark.
    #[must_use]
    pub fn plan(&self, facts: &[PartitionFacts], flush: bool) -> BatchPlan {
        let time_ms = self.host.clock.now_ms();
        let mut watermarks = self.next_watermarks(time_ms, facts);
        let mut ranges = Vec::new();
        if flush {
            watermarks.iter_mut().for_each(|watermark| watermark.evict = Some(i64::MAX));
        } else {
            let overtaken = facts.iter().filter(|partition| partition.position < partition.from());
            overtaken.for_each(|partition| {
                self.warn_of_lost(&partition.at, partition.from() - partition.position)
            });
            ranges = plan_ranges(
                facts,
                self.records_max(),
                self.limits.batch_bytes_max,
                self.next_batch,
            );
        }
        BatchPlan { id: self.next_batch, time_ms, ranges, watermarks, flush }
    }

    /// Retention does not wait for pipelines: what it deleted unread is gone, but not silently.
    fn warn_of_lost(&self, at: &TopicPartition, records: i64) {
        let pipeline = &self.pipeline;
        tracing::warn!(%pipeline, %at, records, "retention deleted records before they were read");
    }

    fn records_max(&self) -> Option<u64> {
        let Trigger::Interval(interval) = self.trigger else {
            return self.limits.batch_records_max;
        };
        let in_a_batch = |rate: f64| (rate * interval.as_secs_f64()).ceil() as u64;
        let fixed = self.limits.rate_max.map(|rate| in_a_batch(rate).max(1));
        let adaptive = self.rate_now.map(|rate| in_a_batch(rate).max(BACK_PRESSURE_RECORDS_MIN));
        [fixed, adaptive, self.limits.batch_records_max].into_iter().flatten().min()
    }

    /// Steps 2 and 3: reads what is planned and runs the stages of the sources on it. Reading one
    /// slice goes on while the one before is worked on.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub async fn run(
        &mut self,
        plan: BatchPlan,
        mut durations: Durations,
        began: Duration,
    ) -> Result<Ahead, BatchError> {
        let started = self.host.clock.monotonic();
        let plan = Arc::new(plan);
        let breaker = Arc::new(Breaker::new(self.graph.nodes(), plan.records(), self.retried));
        let mut tasks = Tasks::default();
        for range in &plan.ranges {
            let mut from = range.from;
            while from < range.to {
                let fetched =
                    match self.host.broker.fetch(&range.at, from, range.to, TASK_BYTES_MAX).await {
                        Err(BrokerError::OutOfRange { start, .. }) if start > from => {
                            self.warn_of_lost(&range.at, start.min(range.to) - from);
                            from = start.min(range.to);
                            continue;
                        }
                        fetched => fetched?,
                    };
                let next = fetched.next.clamp(from + 1, range.to);
                let bytes = fetched.batches.iter().map(Bytes::len).sum();
                tasks.make_room(bytes, plan.id).await?;
                let slice = Slice {
                    source: range.source,
                    at: range.at.clone(),
                    offsets: from..next,
                    batches: fetched.batches,
                    retries: self.graph.sources[range.source].retries,
                };
                let task = self.submit(&plan, &breaker, tasks.submitted, slice);
                tasks.push(bytes, task);
                from = next;
            }
        }
        let (inputs, outputs) = tasks.finish(plan.id).await?;
        self.advance(&plan, &inputs, &outputs);
        durations.get_batch = (self.host.clock.monotonic() - started).as_secs_f64() * 1e3;
        let seen = outputs.iter().flat_map(|output| output.event_times.iter().flatten());
        let event_times = seen.copied().reduce(|(low, high), (l, h)| (low.min(l), high.max(h)));
        Ok(Ahead {
            records: outputs.iter().map(|output| output.records).sum(),
            sources: self.sources_of(&plan),
            mapped: Mapped {
                plan,
                breaker,
                outputs,
                watermarks: self.watermarks.clone(),
                positions: self
                    .positions
                    .iter()
                    .map(|position| (position.at.clone(), position.next))
                    .collect(),
            },
            durations,
            began,
            event_times,
        })
    }

    /// The name of the input, and the task's result to come.
    fn submit(
        &self,
        plan: &Arc<BatchPlan>,
        breaker: &Arc<Breaker>,
        task: u32,
        slice: Slice,
    ) -> (String, Running) {
        let (graph, plan, pipeline) =
            (Arc::clone(&self.graph), Arc::clone(plan), Arc::clone(&self.pipeline));
        let breaker = Arc::clone(breaker);
        let name = input_name(&graph.sources[slice.source].name, slice.at.partition);
        let run = move || run_source(&graph, &plan, &breaker, &pipeline, task, &slice);
        (name, Box::pin(self.host.lane.run(run)))
    }

    /// Takes note of what the batch read: positions, event times, watermarks.
    fn advance(&mut self, plan: &BatchPlan, inputs: &[String], outputs: &[TaskOutput]) {
        for range in &plan.ranges {
            if let Some(position) = self
                .positions
                .iter_mut()
                .find(|position| position.source == range.source && position.at == range.at)
            {
                position.next = range.to;
            }
        }
        for (state, watermarks) in self.watermarks.iter_mut().zip(&plan.watermarks) {
            // A flush closes windows but is no event time: records may still come.
            if !plan.flush {
                state.current = watermarks.evict;
            }
        }
        let retries: HashSet<String> = self
            .graph
            .sources
            .iter()
            .filter(|source| source.retries)
            .map(|source| input_name(&source.name, 0))
            .collect();
        // A retried record is as old as it is: nobody waits for the next one.
        let heard = inputs.iter().zip(outputs).filter(|(input, _)| !retries.contains(*input));
        for (input, output) in heard {
            for (state, event_times) in self.watermarks.iter_mut().zip(&output.event_times) {
                if let Some((_, highest)) = event_times {
                    state.hear(input, *highest, plan.time_ms);
                }
            }
        }
        self.hear_reducers(plan);
        self.next_batch = plan.id + 1;
    }

    /// A reducer's results are as old as its watermark at least: that is how far it has come.
    fn hear_reducers(&mut self, plan: &BatchPlan) {
        let graph = Arc::clone(&self.graph);
        for (upstream, reducer) in graph.reducers.iter().enumerate() {
            let reached = if reducer.window.is_some() {
                self.watermarks[upstream].current
            } else {
                Some(plan.time_ms)
            };
            for fed in reducers_behind(&graph, &reducer.targets) {
                match reached {
                    Some(time) => self.watermarks[fed].hear(&reducer.name, time, plan.time_ms),
                    None => self.watermarks[fed].expect(&reducer.name, plan.time_ms),
                }
            }
        }
    }

    fn sources_of(&self, plan: &BatchPlan) -> Vec<SourceProgress> {
        let named = |range: &crate::batch::plan::PlannedRange| SourceProgress {
            name: self.graph.sources[range.source].name.clone(),
            topic: range.at.topic.to_string(),
            partition: range.at.partition,
            start_offset: range.from,
            end_offset: range.to,
            latest_offset: range.latest,
        };
        plan.ranges.iter().map(named).collect()
    }
}

/// A task on the worker pool.
type Running = Pin<Box<dyn Future<Output = Result<Result<TaskOutput, TaskError>, Lost>> + Send>>;

/// The tasks of a batch, in their order, and how many bytes those under way hold.
#[derive(Default)]
struct Tasks {
    submitted: u32,
    running: VecDeque<(usize, String, Running)>,
    held_bytes: usize,
    inputs: Vec<String>,
    outputs: Vec<TaskOutput>,
}

impl Tasks {
    fn push(&mut self, bytes: usize, (input, task): (String, Running)) {
        self.submitted += 1;
        self.held_bytes += bytes;
        self.running.push_back((bytes, input, task));
    }

    /// Waits for the oldest tasks until `bytes` more may be held.
    async fn make_room(&mut self, bytes: usize, batch: u64) -> Result<(), BatchError> {
        while self.held_bytes + bytes > IN_FLIGHT_BYTES_MAX && !self.running.is_empty() {
            self.wait_for_oldest(batch).await?;
        }
        Ok(())
    }

    async fn wait_for_oldest(&mut self, batch: u64) -> Result<(), BatchError> {
        if let Some((bytes, input, task)) = self.running.pop_front() {
            self.outputs.push(task.await?.map_err(|source| BatchError::Task { batch, source })?);
            self.inputs.push(input);
            self.held_bytes -= bytes;
        }
        Ok(())
    }

    /// The names of the inputs and what their tasks left behind, in order.
    async fn finish(mut self, batch: u64) -> Result<(Vec<String>, Vec<TaskOutput>), BatchError> {
        while !self.running.is_empty() {
            self.wait_for_oldest(batch).await?;
        }
        Ok((self.inputs, self.outputs))
    }
}

fn made_anew(topic: &str) -> BatchError {
    BatchError::Restore {
        reason: format!(
            "topic `{topic}` ends before what was read of it: it was deleted and made anew"
        ),
        hint: "delete the pipeline and apply it again to begin with the new topic".to_owned(),
    }
}

/// The inputs that each reducer waits for: every partition of every source that feeds it.
#[must_use]
pub fn expected_inputs(
    graph: &Graph,
    restored: &BTreeMap<String, WatermarkState>,
    time_ms: i64,
) -> Vec<WatermarkState> {
    let mut states: Vec<WatermarkState> = graph
        .reducers
        .iter()
        .map(|reducer| restored.get(&reducer.name).cloned().unwrap_or_default())
        .collect();
    for source in graph.sources.iter().filter(|source| !source.retries) {
        for reducer in reducers_behind(graph, &source.targets) {
            for partition in 0..source.partitions {
                states[reducer].expect(&input_name(&source.name, partition), time_ms);
            }
        }
    }
    states
}

fn input_name(source: &str, partition: u32) -> String {
    format!("{source}/{partition}")
}

/// The reducers that records sent to `targets` reach without passing another reducer.
fn reducers_behind(graph: &Graph, targets: &[Target]) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    for target in targets {
        match target {
            Target::Reducer(index) => found.push(*index),
            Target::Operator(index) => {
                graph.operators[*index]
                    .ports
                    .iter()
                    .for_each(|port| found.extend(reducers_behind(graph, port)));
            }
            Target::Sink(_) => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}
