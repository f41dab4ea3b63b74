//! Runs a batch that has committed once more: the same records, the same state, the same clock, on the same plugins
//! or on others. **Nothing of it is committed or kept**: it is for people who want to see what would come out.
//!
//! The manifest of the batch has its plan; the one before it has the state that it began with.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::memory::InMemory;
use serde::Serialize;
use tidemill_log::{BatchError as RecordError, Batches, HeaderIter, RecordReader};

use super::restore;
use super::source_side::{Position, SourceSide, expected_inputs};
use super::surroundings::Surroundings;
use super::{chain_of, group_of};
use crate::batch::exchange::Collected;
use crate::batch::finish::{BatchError, Mapped, Reducing};
use crate::batch::plan::BatchPlan;
use crate::batch::sink::SinkOutputs;
use crate::broker::BrokerError;
use crate::checkpoint::{CheckpointError, CheckpointStore, Manifest, Pointer};
use crate::graph::{CompileError, Graph, PluginSource, Spread, compile};
use crate::progress::Durations;
use crate::rate::{Gains, RateEstimator};
use crate::spec::{PipelineSpec, SpecError};
use crate::upgrade::{Pin, Versions};

/// Records that are shown of each sink.
const SHOWN_MAX: usize = 1_000;
/// And so much of their keys and values.
const SHOWN_BYTES_MAX: usize = 1 << 20;

/// What came out.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// The batch.
    pub batch: u64,
    /// Its time, milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// By operator: what ran, `name@version`.
    pub plugins: BTreeMap<String, String>,
    /// Records read.
    pub records: u64,
    /// What each sink, and each topic of dead letters, would have got.
    pub sinks: Vec<ReplayedSink>,
}

/// One sink.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayedSink {
    /// Its name.
    pub name: String,
    /// Records in all.
    pub records: u64,
    /// The first of them, in their order.
    pub shown: Vec<ReplayedRecord>,
}

/// One record. Bytes that are not UTF-8 come out with the replacement character.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayedRecord {
    /// The partition that it would be written to; absent for sinks that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its value; of a sink that writes lines, the line.
    pub value: Option<String>,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// Its headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, Option<String>)>,
}

/// A batch that cannot be run once more.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No checkpoint of it is kept.
    #[error("batch {batch} of pipeline `{pipeline}` is not kept: {}", kept(*oldest, *newest))]
    NotKept {
        /// The pipeline.
        pipeline: String,
        /// The batch.
        batch: u64,
        /// The oldest batch that can be replayed.
        oldest: Option<u64>,
        /// The last one that committed.
        newest: Option<u64>,
    },
    /// The pipeline file has changed since.
    #[error("the pipeline file has changed since batch {batch}: {what}")]
    Changed {
        /// The batch.
        batch: u64,
        /// How.
        what: String,
    },
    /// Its records are gone.
    #[error(
        "records of batch {batch} are gone from {at}: the oldest is {start}, it began at {from}"
    )]
    RecordsGone {
        /// The batch.
        batch: u64,
        /// The partition.
        at: String,
        /// The oldest offset that is there.
        start: i64,
        /// The batch's first.
        from: i64,
    },
    /// A plugin cannot be had or does not fit.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The log failed.
    #[error("the log failed")]
    Broker(#[from] BrokerError),
    /// A checkpoint cannot be read.
    #[error("the checkpoint failed")]
    Checkpoint(#[from] CheckpointError),
    /// It failed as it would have failed then.
    #[error("batch {batch} fails: {reason}")]
    Failed {
        /// The batch.
        batch: u64,
        /// Why, with what to do about it.
        reason: String,
    },
}

impl From<SpecError> for ReplayError {
    fn from(error: SpecError) -> Self {
        Self::Compile(error.into())
    }
}

impl ReplayError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotKept { .. } => Some(
                "`keep` in `[checkpoints]` of the pipeline file says how many batches can be replayed"
                    .to_owned(),
            ),
            Self::Changed { .. } => {
                Some("apply the earlier file under another name, or replay a later batch".to_owned())
            }
            Self::RecordsGone { .. } => Some("keep records longer: retention.ms".to_owned()),
            _ => None,
        }
    }
}

fn kept(oldest: Option<u64>, newest: Option<u64>) -> String {
    match (oldest, newest) {
        (Some(oldest), Some(newest)) => format!("{oldest} to {newest} are"),
        (_, Some(newest)) => format!("the last one is {newest}, and none can be replayed"),
        _ => "none has committed yet".to_owned(),
    }
}

/// A pipeline whose batches are to be run once more.
pub struct Replay<'a> {
    /// Its file.
    pub spec: &'a Arc<PipelineSpec>,
    /// What it asks of the host.
    pub host: &'a Surroundings,
    /// Where its plugins come from.
    pub plugins: &'a Arc<dyn PluginSource>,
}

