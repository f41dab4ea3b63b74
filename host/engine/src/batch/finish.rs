//! Steps 4 to 7 of a batch: exchange, state, publish, commit.
//!
//! **The commit is the only moment at which a batch happens.** Everything before it leaves nothing
//! but files that no committed manifest names; everything after it can be lost and done again.
//! The order is held by types: `Finisher::commit` takes the [`Published`] that only
//! `Finisher::publish` makes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};

use super::chain::{TaskError, TaskOutput};
use super::exchange::Collected;
use super::plan::BatchPlan;
use super::poison::{Breaker, PoisonCounts};
use super::state::{StateOutput, StateTask, TaskState};
use super::watermark::WatermarkState;
use crate::broker::{BrokerError, Commit, Committed, Output, Producer, TopicPartition};
use crate::checkpoint::{
    Checkpoint, CheckpointError, CheckpointStore, FileKind, MANIFEST_FORMAT, Manifest, Pointer,
    SourceOffset, StateFile,
};
use crate::clock::Clock;
use crate::graph::Graph;
use crate::ingest::IngestError;
use crate::pool::{Lane, Lost};
use crate::progress::{SinkProgress, StateOperator};
use crate::sinks::{FileSinks, SinkFileError};
use crate::spec::SinkOutput;

/// A batch that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A task failed.
    #[error("batch {batch}: {source}")]
    Task {
        /// The batch.
        batch: u64,
        /// Why.
        source: TaskError,
    },
    /// A task did not come back.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The log failed.
    #[error("the log failed")]
    Broker(#[from] BrokerError),
    /// The checkpoint store failed.
    #[error("the checkpoint failed")]
    Checkpoint(#[from] CheckpointError),
    /// A sink outside the log failed.
    #[error("a sink failed")]
    Sink(#[from] SinkFileError),
    /// A source outside the log failed.
    #[error("a source failed")]
    Ingest(#[from] IngestError),
    /// What was committed does not fit together.
    #[error("restore the pipeline: {reason}")]
    Restore {
        /// Why not.
        reason: String,
        /// What to do about it.
        hint: String,
    },
}

impl BatchError {
    /// Whether to start again from the last commit may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Task { source, .. } => source.is_retryable(),
            Self::Lost(_) | Self::Restore { .. } => false,
            Self::Broker(error) => error.is_retryable(),
            Self::Checkpoint(error) => error.is_retryable(),
            Self::Sink(error) => error.is_retryable(),
            Self::Ingest(error) => error.is_retryable(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Task { source, .. } => source.hint(),
            Self::Checkpoint(error) => error.hint(),
            Self::Sink(error) => error.hint(),
            Self::Restore { hint, .. } => Some(hint.clone()),
            _ => None,
        }
    }
}

/// A batch after its source stages.
pub struct Mapped {
    /// The plan.
    pub plan: Arc<BatchPlan>,
    /// Stops it where it is full of poison.
    pub breaker: Arc<Breaker>,
    /// What the tasks left behind, in their order.
    pub outputs: Vec<TaskOutput>,
    /// By reducer, with this batch's event times.
    pub watermarks: Vec<WatermarkState>,
    /// Where every partition of every source stands after this batch.
    pub positions: Vec<(TopicPartition, i64)>,
}

/// A batch after its commit.
pub struct Finished {
    /// By reducer.
    pub state: Vec<StateOperator>,
    /// By sink.
    pub sinks: Vec<SinkProgress>,
    /// By node: bad records.
    pub poison: Vec<PoisonCounts>,
    /// By reducer: the earliest end of a window that is open.
    pub next_ends: Vec<Option<i64>>,
    /// How long exchange and state, publishing, and the commit took.
    pub took: [Duration; 3],
    /// When it committed, on the monotonic clock.
    pub committed_at: Duration,
}

/// What a pipeline holds from batch to batch.
pub struct Finisher {
    /// The pipeline as it runs.
    pub graph: Arc<Graph>,
    /// Its name.
    pub pipeline: Arc<str>,
    /// Its consumer group.
    pub group: String,
    /// Commits.
    pub producer: Box<dyn Producer>,
    /// Keeps state files and manifests.
    pub store: Arc<CheckpointStore>,
    /// Writes to sinks outside the log.
    pub files: Arc<FileSinks>,
    /// Runs tasks.
    pub lane: Arc<Lane>,
    /// Measures.
    pub clock: Arc<dyn Clock>,
    /// By reducer and task.
    pub state: Vec<Vec<TaskState>>,
    /// By reducer and task: the state files of the last checkpoint, oldest first.
    pub state_files: Vec<Vec<Vec<StateFile>>>,
    /// The manifest of the last commit, and where it is.
    pub last: Option<Checkpoint>,
}

/// A checkpoint that is durable, but that nothing points at yet. Only a commit may use it.
#[must_use = "a published checkpoint counts only once it is committed"]
pub struct Published {
    pointer: Pointer,
    manifest: Manifest,
    deltas: Vec<(usize, StateFile)>,
}

impl Finisher {
    /// Brings a batch to its commit.
    ///
    /// # Errors
    /// See [`BatchError`]. The state in memory is of no more use then; the committed one is unchanged,
    /// or, if the commit's fate is unknown, one batch further.
    pub async fn finish(&mut self, mapped: Mapped) -> Result<Finished, BatchError> {
        let Mapped { plan, breaker, outputs, watermarks, positions } = mapped;
        let began = self.clock.monotonic();
        let mut collected = Collected::new(&self.graph);
        outputs.into_iter().for_each(|output| collected.add(output));
        let Self { graph, pipeline, lane, state, .. } = self;
        let reducing = Reducing { graph, pipeline, lane, state };
        let mut state = reducing.run(&plan, &breaker, &mut collected).await?;
        let reduced = self.clock.monotonic();
        let deltas = std::mem::take(&mut state.deltas);
        let published = self.publish(&plan, deltas, watermarks, &positions).await?;
        self.write_files(&plan, &collected).await?;
        let durable = self.clock.monotonic();
        let poison = std::mem::take(&mut collected.poison);
        let (commit, lines, sinks) = self.outputs(collected, &positions, &published.pointer);
        self.commit(commit, published).await?;
        let committed = self.clock.monotonic();
        print_lines(&lines);
        Ok(Finished {
            state: state.progress,
            sinks,
            poison,
            next_ends: state.next_ends,
            took: [reduced - began, durable - reduced, committed - durable],
            committed_at: committed,
        })
    }

    /// Step 6: state files, then the manifest that names them.
    async fn publish(
        &self,
        plan: &BatchPlan,
        deltas: Vec<(usize, u32, Vec<u8>)>,
        watermarks: Vec<WatermarkState>,
        positions: &[(TopicPartition, i64)],
    ) -> Result<Published, BatchError> {
        let written = deltas.into_iter().map(|(reducer, task, delta)| async move {
            let name = &self.graph.reducers[reducer].name;
            let file = self.store.write_state(name, task, plan.id, FileKind::Delta, delta).await?;
            Ok::<_, CheckpointError>((reducer, file))
        });
        let deltas = try_join_all(written).await?;
        let manifest = self.manifest(plan, &deltas, watermarks, positions);
        let pointer = self.store.publish(&manifest).await?;
        Ok(Published { pointer, manifest, deltas })
    }

    fn manifest(
        &self,
        plan: &BatchPlan,
        deltas: &[(usize, StateFile)],
        watermarks: Vec<WatermarkState>,
        positions: &[(TopicPartition, i64)],
    ) -> Manifest {
        let held = self.state_files.iter().flatten().flatten().cloned();
        let named = self.graph.reducers.iter().zip(watermarks);
        Manifest {
            format: MANIFEST_FORMAT,
            pipeline: self.pipeline.to_string(),
            batch: plan.id,
            time_ms: plan.time_ms,
            key_groups: self.graph.spread().key_groups,
            tasks: self.graph.spread().tasks,
            watermarks: named
                .map(|(reducer, watermark)| (reducer.name.clone(), watermark.to_manifest()))
                .collect(),
            offsets: positions.iter().map(source_offset).collect(),
            plugins: plugins_of(&self.graph),
            params: self
                .graph
                .plugins()
                .map(|(name, operator)| (name.to_owned(), operator.settings()))
                .collect(),
            plan: Some(plan.clone()),
            previous: self.last.as_ref().map(|(pointer, _)| pointer.to_string()),
            windows: self.graph.windows(),
            state_versions: self
                .graph
                .reducers
                .iter()
                .map(|node| (node.name.clone(), node.state_version))
                .collect(),
            state: held.chain(deltas.iter().map(|(_, file)| file.clone())).collect(),
        }
    }

    async fn write_files(&self, plan: &BatchPlan, collected: &Collected) -> Result<(), BatchError> {
        for (sink, outputs) in self.graph.sinks.iter().zip(&collected.sinks) {
            if let SinkOutput::Files(location) = &sink.output {
                self.files.write(location, &self.pipeline, &sink.name, plan.id, outputs).await?;
            }
        }
        Ok(())
    }

    /// Everything that the commit carries, and what is printed after it.
    fn outputs(
        &self,
        collected: Collected,
        positions: &[(TopicPartition, i64)],
        pointer: &Pointer,
    ) -> (Commit, Vec<u8>, Vec<SinkProgress>) {
        let mut outputs = Vec::new();
        let mut lines = Vec::new();
        let mut progress = Vec::new();
        for (sink, written) in self.graph.sinks.iter().zip(collected.sinks) {
            let mut of_sink = SinkProgress { name: sink.name.clone(), ..SinkProgress::default() };
            let mut by_partition: BTreeMap<u32, Vec<_>> = BTreeMap::new();
            for (_, output) in written {
                of_sink.num_output_rows += output.records;
                of_sink.num_output_bytes += output.size;
                for (partition, batches) in output.batches {
                    by_partition.entry(partition).or_default().extend(batches);
                }
                if sink.output == SinkOutput::Print {
                    lines.extend_from_slice(&output.bytes);
                }
            }
            if let SinkOutput::Topic { name, .. } = &sink.output {
                let topic: Arc<str> = name.as_str().into();
                outputs.extend(by_partition.into_iter().map(|(partition, batches)| Output {
                    to: TopicPartition { topic: Arc::clone(&topic), partition },
                    batches,
                }));
            }
            if !sink.dead_letters {
                progress.push(of_sink);
            }
        }
        let metadata = pointer.to_string();
        let offsets = positions.iter().map(|(at, offset)| Committed {
            at: at.clone(),
            offset: *offset,
            metadata: metadata.clone(),
        });
        (Commit { outputs, group: self.group.clone(), offsets: offsets.collect() }, lines, progress)
    }

    /// Step 7. Takes the permit that [`Finisher::publish`] gave.
    async fn commit(&mut self, commit: Commit, published: Published) -> Result<(), BatchError> {
        self.producer.commit(commit).await?;
        for (reducer, file) in published.deltas {
            self.state_files[reducer][file.task as usize].push(file);
        }
        self.last = Some((published.pointer, Arc::new(published.manifest)));
        Ok(())
    }
}

/// The half of a batch behind the exchange, up to its outputs.
pub struct Reducing<'a> {
    /// The pipeline as it runs.
    pub graph: &'a Arc<Graph>,
    /// Its name.
    pub pipeline: &'a Arc<str>,
    /// Runs tasks.
    pub lane: &'a Lane,
    /// By reducer and task.
    pub state: &'a mut Vec<Vec<TaskState>>,
}

impl Reducing<'_> {
    /// Steps 4 and 5: the reducers one after the other, the tasks of each beside each other.
    ///
    /// # Errors
    /// See [`BatchError`]; the state is of no more use then.
    pub async fn run(
        self,
        plan: &Arc<BatchPlan>,
        breaker: &Arc<Breaker>,
        collected: &mut Collected,
    ) -> Result<Reduced, BatchError> {
        let mut reduced = Reduced::default();
        for reducer in 0..self.graph.reducers.len() {
            let inputs = Arc::new(collected.take_partials(reducer));
            let held = std::mem::take(&mut self.state[reducer]);
            let tasks = (0u32..).zip(held).map(|(task, state)| {
                let (graph, plan, inputs) =
                    (Arc::clone(self.graph), Arc::clone(plan), Arc::clone(&inputs));
                let (breaker, pipeline) = (Arc::clone(breaker), Arc::clone(self.pipeline));
                self.lane.run(move || {
                    let (graph, plan, breaker) = (&graph, &plan, &breaker);
                    StateTask { graph, plan, breaker, pipeline: &pipeline, reducer, task }
                        .run(state, &inputs)
                })
            });
            let mut progress = StateOperator {
                operator_name: self.graph.reducers[reducer].name.clone(),
                ..StateOperator::default()
            };
            let mut next_end: Option<i64> = None;
            for (task, done) in (0u32..).zip(join_all(tasks).await) {
                let StateOutput { state, output, delta, updated, removed, next_end: end } =
                    done?.map_err(|source| BatchError::Task { batch: plan.id, source })?;
                progress.num_rows_total += state.rows();
                progress.memory_used_bytes += state.bytes();
                progress.num_rows_updated += updated;
                progress.num_rows_removed += removed;
                progress.checkpoint_bytes += delta.len() as u64;
                next_end = [next_end, end].into_iter().flatten().min();
                self.state[reducer].push(state);
                collected.add(output);
                if !delta.is_empty() {
                    reduced.deltas.push((reducer, task, delta));
                }
            }
            reduced.progress.push(progress);
            reduced.next_ends.push(next_end);
        }
        for (progress, late) in reduced.progress.iter_mut().zip(&collected.late) {
            progress.num_rows_dropped_by_watermark = *late;
        }
        Ok(reduced)
    }
}

/// What came of it, beside the outputs.
#[derive(Default)]
pub struct Reduced {
    progress: Vec<StateOperator>,
    next_ends: Vec<Option<i64>>,
    /// Reducer, task, content.
    deltas: Vec<(usize, u32, Vec<u8>)>,
}

fn source_offset((at, next): &(TopicPartition, i64)) -> SourceOffset {
    SourceOffset { topic: at.topic.to_string(), partition: at.partition, next: *next }
}

/// The digest of every operator's plugin.
#[must_use]
pub fn plugins_of(graph: &Graph) -> BTreeMap<String, String> {
    graph
        .plugins()
        .map(|(name, operator)| (name.to_owned(), operator.plugin().digest().to_string()))
        .collect()
}

/// After the commit: a crash in between loses lines, never doubles them.
fn print_lines(lines: &[u8]) {
    use std::io::Write;
    if lines.is_empty() {
        return;
    }
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_all(lines).and_then(|()| out.flush()) {
        tracing::warn!(%error, "cannot write to the standard output");
    }
}
