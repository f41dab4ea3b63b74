//! A pipeline as it runs: sources, operators with their plugins, reducers and sinks, by index.
//!
//! A **stage** begins at a source or at a reducer's output and reaches, through operators without
//! state, to the next reducers and sinks. Between stages lies an exchange by key.
//! **Order is part of the graph**: what a stage writes is ordered by operator, task and input,
//! never by completion.

mod plugins;
mod wiring;
mod compile;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use tidemill_plugin::Operator;

use crate::batch::poison::Poison;
use crate::batch::window::Windowing;
use crate::spec::{SinkOutput, Start};
use crate::upgrade::Canary;

pub use compile::{CompileError, compile};
pub use plugins::{PluginSource, PluginSourceError};

/// Where records go next; indexes into [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Through an operator without state.
    Operator(usize),
    /// Into a reducer's partial fold.
    Reducer(usize),
    /// Out.
    Sink(usize),
}

/// A topic that is read.
#[derive(Debug, Clone)]
pub struct Source {
    /// As in the pipeline file.
    pub name: String,
    /// The topic, also of a source that is ingested first.
    pub topic: Arc<str>,
    /// How many partitions it has.
    pub partitions: u32,
    /// Where to begin without a checkpoint.
    pub start: Start,
    /// Where its records go.
    pub targets: Vec<Target>,
    /// It has the dead letters of one operator that are retried, and leads there. Nobody waits for it.
    pub retries: bool,
}

/// What an operator without state does with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Makes other records of them.
    Transform,
    /// Keeps some.
    Filter,
}

/// An operator without state.
pub struct Stateless {
    /// As in the pipeline file.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// The plugin, configured.
    pub operator: Arc<Operator>,
    /// What it is compared with.
    pub canary: Option<Arc<Canary>>,
    /// Where the records of each output port go.
    pub ports: Vec<Vec<Target>>,
    /// Whether anything behind it looks at timestamps.
    pub timestamps: bool,
    /// What becomes of bad records.
    pub poison: Poison,
}

/// Which time puts a record into a window, and how long windows stay open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowClock {
    /// The record's timestamp; the watermark is the highest one seen less `delay_ms`.
    Event {
        /// How far records may be out of order.
        delay_ms: i64,
    },
    /// The batch's time.
    Processing,
}

/// A reducer: one accumulator for each key, or for each key and pane.
pub struct Reducer {
    /// As in the pipeline file.
    pub name: String,
    /// The plugin, configured.
    pub operator: Arc<Operator>,
    /// What it is compared with.
    pub canary: Option<Arc<Canary>>,
    /// Its state version, from its description.
    pub state_version: u32,
    /// `None`: running totals.
    pub window: Option<(Windowing, WindowClock)>,
    /// Where its results go.
    pub targets: Vec<Target>,
    /// Where records go that came after their windows had closed.
    pub late: Vec<Target>,
    /// What becomes of records that cannot be folded.
    pub poison: Poison,
}

impl Stateless {
    /// Lets the version that is tried have the same call, where there is one.
    pub fn compare(&self, call: impl FnOnce(&Canary)) {
        if let Some(canary) = &self.canary {
            call(canary);
        }
    }
}

impl Reducer {
    /// Lets the version that is tried have the same call, where there is one.
    pub fn compare(&self, call: impl FnOnce(&Canary)) {
        if let Some(canary) = &self.canary {
            call(canary);
        }
    }

    /// The windows that its state is cut into, for people and for comparing; none: running totals.
    #[must_use]
    pub fn window_text(&self) -> Option<String> {
        let (windowing, clock) = self.window?;
        let time = match clock {
            WindowClock::Event { .. } => "event",
            WindowClock::Processing => "processing",
        };
        Some(format!("{windowing} by {time} time"))
    }
}

/// Where records leave the pipeline.
#[derive(Debug, Clone)]
pub struct Sink {
    /// As in the pipeline file.
    pub name: String,
    /// What is written.
    pub output: SinkOutput,
    /// Partitions of the topic, where it is one.
    pub partitions: u32,
    /// It has the dead letters of operators, and is no sink of the file.
    pub dead_letters: bool,
}

/// A pipeline as it runs.
pub struct Graph {
    /// In the order of the file; retried dead letters behind them.
    pub sources: Vec<Source>,
    /// In the order of the file.
    pub operators: Vec<Stateless>,
    /// A reducer stands behind every reducer that feeds it.
    pub reducers: Vec<Reducer>,
    /// In the order of the file; topics of dead letters behind them.
    pub sinks: Vec<Sink>,
    /// How keyed state is spread; set once, by the first start that restored.
    pub spread: OnceLock<Spread>,
    /// How it is spread where no checkpoint says otherwise.
    pub spread_default: Spread,
}

/// How keyed state is spread over tasks. Fixed for a pipeline's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// Tasks of each reducer.
    pub tasks: u32,
    /// Keys are hashed into this many groups; a group belongs to task `group mod tasks`.
    pub key_groups: u32,
}

impl Graph {
    /// The task that holds the state of `key`. Murmur2 as Kafka's default partitioner has it; an
    /// absent key counts as an empty one.
    #[must_use]
    pub fn task_of(&self, key: Option<&[u8]>) -> u32 {
        let Spread { tasks, key_groups } = self.spread();
        tidemill_log::partition_for_key(key.unwrap_or_default(), key_groups) % tasks
    }

    /// How keyed state is spread.
    #[must_use]
    pub fn spread(&self) -> Spread {
        *self.spread.get().unwrap_or(&self.spread_default)
    }

    /// Whether a sink lies outside the log, so that the plan must be persisted before it runs.
    #[must_use]
    pub fn has_outside_sink(&self) -> bool {
        self.sinks.iter().any(|sink| matches!(sink.output, SinkOutput::Files(_)))
    }

    /// By reducer: the windows that its state is cut into; running totals are not there.
    #[must_use]
    pub fn windows(&self) -> BTreeMap<String, String> {
        let reducers = self.reducers.iter();
        reducers.filter_map(|node| Some((node.name.clone(), node.window_text()?))).collect()
    }

    /// How many operators there are, with state and without.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.operators.len() + self.reducers.len()
    }

    /// Every operator's name and plugin.
    pub fn plugins(&self) -> impl Iterator<Item = (&str, &Arc<Operator>)> {
        let stateless = self.operators.iter().map(|node| (node.name.as_str(), &node.operator));
        stateless.chain(self.reducers.iter().map(|node| (node.name.as_str(), &node.operator)))
    }

    /// The operator of that name.
    #[must_use]
    pub fn operator(&self, name: &str) -> Option<&Arc<Operator>> {
        self.plugins().find(|(of, _)| *of == name).map(|(_, operator)| operator)
    }

    /// What the operator of that name is compared with.
    #[must_use]
    pub fn canary(&self, name: &str) -> Option<&Arc<Canary>> {
        self.canaries().find(|(of, _)| *of == name).map(|(_, canary)| canary)
    }

    /// Every operator that is compared with another version.
    pub fn canaries(&self) -> impl Iterator<Item = (&str, &Arc<Canary>)> {
        let stateless = self.operators.iter().map(|node| (&node.name, &node.canary));
        let all = stateless.chain(self.reducers.iter().map(|node| (&node.name, &node.canary)));
        all.filter_map(|(name, canary)| Some((name.as_str(), canary.as_ref()?)))
    }
}
