//! From a pipeline file to a [`Graph`]: plugins found, configured and checked against their
//! places, topics found or made.
//! **Everything is checked before anything starts**; an error points into the file.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use tidemill_plugin::{
    ConfigureError, Grants, Limits, Operator, Plugin, SettingValue, Settings, SettingsError, World,
};

use crate::batch::window::Windowing;
use crate::broker::{Broker, BrokerError};
use crate::spec::{
    Input, OperatorSpec, ParamValue, PipelineSpec, Place, SinkOutput, SourceInput, SpecError,
    WindowTime,
};

use super::{Graph, Kind, Reducer, Sink, Source, Spread, Stateless, Target, WindowClock};

/// Key groups of a pipeline: a multiple of the source's partitions, at least this.
const KEY_GROUPS_MIN: u32 = 128;

/// Where plugins come from.
pub trait PluginSource: Send + Sync + 'static {
    /// Finds, validates and compiles the plugin that `reference` names (`name`, `name@version`
    /// or `sha256:…`).
    ///
    /// # Errors
    /// There is none, or it must not run.
    fn load(&self, reference: &str, grants: &Grants) -> Result<Arc<Plugin>, PluginSourceError>;
}

/// A plugin that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PluginSourceError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

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

/// Compiles `spec`. `pins` names plugins by operator that are taken instead of what the file's
/// reference means today: those of the checkpoint.
///
/// # Errors
/// See [`CompileError`]; nothing was changed but for topics of sinks, which may have been created.
pub async fn compile(
    spec: &Arc<PipelineSpec>,
    pins: &BTreeMap<String, String>,
    plugins: &Arc<dyn PluginSource>,
    broker: &dyn Broker,
) -> Result<Graph, CompileError> {
    let loaded = load_plugins(spec, pins, plugins).await?;
    let places = Places::of(spec, &loaded)?;
    let sources = sources(spec, &places, broker).await?;
    let partitions = sources.iter().map(|source| source.partitions).max().unwrap_or(1);
    let tasks = spec.tasks.unwrap_or(partitions).max(1);
    let sinks = sinks(spec, partitions, broker).await?;
    let mut operators = Vec::new();
    let mut reducers: Vec<Option<Reducer>> = Vec::new();
    reducers.resize_with(places.reducers, || None);
    for (index, (node, Loaded { plugin, operator })) in
        spec.operators.iter().zip(loaded).enumerate()
    {
        match places.operators[index] {
            Target::Reducer(place) => {
                reducers[place] = Some(reducer(spec, index, node, &plugin, operator, &places))
            }
            _ => operators.push(stateless(spec, node, &plugin, operator, &places)),
        }
    }
    let key_groups = KEY_GROUPS_MIN.div_ceil(partitions) * partitions;
    let mut graph = Graph {
        sources,
        operators,
        reducers: reducers.into_iter().flatten().collect(),
        sinks,
        spread: OnceLock::new(),
        spread_default: Spread { tasks, key_groups },
    };
    mark_timestamps(&mut graph);
    Ok(graph)
}

/// An operator's plugin, and the operator that it was configured as.
struct Loaded {
    plugin: Arc<Plugin>,
    operator: Operator,
}

/// Compiling a plugin may take seconds: it must not hold up the threads that batches run on.
async fn load_plugins(
    spec: &Arc<PipelineSpec>,
    pins: &BTreeMap<String, String>,
    plugins: &Arc<dyn PluginSource>,
) -> Result<Vec<Loaded>, SpecError> {
    let (spec, pins, plugins) = (Arc::clone(spec), pins.clone(), Arc::clone(plugins));
    let loading = tokio::task::spawn_blocking(move || {
        let all = spec.operators.iter().enumerate();
        all.map(|(index, node)| load_plugin(&spec, index, node, &pins, &*plugins)).collect()
    });
    loading.await.unwrap_or_else(|lost| std::panic::resume_unwind(lost.into_panic()))
}

fn load_plugin(
    spec: &PipelineSpec,
    index: usize,
    node: &OperatorSpec,
    pins: &BTreeMap<String, String>,
    plugins: &dyn PluginSource,
) -> Result<Loaded, SpecError> {
    let grants = grants(spec, index, node)?;
    let reference = pins.get(&node.name).map_or(node.plugin.as_str(), String::as_str);
    let plugin = plugins
        .load(reference, &grants)
        .map_err(|error| SpecError::at(spec, &Place::Plugin(index), error.message, error.hint))?;
    check_world(spec, index, node, &plugin)?;
    let operator = configure(spec, index, node, &plugin)?;
    Ok(Loaded { plugin, operator })
}

