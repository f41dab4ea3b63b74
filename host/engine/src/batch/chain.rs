//! One task's way through a stage: records go from operator to operator as views of guest memory,
//! and end in partial folds and sink buffers.
//!
//! **A task does no I/O and waits for nothing**: it is a function of its input and the plan. The
//! result of one operator is handed to the next while it still lies in the first one's memory.

use tidemill_plugin::{BatchFault, BatchRef, CallContext, CallError, OutcomeRef};

use super::columns::Scratch;
use super::fold::{Partial, Routed};
use super::plan::BatchPlan;
use super::sink::{SinkBuffer, SinkOutputs, WriteError};
use crate::graph::{Graph, Kind, Reducer, Stateless, Target, WindowClock};

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
}

/// A task on its way.
pub struct Chain<'g> {
    graph: &'g Graph,
    plan: &'g BatchPlan,
    context: CallContext<'g>,
    /// Where the records come from, for messages.
    input: String,
    /// The source's partition: keyless records of a sink keep it.
    keyless: u32,
    partials: Vec<Option<Partial>>,
    sinks: Vec<Option<(SinkBuffer, u64)>>,
    late: Vec<u64>,
    event_times: Vec<Option<(i64, i64)>>,
    scratches: Vec<Scratch>,
}

impl<'g> Chain<'g> {
    /// A task that has not met a record yet. `input` says where its records come from.
    #[must_use]
    pub fn new(
        graph: &'g Graph,
        plan: &'g BatchPlan,
        pipeline: &'g str,
        task: u32,
        keyless: u32,
        input: String,
    ) -> Self {
        let context = CallContext { pipeline, batch: plan.id, task, time_ms: plan.time_ms };
        Self {
            graph,
            plan,
            context,
            input,
            keyless,
            partials: graph.reducers.iter().map(|_| None).collect(),
            sinks: graph.sinks.iter().map(|_| None).collect(),
            late: vec![0; graph.reducers.len()],
            event_times: vec![None; graph.reducers.len()],
            scratches: Vec::new(),
        }
    }

    /// Ends the task.
    #[must_use]
    pub fn finish(self, records: u64) -> TaskOutput {
        let graph = self.graph;
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
        }
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
    pub fn send(&mut self, targets: &'g [Target], records: BatchRef<'_>) -> Result<(), TaskError> {
        if records.is_empty() {
            return Ok(());
        }
        for target in targets {
            match target {
                Target::Operator(index) => self.call(&self.graph.operators[*index], records)?,
                Target::Reducer(index) => self.fold(*index, records)?,
                Target::Sink(index) => self.write(*index, records)?,
            }
        }
        Ok(())
    }

    fn call(&mut self, node: &'g Stateless, records: BatchRef<'_>) -> Result<(), TaskError> {
        let context = self.context;
        match node.kind {
            Kind::Transform => node
                .operator
                .transform(&context, records, |outcome| self.forward(node, records, &outcome))?,
            Kind::Filter => node.operator.keep(&context, records, |kept| {
                let mut scratch = self.scratches.pop().unwrap_or_default();
                let sent = scratch.keep(records, kept).map_err(TaskError::from);
                let sent = sent.and_then(|kept| self.send(&node.ports[0], kept));
                self.scratches.push(scratch);
                sent
            })?,
        }
    }

    fn forward(
        &mut self,
        node: &'g Stateless,
        input: BatchRef<'_>,
        outcome: &OutcomeRef<'_>,
    ) -> Result<(), TaskError> {
        self.refuse_rejected(node, outcome)?;
        let mut scratch = self.scratches.pop().unwrap_or_default();
        let emitted = scratch.inherit(input, outcome, node.timestamps).map_err(TaskError::from);
        let sent = emitted.and_then(|emitted| match node.ports.as_slice() {
            [only] => self.send(only, emitted),
            first_and_more if outcome.ports().is_empty() => {
                first_and_more.first().map_or(Ok(()), |first| self.send(first, emitted))
            }
            all => self.send_by_port(all, emitted, outcome.ports()),
        });
        self.scratches.push(scratch);
        sent
    }

    fn send_by_port(
        &mut self,
        targets: &'g [Vec<Target>],
        records: BatchRef<'_>,
        ports: &[u16],
    ) -> Result<(), TaskError> {
        let mut scratch = self.scratches.pop().unwrap_or_default();
        for (port, targets) in (0u16..).zip(targets).filter(|(_, targets)| !targets.is_empty()) {
            let of_port = (0u32..).zip(ports).filter(|(_, at)| **at == port);
            let indices: Vec<u32> = of_port.map(|(index, _)| index).collect();
            self.send(targets, scratch.pick(records, &indices)?)?;
        }
        self.scratches.push(scratch);
        Ok(())
    }

    /// The only policy so far is to fail. The place for `skip` and `dead-letter` is here.
    fn refuse_rejected(&self, node: &Stateless, outcome: &OutcomeRef<'_>) -> Result<(), TaskError> {
        let Some(first) = outcome.rejected().first() else { return Ok(()) };
        Err(TaskError::Rejected {
            operator: node.name.clone(),
            count: outcome.rejected().len(),
            input: self.input.clone(),
            index: first.index,
            reason: first.reason.clone(),
        })
    }

    fn fold(&mut self, index: usize, records: BatchRef<'_>) -> Result<(), TaskError> {
        let reducer = &self.graph.reducers[index];
        let Some((windowing, clock)) = reducer.window else {
            widen(&mut self.event_times[index], records.timestamps());
            return self.fold_into(index, reducer, records, &[]);
        };
        let panes: Vec<i64> = match clock {
            WindowClock::Event { .. } => {
                widen(&mut self.event_times[index], records.timestamps());
                records.timestamps().iter().map(|timestamp| windowing.pane_of(*timestamp)).collect()
            }
            // A clock that was set back does not reopen what has closed.
            WindowClock::Processing => {
                let time =
                    self.plan.time_ms.max(self.plan.watermarks[index].late.unwrap_or(i64::MIN));
                vec![windowing.pane_of(time); records.len()]
            }
        };
        let watermark = self.plan.watermarks[index].late;
        if !panes.iter().any(|pane| windowing.is_closed(*pane, watermark)) {
            return self.fold_into(index, reducer, records, &panes);
        }
        let (late, in_time): (Vec<u32>, Vec<u32>) = (0u32..)
            .take(panes.len())
            .partition(|record| windowing.is_closed(panes[*record as usize], watermark));
        self.late[index] += late.len() as u64;
        let mut scratch = self.scratches.pop().unwrap_or_default();
        self.send(&reducer.late, scratch.pick(records, &late)?)?;
        let panes: Vec<i64> = in_time.iter().map(|record| panes[*record as usize]).collect();
        let folded = match scratch.pick(records, &in_time)? {
            none if none.is_empty() => Ok(()),
            some => self.fold_into(index, reducer, some, &panes),
        };
        self.scratches.push(scratch);
        folded
    }

    fn fold_into(
        &mut self,
        index: usize,
        reducer: &Reducer,
        records: BatchRef<'_>,
        panes: &[i64],
    ) -> Result<(), TaskError> {
        let partial = self.partials[index].get_or_insert_default();
        Ok(partial.fold(reducer, &self.context, records, panes)?)
    }

    fn write(&mut self, index: usize, records: BatchRef<'_>) -> Result<(), TaskError> {
        let sink = &self.graph.sinks[index];
        let (buffer, count) = self.sinks[index].get_or_insert_with(|| (SinkBuffer::new(sink), 0));
        buffer.push(sink, records, self.keyless)?;
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
