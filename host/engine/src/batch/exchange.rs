//! Step 4, exchange: which partial folds go to which reducer, in the order of their tasks.
//!
//! Partial folds were dealt out to the state tasks by key group when their task ended
//! ([`super::fold::Partial::route`]); here they only change hands, without a copy.
//! **Their order is that of the tasks that made them**, so that a result never depends on which
//! task was done first.

use std::sync::Arc;

use super::chain::TaskOutput;
use super::fold::Routed;
use super::poison::PoisonCounts;
use super::sink::SinkOutputs;
use crate::graph::Graph;

/// Everything that the tasks of a batch left behind so far, in their order.
pub struct Collected {
    /// By reducer: partial folds that wait to be merged.
    pub partials: Vec<Vec<Arc<Routed>>>,
    /// By sink: what is to be written.
    pub sinks: Vec<Vec<(u32, SinkOutputs)>>,
    /// By reducer: records that came too late.
    pub late: Vec<u64>,
    /// By node: bad records.
    pub poison: Vec<PoisonCounts>,
    tasks: u32,
}

impl Collected {
    /// Nothing yet.
    #[must_use]
    pub fn new(graph: &Graph) -> Self {
        Self {
            partials: graph.reducers.iter().map(|_| Vec::new()).collect(),
            sinks: graph.sinks.iter().map(|_| Vec::new()).collect(),
            late: vec![0; graph.reducers.len()],
            poison: vec![PoisonCounts::default(); graph.nodes()],
            tasks: 0,
        }
    }

    /// Takes what the next task left behind.
    pub fn add(&mut self, output: TaskOutput) {
        for (waiting, partial) in self.partials.iter_mut().zip(output.partials) {
            waiting.extend(partial.map(Arc::new));
        }
        for (written, sink) in self.sinks.iter_mut().zip(output.sinks) {
            written.extend(sink.map(|sink| (self.tasks, sink)));
        }
        for (sum, late) in self.late.iter_mut().zip(output.late) {
            *sum += late;
        }
        for (sum, counts) in self.poison.iter_mut().zip(&output.poison) {
            sum.add(counts);
        }
        self.tasks += 1;
    }

    /// The partial folds for a reducer, once all stages in front of it have ended.
    pub fn take_partials(&mut self, reducer: usize) -> Vec<Arc<Routed>> {
        std::mem::take(&mut self.partials[reducer])
    }
}