impl Replay<'_> {
    /// Runs `batch` with what ran then, but for `others`, by operator.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub async fn run(
        &self,
        batch: u64,
        others: BTreeMap<String, Pin>,
    ) -> Result<Replayed, ReplayError> {
        let (before, manifest, plan) = self.find(batch).await?;
        let graph = Arc::new(self.graph(&manifest, &plan, others).await?);
        self.check_records(&plan).await?;
        let time_ms = plan.time_ms;
        let failed = |error: BatchError| ReplayError::Failed { batch, reason: chain_of(&error) };
        let (outputs, records) =
            self.outputs(&graph, before.as_ref(), plan).await.map_err(failed)?;
        let described = graph.plugins().map(|(name, operator)| {
            let plugin = operator.plugin().description();
            (name.to_owned(), format!("{}@{}", plugin.name, plugin.version))
        });
        let plugins = described.collect();
        let mut sinks = Vec::new();
        for (sink, written) in graph.sinks.iter().zip(outputs) {
            let records = written.iter().map(|(_, output)| output.records).sum();
            let shown = shown(&written)
                .map_err(|error| ReplayError::Failed { batch, reason: error.to_string() })?;
            sinks.push(ReplayedSink { name: sink.name.clone(), records, shown });
        }
        Ok(Replayed { batch, time_ms, plugins, records, sinks })
    }

    /// The manifest before the batch, its own, and its plan.
    async fn find(
        &self,
        batch: u64,
    ) -> Result<(Option<Manifest>, Manifest, BatchPlan), ReplayError> {
        let chain = self.chain(Some(batch)).await?;
        let (oldest, newest) = (replayable(&chain), chain.first().map(|last| last.batch));
        let gone =
            || ReplayError::NotKept { pipeline: self.spec.name.to_string(), batch, oldest, newest };
        let mut rest = chain.into_iter().skip_while(|manifest| manifest.batch != batch);
        let manifest = rest.next().ok_or_else(gone)?;
        let before = rest.next();
        let plan = manifest.plan.clone().ok_or_else(gone)?;
        if before.is_none() && manifest.previous.is_some() {
            return Err(gone());
        }
        Ok((before, manifest, plan))
    }

    /// The kept manifests, the newest first, down to the one before `batch`, or as far as they go.
    ///
    /// # Errors
    /// The log does not say where the last one is.
    pub async fn chain(&self, batch: Option<u64>) -> Result<Vec<Manifest>, ReplayError> {
        let committed = self.host.broker.committed(&group_of(self.spec.name.as_str())).await?;
        let mut next = committed.into_iter().map(|position| position.metadata).next();
        let mut chain: Vec<Manifest> = Vec::new();
        while let Some(pointer) = next.and_then(|text| text.parse::<Pointer>().ok()) {
            // One that is gone was collected as garbage, and all before it.
            let Ok(manifest) = self.host.store.load(&pointer).await else { break };
            next = manifest.previous.clone();
            chain.push(manifest);
            if batch.is_some_and(|batch| chain.last().is_some_and(|last| last.batch < batch))
                || chain.len() > self.spec.checkpoints_kept
            {
                break;
            }
        }
        Ok(chain)
    }

    async fn graph(
        &self,
        manifest: &Manifest,
        plan: &BatchPlan,
        others: BTreeMap<String, Pin>,
    ) -> Result<Graph, ReplayError> {
        let ran = manifest.plugins.iter().map(|(name, digest)| {
            let params = manifest.params.get(name).cloned();
            (name.clone(), Pin { plugin: digest.clone(), params })
        });
        let mut pins: BTreeMap<String, Pin> = ran.collect();
        let batch = manifest.batch;
        let changed = |what: String| ReplayError::Changed { batch, what };
        for node in &self.spec.operators {
            if !pins.contains_key(&node.name) {
                return Err(changed(format!("it has an operator `{}` now", node.name)));
            }
        }
        for (name, mut other) in others {
            let ran = pins.get(&name).ok_or_else(|| changed(format!("there was no `{name}`")))?;
            // Another version of a plugin is tried with the parameters that it would get.
            other.params = other.params.or_else(|| ran.params.clone());
            pins.insert(name, other);
        }
        let versions = Versions { pins, ..Versions::default() };
        let graph = compile(self.spec, &versions, None, self.plugins, &*self.host.broker).await?;
        let _ = graph.spread.set(Spread { tasks: manifest.tasks, key_groups: manifest.key_groups });
        let known = |range: &crate::batch::plan::PlannedRange| {
            graph.sources.get(range.source).is_some_and(|source| source.topic == range.at.topic)
        };
        if plan.watermarks.len() != graph.reducers.len() || !plan.ranges.iter().all(known) {
            return Err(changed("it has other sources or reducers".to_owned()));
        }
        if graph.windows() != manifest.windows {
            return Err(changed("it has other windows".to_owned()));
        }
        Ok(graph)
    }

    async fn check_records(&self, plan: &BatchPlan) -> Result<(), ReplayError> {
        for range in &plan.ranges {
            let bounds = self.host.broker.bounds(&range.at.topic).await?;
            let start = bounds.get(range.at.partition as usize).map_or(i64::MAX, |of| of.start);
            if start > range.from {
                return Err(ReplayError::RecordsGone {
                    batch: plan.id,
                    at: range.at.to_string(),
                    start,
                    from: range.from,
                });
            }
        }
        Ok(())
    }

    async fn outputs(
        &self,
        graph: &Arc<Graph>,
        before: Option<&Manifest>,
        plan: BatchPlan,
    ) -> Result<(Vec<Vec<(u32, SinkOutputs)>>, u64), BatchError> {
        let (mut state, mut files) = restore::load_state(graph, before, self.host).await?;
        let watermarks = before.map_or_else(BTreeMap::new, restore::watermarks_of);
        if let Some(before) = before {
            // Rewritten state is of no use to anybody else.
            let aside = CheckpointStore::with_store(
                Arc::new(InMemory::new()),
                "".into(),
                &self.spec.name,
                Arc::new(uuid::Uuid::new_v4),
            );
            let host = Surroundings { store: Arc::new(aside), ..self.host.clone() };
            let versions = Versions::default();
            restore::renew(graph, before, &versions, &mut state, &mut files, &host).await?;
        }
        let pipeline: Arc<str> = self.spec.name.as_str().into();
        let ranges = plan.ranges.iter();
        let mut side = SourceSide {
            graph: Arc::clone(graph),
            pipeline: Arc::clone(&pipeline),
            host: self.host.clone(),
            limits: self.spec.limits,
            trigger: self.spec.trigger,
            positions: ranges
                .map(|range| Position {
                    source: range.source,
                    at: range.at.clone(),
                    next: range.from,
                    end: None,
                })
                .collect(),
            watermarks: expected_inputs(graph, &watermarks, plan.time_ms),
            next_batch: plan.id,
            rate: RateEstimator::new(1_000, Gains::default()),
            rate_now: None,
            retried: 0,
        };
        let ahead = side.run(plan, Durations::default(), self.host.clock.monotonic()).await?;
        let Mapped { plan, breaker, outputs, .. } = ahead.mapped;
        let mut collected = Collected::new(graph);
        outputs.into_iter().for_each(|output| collected.add(output));
        let reducing =
            Reducing { graph, pipeline: &pipeline, lane: &self.host.lane, state: &mut state };
        reducing.run(&plan, &breaker, &mut collected).await?;
        Ok((collected.sinks, ahead.records))
    }
}

