//! One task's way through a stage: records go from operator to operator as views of guest memory,
//! and end in partial folds and sink buffers.
//!
//! **A task does no I/O and waits for nothing** but its turn: it is a function of its input and the plan. The
//! result of one operator is handed to the next while it still lies in the first one's memory.

use tidemill_plugin::{BatchFault, BatchRef, CallContext, CallError, OutcomeRef};

use super::columns::Scratch;
use super::fold::{FoldError, Partial, Routed};
use super::plan::BatchPlan;
use super::poison::{Breaker, Origin, PoisonCounts, Policy, Tripped};
use super::sink::{SinkBuffer, SinkOutputs, WriteError};
use crate::graph::{Graph, Kind, Target, WindowClock};
use crate::pool::{self, Abandoned};

/// A task that cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A plugin's call failed.
    #[error(transparent)]
    Call(#[from] Box<CallError>),
    /// A plugin refused records, and the operator's policy is to fail.
    #[error(
        "operator `{operator}` refused {count} of the records {input}: record {index} of the call, because {reason}"
    )]
    Rejected {
        /// The operator.
        operator: String,
        /// How many records of the call.
        count: usize,
        /// Where the task's records come from.
        input: String,
        /// The first of them.
        index: u32,
        /// What the plugin said of it.
        reason: String,
    },
    /// There is too much poison in the batch.
    #[error("operator `{operator}` was stopped: {tripped}; among them: {}", samples.join("; "))]
    Storm {
        /// The operator.
        operator: String,
        /// Which bound was passed.
        tripped: Tripped,
        /// Some of the reasons.
        samples: Vec<String>,
    },
    /// A call failed after its result was used: the task begins anew, carefully.
    #[error("a call failed in its last step")]
    BeginAnew(#[source] Box<CallError>),
    /// A record does not fit into a sink.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Stored records cannot be read.
    #[error("read the records {input}")]
    Damaged {
        /// Where they are.
        input: String,
        /// What is wrong with them.
        #[source]
        source: tidemill_log::BatchError,
    },
    /// Nobody waits for it any more.
    #[error(transparent)]
    Abandoned(#[from] Abandoned),
    /// Columns that do not belong together, past all checks.
    #[error("columns of {fault}")]
    Columns {
        /// What is wrong.
        fault: BatchFault,
    },
}

impl TaskError {
    /// Whether the same batch may succeed when it is tried again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_retryable())
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Call(error) if error.fault.may_be_of_a_record() => {
                let other = "or set `on_error` of the operator to \"skip\" or \"dead-letter\"";
                Some(match error.hint() {
                    Some(hint) => format!("{hint}; {other}"),
                    None => other.trim_start_matches("or ").to_owned(),
                })
            }
            Self::Call(error) => error.hint(),
            Self::Rejected { .. } => Some(
                "set `on_error` of the operator to \"skip\" or \"dead-letter\", or mend the source"
                    .to_owned(),
            ),
            Self::Storm { .. } => Some(
                "mend the source or the plugin and start the pipeline again; `poison_max` says how much is allowed"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

impl From<CallError> for TaskError {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

impl From<BatchFault> for TaskError {
    fn from(fault: BatchFault) -> Self {
        Self::Columns { fault }
    }
}

/// What one task leaves behind.
#[derive(Default)]
pub struct TaskOutput {
    /// By reducer: the folded records, dealt out to the state tasks.
    pub partials: Vec<Option<Routed>>,
    /// By sink.
    pub sinks: Vec<Option<SinkOutputs>>,
    /// Records read, for a task of a source.
    pub records: u64,
    /// By reducer: records that came too late.
    pub late: Vec<u64>,
    /// By reducer: the lowest and highest event time that came in.
    pub event_times: Vec<Option<(i64, i64)>>,
    /// By node: bad records.
    pub poison: Vec<PoisonCounts>,
}

/// Where a task stands.
#[derive(Clone)]
pub struct TaskSite<'g> {
    /// The pipeline as it runs.
    pub graph: &'g Graph,
    /// The batch.
    pub plan: &'g BatchPlan,
    /// Stops a batch that is full of poison.
    pub breaker: &'g Breaker,
    /// The pipeline's name.
    pub pipeline: &'g str,
    /// The task within the batch.
    pub task: u32,
    /// The source's partition: keyless records of a sink keep it.
    pub keyless: u32,
    /// Where the records come from, for messages.
    pub input: String,
    /// Results of operators that may have poison are handed on only once their calls have ended, so that
    /// nothing of a call that fails in its last step is used. It costs a copy.
    pub careful: bool,
}

/// A task on its way.
pub struct Chain<'g> {
    pub(super) site: TaskSite<'g>,
    context: CallContext<'g>,
    partials: Vec<Option<Partial>>,
    sinks: Vec<Option<(SinkBuffer, u64)>>,
    late: Vec<u64>,
    event_times: Vec<Option<(i64, i64)>>,
    pub(super) poison: Vec<PoisonCounts>,
    pub(super) scratches: Vec<Scratch>,
}

/// Why a call and what follows from it ended early.
pub(super) enum Stopped {
    /// The call failed; `handed_on`: its result was used before.
    Call { error: CallError, handed_on: bool },
    /// Something else did.
    Task(TaskError),
}

impl From<TaskError> for Stopped {
    fn from(error: TaskError) -> Self {
        Self::Task(error)
    }
}

impl From<BatchFault> for Stopped {
    fn from(fault: BatchFault) -> Self {
        Self::Task(fault.into())
    }
}

impl<'g> Chain<'g> {
    /// A task that has not met a record yet.
    #[must_use]
    pub fn new(site: TaskSite<'g>) -> Self {
        let TaskSite { graph, plan, pipeline, task, .. } = site;
        let context = CallContext { pipeline, batch: plan.id, task, time_ms: plan.time_ms };
        Self {
            context,
            partials: graph.reducers.iter().map(|_| None).collect(),
            sinks: graph.sinks.iter().map(|_| None).collect(),
            late: vec![0; graph.reducers.len()],
            event_times: vec![None; graph.reducers.len()],
            poison: vec![PoisonCounts::default(); graph.nodes()],
            scratches: Vec::new(),
            site,
        }
    }

    /// Ends the task.
    #[must_use]
    pub fn finish(self, records: u64) -> TaskOutput {
        let graph = self.site.graph;
        let routed =
            self.partials.into_iter().map(|partial| partial.map(|partial| partial.route(graph)));
        let sinks =
            self.sinks.into_iter().map(|sink| sink.map(|(buffer, records)| buffer.finish(records)));
        TaskOutput {
            partials: routed.collect(),
            sinks: sinks.collect(),
            records,
            late: self.late,
            event_times: self.event_times,
            poison: self.poison,
        }
    }

    /// Gives the task up, to begin it anew carefully.
    #[must_use]
    pub fn begin_anew(self) -> Self {
        self.site.breaker.take_back(&self.poison);
        Self::new(TaskSite { careful: true, ..self.site })
    }

    /// What calls of this task are told.
    #[must_use]
    pub fn context(&self) -> &CallContext<'g> {
        &self.context
    }

    /// Hands `records` to each of `targets`, and what they make of them to theirs.
    ///
    /// # Errors
    /// The first failure; the task is of no more use then.
    pub fn send(
        &mut self,
        targets: &'g [Target],
        records: BatchRef<'_>,
        origin: &Origin<'_>,
    ) -> Result<(), TaskError> {
        if records.is_empty() {
            return Ok(());
        }
        for target in targets {
            match target {
                Target::Operator(index) => {
                    let called = self.call(*index, records, origin);
                    self.settle(Target::Operator(*index), records, &[], origin, called)?;
                }
                Target::Reducer(index) => self.fold(*index, records, origin)?,
                Target::Sink(index) => self.write(*index, records)?,
            }
        }
        Ok(())
    }

    pub(super) fn call(
        &mut self,
        index: usize,
        records: BatchRef<'_>,
        origin: &Origin<'_>,
    ) -> Result<(), Stopped> {
        pool::give_way().map_err(TaskError::from)?;
        let node = &self.site.graph.operators[index];
        let context = self.context;
        let waits = self.site.careful && node.poison.policy != Policy::Fail;
        let mut handed_on = false;
        let called = match node.kind {
            Kind::Transform if waits => {
                let outcome = node.operator.transform(&context, records, |out| {
                    node.compare(|canary| canary.transform(&context, records, &out));
                    out.copy_out()
                });
                outcome.map(|out| self.forward(index, records, &out.as_ref()?, origin))
            }
            Kind::Transform => node.operator.transform(&context, records, |outcome| {
                node.compare(|canary| canary.transform(&context, records, &outcome));
                handed_on = true;
                self.forward(index, records, &outcome, origin)
            }),
            Kind::Filter if waits => {
                let kept = node.operator.keep(&context, records, |kept| {
                    node.compare(|canary| canary.keep(&context, records, kept));
                    kept.to_vec()
                });
                kept.map(|kept| self.keep(index, records, &kept, origin))
            }
            Kind::Filter => node.operator.keep(&context, records, |kept| {
                node.compare(|canary| canary.keep(&context, records, kept));
                handed_on = true;
                self.keep(index, records, kept, origin)
            }),
        };
        Ok(called.map_err(|error| Stopped::Call { error, handed_on })??)
    }

    fn keep(
        &mut self,
        index: usize,
        records: BatchRef<'_>,
        kept: &[u8],
        origin: &Origin<'_>,
    ) -> Result<(), TaskError> {
        let node = &self.site.graph.operators[index];
        let origin = Origin::Kept { bitmap: kept, before: origin };
        let mut scratch = self.scratches.pop().unwrap_or_default();
        let sent = scratch.keep(records, kept).map_err(TaskError::from);
        let sent = sent.and_then(|kept| self.send(&node.ports[0], kept, &origin));
        self.scratches.push(scratch);
        sent
    }

    fn forward(
        &mut self,
        index: usize,
        input: BatchRef<'_>,
        outcome: &OutcomeRef<'_>,
        origin: &Origin<'_>,
    ) -> Result<(), TaskError> {
        let node = &self.site.graph.operators[index];
        self.set_rejected_aside(index, input, outcome.rejected(), origin)?;
        let origin = Origin::Counted { counts: outcome.counts(), before: origin };
        let mut scratch = self.scratches.pop().unwrap_or_default();
        let emitted = scratch.inherit(input, outcome, node.timestamps).map_err(TaskError::from);
        let sent = emitted.and_then(|emitted| match node.ports.as_slice() {
            [only] => self.send(only, emitted, &origin),
            first_and_more if outcome.ports().is_empty() => {
                first_and_more.first().map_or(Ok(()), |first| self.send(first, emitted, &origin))
            }
            all => self.send_by_port(all, emitted, outcome.ports(), &origin),
        });
        self.scratches.push(scratch);
        sent
    }

    fn send_by_port(
        &mut self,
        targets: &'g [Vec<Target>],
        records: BatchRef<'_>,
        ports: &[u16],
        origin: &Origin<'_>,
    ) -> Result<(), TaskError> {
        let mut scratch = self.scratches.pop().unwrap_or_default();
        for (port, targets) in (0u16..).zip(targets).filter(|(_, targets)| !targets.is_empty()) {
            let of_port = (0u32..).zip(ports).filter(|(_, at)| **at == port);
            let indices: Vec<u32> = of_port.map(|(index, _)| index).collect();
            let origin = Origin::Picked { indices: &indices, before: origin };
            self.send(targets, scratch.pick(records, &indices)?, &origin)?;
        }
        self.scratches.push(scratch);
        Ok(())
    }

    fn fold(
        &mut self,
        index: usize,
        records: BatchRef<'_>,
        origin: &Origin<'_>,
    ) -> Result<(), TaskError> {
        let reducer = &self.site.graph.reducers[index];
        let Some((windowing, clock)) = reducer.window else {
            widen(&mut self.event_times[index], records.timestamps());
            return self.fold_into(index, records, &[], origin);
        };
        let panes: Vec<i64> = match clock {
            WindowClock::Event { .. } => {
                widen(&mut self.event_times[index], records.timestamps());
                records.timestamps().iter().map(|timestamp| windowing.pane_of(*timestamp)).collect()
            }
            // A clock that was set back does not reopen what has closed.
            WindowClock::Processing => {
                let plan = self.site.plan;
                let time = plan.time_ms.max(plan.watermarks[index].late.unwrap_or(i64::MIN));
                vec![windowing.pane_of(time); records.len()]
            }
        };
        let watermark = self.site.plan.watermarks[index].late;
        if !panes.iter().any(|pane| windowing.is_closed(*pane, watermark)) {
            return self.fold_into(index, records, &panes, origin);
        }
        let (late, in_time): (Vec<u32>, Vec<u32>) = (0u32..)
            .take(panes.len())
            .partition(|record| windowing.is_closed(panes[*record as usize], watermark));
        self.late[index] += late.len() as u64;
        let mut scratch = self.scratches.pop().unwrap_or_default();
        let came_late = Origin::Picked { indices: &late, before: origin };
        self.send(&reducer.late, scratch.pick(records, &late)?, &came_late)?;
        let panes: Vec<i64> = in_time.iter().map(|record| panes[*record as usize]).collect();
        let origin = Origin::Picked { indices: &in_time, before: origin };
        let folded = match scratch.pick(records, &in_time)? {
            none if none.is_empty() => Ok(()),
            some => self.fold_into(index, some, &panes, &origin),
        };
        self.scratches.push(scratch);
        folded
    }

    fn fold_into(
        &mut self,
        index: usize,
        records: BatchRef<'_>,
        panes: &[i64],
        origin: &Origin<'_>,
    ) -> Result<(), TaskError> {
        let folded = self.fold_call(index, records, panes);
        self.settle(Target::Reducer(index), records, panes, origin, folded)
    }

    /// One call of `fold`; `panes` has the pane of each record, or nothing.
    pub(super) fn fold_call(
        &mut self,
        index: usize,
        records: BatchRef<'_>,
        panes: &[i64],
    ) -> Result<(), Stopped> {
        pool::give_way().map_err(TaskError::from)?;
        let reducer = &self.site.graph.reducers[index];
        let waits = self.site.careful && reducer.poison.policy != Policy::Fail;
        let partial = self.partials[index].get_or_insert_default();
        partial
            .fold(reducer, &self.context, records, panes, waits)
            .map_err(|FoldError { error, stored }| Stopped::Call { error, handed_on: stored })
    }

    pub(super) fn write(&mut self, index: usize, records: BatchRef<'_>) -> Result<(), TaskError> {
        let sink = &self.site.graph.sinks[index];
        let (buffer, count) = self.sinks[index].get_or_insert_with(|| (SinkBuffer::new(sink), 0));
        buffer.push(sink, records, self.site.keyless)?;
        *count += records.len() as u64;
        Ok(())
    }
}

fn widen(range: &mut Option<(i64, i64)>, timestamps: &[i64]) {
    for timestamp in timestamps {
        let (low, high) = range.get_or_insert((*timestamp, *timestamp));
        *low = (*low).min(*timestamp);
        *high = (*high).max(*timestamp);
    }
}
