//! From a pipeline file to a [`Graph`]: plugins found, configured and checked against their
//! places, topics found or made.
//! **Everything is checked before anything starts**; an error points into the file.

use std::sync::{Arc, OnceLock};

use tidemill_plugin::World;

use super::plugins::{Loaded, PluginSource, load_plugins};
use super::wiring::{Places, Port};
use super::{Graph, Kind, Reducer, Sink, Source, Spread, Stateless, Target, WindowClock};
use crate::batch::poison::{Poison, Policy};
use crate::batch::window::Windowing;
use crate::broker::{Broker, BrokerError};
use crate::dead_letters;
use crate::spec::{
    OnError, OperatorSpec, PipelineSpec, Place, SinkOutput, SourceInput, SpecError, Start,
    WindowTime,
};
use crate::upgrade::Versions;

/// Key groups of a pipeline: a multiple of the source's partitions, at least this.
const KEY_GROUPS_MIN: u32 = 128;

/// A pipeline that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The pipeline file is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The log did not answer.
    #[error("look up the topics of the pipeline")]
    Broker(#[from] BrokerError),
}

/// Compiles `spec`. `versions` says which plugins are taken instead of what the file's references mean
/// today: those of the checkpoint. Operators of `running`, what the pipeline ran before, are taken over where they
/// stay what they are, and checked against their successors where they do not.
///
/// # Errors
/// See [`CompileError`]; nothing was changed but for topics of sinks, which may have been created.
pub async fn compile(
    spec: &Arc<PipelineSpec>,
    versions: &Versions,
    running: Option<&Arc<Graph>>,
    plugins: &Arc<dyn PluginSource>,
    broker: &dyn Broker,
) -> Result<Graph, CompileError> {
    let loaded = load_plugins(spec, versions, running, plugins).await?;
    let places = Places::of(spec, &loaded)?;
    let mut sources = sources(spec, &places, broker).await?;
    let partitions = sources.iter().map(|source| source.partitions).max().unwrap_or(1);
    let tasks = spec.tasks.unwrap_or(partitions).max(1);
    sources.extend(retries(spec, &places, broker).await?);
    let sinks = sinks(spec, partitions, broker).await?;
    let key_groups = KEY_GROUPS_MIN.div_ceil(partitions) * partitions;
    Ok(assemble(spec, loaded, &places, sources, sinks, Spread { tasks, key_groups }))
}

impl Graph {
    /// The same pipeline with other versions of its plugins. Operators that do not change are shared with
    /// this graph, with their instances, metrics and costs; topics are as they were when it was compiled.
    ///
    /// # Errors
    /// A plugin that cannot be had, does not fit its place or refuses its parameters.
    pub async fn with_versions(
        self: &Arc<Self>,
        spec: &Arc<PipelineSpec>,
        versions: &Versions,
        plugins: &Arc<dyn PluginSource>,
    ) -> Result<Self, SpecError> {
        let loaded = load_plugins(spec, versions, Some(self), plugins).await?;
        let places = Places::of(spec, &loaded)?;
        let (sources, sinks) = (self.sources.clone(), self.sinks.clone());
        Ok(assemble(spec, loaded, &places, sources, sinks, self.spread()))
    }
}

fn assemble(
    spec: &PipelineSpec,
    loaded: Vec<Loaded>,
    places: &Places,
    sources: Vec<Source>,
    sinks: Vec<Sink>,
    spread_default: Spread,
) -> Graph {
    let mut operators = Vec::new();
    let mut reducers: Vec<Option<Reducer>> = Vec::new();
    reducers.resize_with(places.reducers, || None);
    for (index, (node, loaded)) in spec.operators.iter().zip(loaded).enumerate() {
        let poison = poison(node, &sinks);
        match places.operators[index] {
            Target::Reducer(place) => {
                reducers[place] = Some(reducer(spec, index, node, loaded, places, poison));
            }
            _ => operators.push(stateless(spec, index, node, loaded, places, poison)),
        }
    }
    let mut graph = Graph {
        sources,
        operators,
        reducers: reducers.into_iter().flatten().collect(),
        sinks,
        spread: OnceLock::new(),
        spread_default,
    };
    mark_timestamps(&mut graph);
    graph
}

async fn sources(
    spec: &PipelineSpec,
    places: &Places,
    broker: &dyn Broker,
) -> Result<Vec<Source>, CompileError> {
    let mut sources = Vec::new();
    for (index, source) in spec.sources.iter().enumerate() {
        let (topic, partitions) = match &source.input {
            SourceInput::Topic(topic) => {
                let partitions = broker.partitions(topic).await?.ok_or_else(|| {
                    let hint = format!("create it: tidemill topic create {topic}");
                    let message = format!("there is no topic `{topic}`");
                    SpecError::at(spec, &Place::SourceInput(index), message, Some(hint))
                })?;
                (topic.clone(), partitions)
            }
            SourceInput::Files(_) | SourceInput::Socket(_) => {
                let topic = crate::ingest::topic_name(&spec.name, &source.name);
                let partitions = broker.ensure_topic(&topic, 1).await?;
                (topic, partitions)
            }
        };
        if let Some(other) = sources.iter().find(|other: &&Source| *other.topic == *topic) {
            let message =
                format!("`{}` reads topic `{topic}`, and so does `{}`", source.name, other.name);
            let hint = format!("name `{}` as the input of both", other.name);
            return Err(SpecError::at(spec, &Place::SourceInput(index), message, Some(hint)).into());
        }
        sources.push(Source {
            name: source.name.clone(),
            topic: topic.into(),
            partitions,
            start: source.start,
            targets: places.targets(index, Port::Out(0)),
            retries: false,
        });
    }
    Ok(sources)
}