fn replayable(chain: &[Manifest]) -> Option<u64> {
    // The oldest has nothing before it, but where it is the first batch of all.
    let from = chain.iter().rev().find(|manifest| manifest.plan.is_some())?;
    let is_first = from.previous.is_none();
    let is_oldest = chain.last().is_some_and(|last| last.batch == from.batch);
    Some(if is_oldest && !is_first { from.batch + 1 } else { from.batch })
}

fn shown(written: &[(u32, SinkOutputs)]) -> Result<Vec<ReplayedRecord>, RecordError> {
    let mut shown = Shown::default();
    for (_, output_of_task) in written {
        for (partition, batches) in &output_of_task.batches {
            for batch in batches {
                shown.batch(*partition, batch.bytes())?;
            }
        }
        let lines = output_of_task.bytes.split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            shown.push(ReplayedRecord {
                partition: None,
                key: None,
                value: Some(text(line)),
                timestamp: None,
                headers: Vec::new(),
            });
        }
    }
    Ok(shown.records)
}

#[derive(Default)]
struct Shown {
    records: Vec<ReplayedRecord>,
    bytes: usize,
}

impl Shown {
    fn push(&mut self, record: ReplayedRecord) {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let bytes = length(&record.key) + length(&record.value);
        if self.records.len() < SHOWN_MAX && self.bytes + bytes <= SHOWN_BYTES_MAX {
            self.bytes += bytes;
            self.records.push(record);
        } else {
            // Nothing behind the first that is left out.
            self.bytes = usize::MAX / 2;
        }
    }

    fn batch(&mut self, partition: u32, bytes: &[u8]) -> Result<(), RecordError> {
        let mut reader = RecordReader::default();
        for batch in Batches::new(bytes) {
            for record in reader.records(&batch?)? {
                let record = record?;
                let headers = HeaderIter::new(record.headers);
                self.push(ReplayedRecord {
                    partition: Some(partition),
                    key: record.key.map(text),
                    value: record.value.map(text),
                    timestamp: Some(record.timestamp_ms),
                    headers: headers.map(|of| (text(of.name), of.value.map(text))).collect(),
                });
            }
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
