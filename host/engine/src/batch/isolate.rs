//! What a task does about bad records: find them, and treat them as their operator's policy says.

use tidemill_plugin::{Batch, BatchRef, CallError, CallFault, Operator, Rejection};

use super::chain::{Chain, Stopped, TaskError};
use super::poison::{Bisection, Found, Origin, Poison, Policy, Step, Tripped, Verdict, decide};
use crate::causes::causes_of;
use crate::dead_letters::Letter;
use crate::graph::{Graph, Target};
use crate::pool;

/// Why a record is bad.
enum Cause<'a> {
    Rejected(&'a str),
    Call(&'a CallError),
}

impl Cause<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Rejected(_) => "rejected",
            Self::Call(error) => error.fault.kind(),
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::Rejected(reason) => (*reason).to_owned(),
            Self::Call(error) => causes_of(&error.fault),
        }
    }

    fn backtrace(&self) -> Option<String> {
        match self {
            Self::Rejected(_) => None,
            Self::Call(error) => error.fault.backtrace().map(str::to_owned),
        }
    }
}

/// An operator with state or without, as the graph has it.
struct Node<'g> {
    name: &'g str,
    operator: &'g Operator,
    poison: Poison,
    /// Its place among all, as [`Graph::plugins`] counts them.
    number: usize,
}

impl<'g> Node<'g> {
    /// # Panics
    /// For a sink, which calls nothing.
    fn of(graph: &'g Graph, target: Target) -> Self {
        match target {
            Target::Operator(index) => {
                let node = &graph.operators[index];
                Self {
                    name: &node.name,
                    operator: &node.operator,
                    poison: node.poison,
                    number: index,
                }
            }
            Target::Reducer(index) => {
                let node = &graph.reducers[index];
                let number = graph.operators.len() + index;
                Self { name: &node.name, operator: &node.operator, poison: node.poison, number }
            }
            Target::Sink(_) => unreachable!("a sink calls no plugin"),
        }
    }
}

impl<'g> Chain<'g> {
    /// Ends a call of `records`: where it failed, and the policy says so, its bad records are found.
    pub(super) fn settle(
        &mut self,
        target: Target,
        records: BatchRef<'_>,
        panes: &[i64],
        origin: &Origin<'_>,
        called: Result<(), Stopped>,
    ) -> Result<(), TaskError> {
        let failed = match called {
            Ok(()) => return Ok(()),
            Err(stopped) => self.judge(target, stopped)?,
        };
        // A call has fewer than 2^32 records: its columns have 32-bit offsets.
        let mut search = Bisection::new(records.len() as u32, failed);
        loop {
            match search.next_step() {
                Step::Done => return Ok(()),
                Step::Culprit(at, error) => {
                    self.set_aside(target, records, at, origin, &Cause::Call(&error))?;
                }
                Step::Call(part) => {
                    self.count_call(target)?;
                    let origin = Origin::From { first: part.start, before: origin };
                    let panes = panes.get(part.start as usize..part.end as usize);
                    let indices: Vec<u32> = part.collect();
                    let called = self.call_part(
                        target,
                        records,
                        &indices,
                        panes.unwrap_or_default(),
                        &origin,
                    );
                    if let Err(stopped) = called {
                        let error = self.judge(target, stopped)?;
                        search.failed(error);
                    }
                }
            }
        }
    }

    fn call_part(
        &mut self,
        target: Target,
        records: BatchRef<'_>,
        indices: &[u32],
        panes: &[i64],
        origin: &Origin<'_>,
    ) -> Result<(), Stopped> {
        let mut scratch = self.scratches.pop().unwrap_or_default();
        let called = match (scratch.pick(records, indices), target) {
            (Ok(part), Target::Reducer(index)) => self.fold_call(index, part, panes),
            (Ok(part), Target::Operator(index)) => self.call(index, part, origin),
            (Ok(_), Target::Sink(_)) => Ok(()),
            (Err(fault), _) => Err(fault.into()),
        };
        self.scratches.push(scratch);
        called
    }