fn grants(spec: &PipelineSpec, index: usize, node: &OperatorSpec) -> Result<Grants, SpecError> {
    let mut grants = Grants::none();
    for (place, name) in node.grants.iter().enumerate() {
        match name.as_str() {
            "logging" => grants.logging = true,
            "metrics" => grants.metrics = true,
            unknown => {
                let hint = Some("grants are `logging` and `metrics`".to_owned());
                return Err(SpecError::at(
                    spec,
                    &Place::Grant(index, place),
                    format!("there is no grant `{unknown}`"),
                    hint,
                ));
            }
        }
    }
    Ok(grants)
}

fn check_world(
    spec: &PipelineSpec,
    index: usize,
    node: &OperatorSpec,
    plugin: &Plugin,
) -> Result<(), SpecError> {
    let refuse = |place, message: String, hint: &str| {
        Err(SpecError::at(spec, &place, message, Some(hint.to_owned())))
    };
    match plugin.world() {
        World::Transform | World::Filter if node.window.is_some() => refuse(
            Place::Window(index),
            format!("`{}` is a {} and cannot have a window", node.plugin, plugin.world()),
            "put the window on a reducer, such as `count` or `stats`",
        ),
        World::Transform | World::Filter | World::Reducer => Ok(()),
        world => refuse(
            Place::Plugin(index),
            format!("`{}` is a {world}, which pipelines cannot run yet", node.plugin),
            "use a transform, a filter or a reducer",
        ),
    }
}

/// Which target each operator is, in the order of the file.
struct Places {
    operators: Vec<Target>,
    reducers: usize,
    /// All edges: from a source or operator and its port to a target.
    edges: Vec<(usize, Port, Target)>,
}

/// Nodes are numbered sources first, then operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Out(usize),
    Late,
}

impl Places {
    fn of(spec: &PipelineSpec, plugins: &[Loaded]) -> Result<Self, SpecError> {
        let is_reducer = |index: usize| plugins[index].plugin.world() == World::Reducer;
        let order = topological(spec);
        let mut operators = vec![Target::Operator(0); spec.operators.len()];
        let reducers: Vec<usize> = order.into_iter().filter(|index| is_reducer(*index)).collect();
        for (place, index) in reducers.iter().enumerate() {
            operators[*index] = Target::Reducer(place);
        }
        let stateless =
            (0..operators.len()).filter(|index| !is_reducer(*index)).collect::<Vec<_>>();
        for (place, index) in stateless.into_iter().enumerate() {
            operators[index] = Target::Operator(place);
        }
        let mut places = Self { operators, reducers: reducers.len(), edges: Vec::new() };
        for (index, node) in spec.operators.iter().enumerate() {
            for (input, from) in node.inputs.iter().enumerate() {
                let target = places.operators[index];
                places.connect(spec, plugins, from, target, Place::OperatorInput(index, input))?;
            }
        }
        for (index, node) in spec.sinks.iter().enumerate() {
            for (input, from) in node.inputs.iter().enumerate() {
                places.connect(
                    spec,
                    plugins,
                    from,
                    Target::Sink(index),
                    Place::SinkInput(index, input),
                )?;
            }
        }
        Ok(places)
    }

    fn connect(
        &mut self,
        spec: &PipelineSpec,
        plugins: &[Loaded],
        from: &Input,
        to: Target,
        place: Place,
    ) -> Result<(), SpecError> {
        if let Some(source) = spec.sources.iter().position(|source| source.name == from.node) {
            self.edges.push((source, Port::Out(0), to));
            return Ok(());
        }
        // The file was checked: every input exists.
        let Some(index) = spec.operators.iter().position(|node| node.name == from.node) else {
            return Ok(());
        };
        let port = port_of(spec, index, &plugins[index].plugin, from, place)?;
        self.edges.push((spec.sources.len() + index, port, to));
        Ok(())
    }

    fn targets(&self, node: usize, port: Port) -> Vec<Target> {
        let of_port = self.edges.iter().filter(|(from, at, _)| *from == node && *at == port);
        of_port.map(|(_, _, target)| *target).collect()
    }
}

fn port_of(
    spec: &PipelineSpec,
    index: usize,
    plugin: &Plugin,
    from: &Input,
    place: Place,
) -> Result<Port, SpecError> {
    let Some(wanted) = &from.port else { return Ok(Port::Out(0)) };
    if wanted == "late" && spec.operators[index].window.is_some() {
        return Ok(Port::Late);
    }
    let ports = &plugin.description().ports;
    if let Some(found) = ports.iter().position(|name| name == wanted) {
        return Ok(Port::Out(found));
    }
    if ports.is_empty() && wanted == "out" {
        return Ok(Port::Out(0));
    }
    let names = if ports.is_empty() { "out".to_owned() } else { ports.join("`, `") };
    let message = format!("`{}` has no output `{wanted}`", from.node);
    Err(SpecError::at(spec, &place, message, Some(format!("its outputs are `{names}`"))))
}