/// A source for each operator with dead letters, from which it takes those that are retried.
async fn retries(
    spec: &PipelineSpec,
    places: &Places,
    broker: &dyn Broker,
) -> Result<Vec<Source>, CompileError> {
    let mut sources = Vec::new();
    for (index, node) in spec.operators.iter().enumerate() {
        if let OnError::DeadLetter { .. } = node.on_error {
            let topic = dead_letters::retries_topic(spec.name.as_str(), &node.name);
            let partitions = broker.ensure_topic(&topic, 1).await?;
            sources.push(Source {
                // Names in the file have no points.
                name: format!("{}.retries", node.name),
                topic: topic.into(),
                partitions,
                start: Start::Earliest,
                targets: vec![places.operators[index]],
                retries: true,
            });
        }
    }
    Ok(sources)
}

fn poison(node: &OperatorSpec, sinks: &[Sink]) -> Poison {
    let policy = match &node.on_error {
        OnError::Fail => Policy::Fail,
        OnError::Skip => Policy::Skip,
        OnError::DeadLetter { topic } => {
            let of_topic = sinks.iter().position(|sink| sink.dead_letters && sink.name == *topic);
            // There is a sink for every topic of dead letters.
            Policy::DeadLetter(of_topic.unwrap_or(sinks.len()))
        }
    };
    Poison { policy, share_max: node.poison_max }
}

async fn sinks(
    spec: &PipelineSpec,
    default: u32,
    broker: &dyn Broker,
) -> Result<Vec<Sink>, CompileError> {
    let mut sinks = Vec::new();
    for sink in &spec.sinks {
        let partitions = match &sink.output {
            SinkOutput::Topic { name, partitions } => {
                broker.ensure_topic(name, partitions.unwrap_or(default)).await?
            }
            SinkOutput::Print | SinkOutput::Files(_) => 0,
        };
        sinks.push(Sink {
            name: sink.name.clone(),
            output: sink.output.clone(),
            partitions,
            dead_letters: false,
        });
    }
    for topic in dead_letters::topics_of(spec) {
        let partitions = broker.ensure_topic(&topic, default).await?;
        let output = SinkOutput::Topic { name: topic.clone(), partitions: None };
        sinks.push(Sink { name: topic, output, partitions, dead_letters: true });
    }
    Ok(sinks)
}

fn stateless(
    spec: &PipelineSpec,
    index: usize,
    node: &OperatorSpec,
    loaded: Loaded,
    places: &Places,
    poison: Poison,
) -> Stateless {
    let Loaded { plugin, operator, canary } = loaded;
    let number = spec.sources.len() + index;
    let ports = plugin.description().ports.len().max(1);
    Stateless {
        name: node.name.clone(),
        kind: if plugin.world() == World::Filter { Kind::Filter } else { Kind::Transform },
        operator,
        canary,
        ports: (0..ports).map(|port| places.targets(number, Port::Out(port))).collect(),
        timestamps: true,
        poison,
    }
}

fn reducer(
    spec: &PipelineSpec,
    index: usize,
    node: &OperatorSpec,
    loaded: Loaded,
    places: &Places,
    poison: Poison,
) -> Reducer {
    let Loaded { plugin, operator, canary } = loaded;
    let number = spec.sources.len() + index;
    let window = node.window.map(|window| {
        let clock = match window.time {
            WindowTime::Event => WindowClock::Event { delay_ms: window.delay_ms },
            WindowTime::Processing => WindowClock::Processing,
        };
        (Windowing::new(window.size_ms, window.slide_ms), clock)
    });
    Reducer {
        name: node.name.clone(),
        operator,
        canary,
        state_version: plugin.description().state_version,
        window,
        targets: places.targets(number, Port::Out(0)),
        late: places.targets(number, Port::Late),
        poison,
    }
}

/// An operator's timestamps matter where a sink, another operator, an event-time window, or a
/// reducer that reads them or keeps dead letters stands behind it.
fn mark_timestamps(graph: &mut Graph) {
    let Graph { operators, reducers, .. } = graph;
    for node in operators {
        node.timestamps = node.ports.iter().flatten().any(|target| match target {
            Target::Operator(_) | Target::Sink(_) => true,
            Target::Reducer(index) => {
                let reducer = &reducers[*index];
                reducer.window.is_some()
                    || matches!(reducer.poison.policy, Policy::DeadLetter(_))
                    || reducer.operator.plugin().description().reads.timestamps
            }
        });
    }
}