    /// The error of a call whose bad records are to be found; any other is handed on.
    fn judge(&self, target: Target, stopped: Stopped) -> Result<CallError, TaskError> {
        let (error, handed_on) = match stopped {
            Stopped::Call { error, handed_on } => (error, handed_on),
            Stopped::Task(error) => return Err(error),
        };
        if matches!(error.fault, CallFault::Timeout { .. }) {
            pool::overran();
        }
        let node = Node::of(self.site.graph, target);
        match decide(node.poison.policy, &error.fault, handed_on, self.site.breaker.retried()) {
            Verdict::Fail => Err(error.into()),
            Verdict::BeginAnew => Err(TaskError::BeginAnew(Box::new(error))),
            Verdict::Isolate => {
                let spent = self.site.breaker.time(node.number, error.took);
                spent.map_err(|tripped| self.storm(&node, tripped))?;
                Ok(error)
            }
        }
    }

    fn count_call(&mut self, target: Target) -> Result<(), TaskError> {
        let node = Node::of(self.site.graph, target);
        self.poison[node.number].bisect_calls += 1;
        let spent = self.site.breaker.call(node.number);
        spent.map_err(|tripped| self.storm(&node, tripped))
    }

    /// Treats the records that a transform itself rejected.
    pub(super) fn set_rejected_aside(
        &mut self,
        index: usize,
        input: BatchRef<'_>,
        rejected: &[Rejection],
        origin: &Origin<'_>,
    ) -> Result<(), TaskError> {
        let Some(first) = rejected.first() else { return Ok(()) };
        let node = &self.site.graph.operators[index];
        if node.poison.policy == Policy::Fail {
            return Err(TaskError::Rejected {
                operator: node.name.clone(),
                count: rejected.len(),
                input: self.site.input.clone(),
                index: first.index,
                reason: first.reason.clone(),
            });
        }
        for Rejection { index: at, reason } in rejected {
            let cause = Cause::Rejected(reason);
            self.set_aside(Target::Operator(index), input, *at, origin, &cause)?;
        }
        Ok(())
    }

    /// Treats one bad record.
    fn set_aside(
        &mut self,
        target: Target,
        records: BatchRef<'_>,
        at: u32,
        origin: &Origin<'_>,
        cause: &Cause<'_>,
    ) -> Result<(), TaskError> {
        let node = Node::of(self.site.graph, target);
        let counts = &mut self.poison[node.number];
        match cause {
            Cause::Rejected(_) => counts.rejected += 1,
            Cause::Call(_) => counts.failed += 1,
        }
        match node.poison.policy {
            Policy::DeadLetter(_) => counts.dead_lettered += 1,
            Policy::Skip | Policy::Fail => counts.skipped += 1,
        }
        let sample = || format!("{}: {}", cause.kind(), cause.reason());
        let counted = self.site.breaker.poison(node.number, node.poison.share_max, sample);
        counted.map_err(|tripped| self.storm(&node, tripped))?;
        let Policy::DeadLetter(sink) = node.poison.policy else { return Ok(()) };
        let letter = self.letter(&node, &origin.find(at as usize), cause);
        let record = letter_record(records, at as usize, &letter);
        self.write(sink, record.as_ref()?)
    }

    fn letter(&self, node: &Node<'_>, found: &Found, cause: &Cause<'_>) -> Letter {
        let plugin = node.operator.plugin();
        Letter {
            pipeline: self.site.pipeline.to_owned(),
            operator: node.name.to_owned(),
            plugin: plugin.description().name.clone(),
            version: plugin.description().version.to_string(),
            digest: plugin.digest().to_string(),
            batch: self.site.plan.id,
            source: found.place.clone(),
            kind: cause.kind().to_owned(),
            reason: cause.reason(),
            backtrace: cause.backtrace(),
            time_ms: self.site.plan.time_ms,
            attempt: found.attempts + 1,
        }
    }

    fn storm(&self, node: &Node<'_>, tripped: Tripped) -> TaskError {
        let samples = self.site.breaker.samples();
        TaskError::Storm { operator: node.name.to_owned(), tripped, samples }
    }
}

/// The record as the operator got it, with the letter's headers.
fn letter_record(records: BatchRef<'_>, at: usize, letter: &Letter) -> Batch {
    let mut record = Batch::default();
    record.keys.push(records.keys().get(at));
    record.values.push(records.values().get(at));
    let headers = letter.encode(records.headers().get(at).unwrap_or_default());
    record.headers.push(Some(&headers));
    record.timestamps.push(records.timestamps().get(at).copied().unwrap_or(letter.time_ms));
    record
}