/// Operators so that each stands behind its inputs; of those that could come next, the first of the file.
fn topological(spec: &PipelineSpec) -> Vec<usize> {
    let mut placed: Vec<usize> = Vec::new();
    let index_of = |name: &str| spec.operators.iter().position(|node| node.name == name);
    while placed.len() < spec.operators.len() {
        let ready = (0..spec.operators.len()).find(|index| {
            let mut inputs =
                spec.operators[*index].inputs.iter().filter_map(|input| index_of(&input.node));
            !placed.contains(index) && inputs.all(|input| placed.contains(&input))
        });
        // The file was checked: there is no cycle.
        let Some(next) = ready else { break };
        placed.push(next);
    }
    placed
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
        });
    }
    Ok(sources)
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
        sinks.push(Sink { name: sink.name.clone(), output: sink.output.clone(), partitions });
    }
    Ok(sinks)
}

fn configure(
    spec: &PipelineSpec,
    index: usize,
    node: &OperatorSpec,
    plugin: &Arc<Plugin>,
) -> Result<Operator, SpecError> {
    let settings: Settings =
        node.params.iter().map(|(name, value)| (name.clone(), setting(value))).collect();
    let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let limits = Limits {
        memory_bytes_max: bytes(node.limits.memory),
        call_time_max: node.limits.call,
        output_bytes_max: bytes(node.limits.output_bytes),
        ..Limits::default()
    };
    plugin.operator(&node.name, &settings, limits).map_err(|error| {
        let hint = error.hint();
        let (place, message) = match &error {
            ConfigureError::Settings { cause, .. } => (place_of(index, cause), cause.to_string()),
            ConfigureError::Start { cause, .. } => {
                (Place::Operator(index), format!("{error}: {cause}"))
            }
            _ => (Place::Operator(index), error.to_string()),
        };
        SpecError::at(spec, &place, message, hint)
    })
}

fn place_of(index: usize, error: &SettingsError) -> Place {
    match error {
        SettingsError::Unknown { name, .. } | SettingsError::WrongKind { name, .. } => {
            Place::Param(index, name.clone())
        }
        _ => Place::Operator(index),
    }
}

fn setting(value: &ParamValue) -> SettingValue {
    match value {
        ParamValue::Text(text) => SettingValue::Text(text.clone()),
        ParamValue::Integer(number) => SettingValue::Integer(*number),
        ParamValue::Number(number) => SettingValue::Number(*number),
        ParamValue::Boolean(flag) => SettingValue::Boolean(*flag),
    }
}

fn stateless(
    spec: &PipelineSpec,
    node: &OperatorSpec,
    plugin: &Plugin,
    operator: Operator,
    places: &Places,
) -> Stateless {
    let number = node_number(spec, node);
    let ports = plugin.description().ports.len().max(1);
    Stateless {
        name: node.name.clone(),
        kind: if plugin.world() == World::Filter { Kind::Filter } else { Kind::Transform },
        operator,
        ports: (0..ports).map(|port| places.targets(number, Port::Out(port))).collect(),
        timestamps: true,
    }
}

fn reducer(
    spec: &PipelineSpec,
    index: usize,
    node: &OperatorSpec,
    plugin: &Plugin,
    operator: Operator,
    places: &Places,
) -> Reducer {
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
        state_version: plugin.description().state_version,
        window,
        targets: places.targets(number, Port::Out(0)),
        late: places.targets(number, Port::Late),
    }
}

fn node_number(spec: &PipelineSpec, node: &OperatorSpec) -> usize {
    let index = spec.operators.iter().position(|other| other.name == node.name);
    spec.sources.len() + index.unwrap_or_default()
}

/// An operator's timestamps matter where a sink, another operator, an event-time window or a
/// reducer that reads them stands behind it.
fn mark_timestamps(graph: &mut Graph) {
    let Graph { operators, reducers, .. } = graph;
    for node in operators {
        node.timestamps = node.ports.iter().flatten().any(|target| match target {
            Target::Operator(_) | Target::Sink(_) => true,
            Target::Reducer(index) => {
                let reducer = &reducers[*index];
                reducer.window.is_some() || reducer.operator.plugin().description().reads.timestamps
            }
        });
    }
}
