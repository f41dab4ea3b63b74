//! Where in the file each part of a pipeline was written.

use std::ops::Range;

/// Bytes of the file.
pub(super) type Span = Range<usize>;

/// A part of a pipeline that a message can point at. Indexes are those of the lists of
/// [`PipelineSpec`](super::PipelineSpec).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The pipeline's name.
    Pipeline,
    /// The location of the checkpoints, or the pipeline's name where none is given.
    Checkpoints,
    /// The number of tasks, or the pipeline's name where none is given.
    Tasks,
    /// A source's name.
    Source(usize),
    /// What a source reads.
    SourceInput(usize),
    /// An operator's name.
    Operator(usize),
    /// The reference to an operator's plugin.
    Plugin(usize),
    /// An operator's parameter, by name; the operator's name where there is no such parameter.
    Param(usize, String),
    /// An operator's input.
    OperatorInput(usize, usize),
    /// An operator's grant.
    Grant(usize, usize),
    /// An operator's window, or its name where it has none.
    Window(usize),
    /// A sink's name.
    Sink(usize),
    /// A sink's input.
    SinkInput(usize, usize),
    /// What a sink writes.
    SinkOutput(usize),
}

/// The spans of everything in [`Place`].
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    pub name: Span,
    pub checkpoints: Option<Span>,
    pub tasks: Option<Span>,
    pub sources: Vec<NodePlaces>,
    pub operators: Vec<NodePlaces>,
    pub sinks: Vec<NodePlaces>,
}

/// The spans of one source, operator or sink.
#[derive(Debug, Clone, Default)]
pub(super) struct NodePlaces {
    pub name: Span,
    /// The plugin, or what a source reads or a sink writes.
    pub body: Span,
    pub inputs: Vec<Span>,
    pub params: Vec<(String, Span)>,
    pub grants: Vec<Span>,
    pub window: Option<Span>,
}

impl Places {
    /// The span of a place; a place that is not there falls back to the nearest that is.
    pub fn span(&self, place: &Place) -> Span {
        let found = match place {
            Place::Pipeline => None,
            Place::Checkpoints => self.checkpoints.clone(),
            Place::Tasks => self.tasks.clone(),
            Place::Source(at) => self.sources.get(*at).map(|node| node.name.clone()),
            Place::SourceInput(at) => self.sources.get(*at).map(|node| node.body.clone()),
            Place::Sink(at) => self.sinks.get(*at).map(|node| node.name.clone()),
            Place::SinkOutput(at) => self.sinks.get(*at).map(|node| node.body.clone()),
            Place::SinkInput(at, input) => self.sinks.get(*at).map(|node| node.input(*input)),
            Place::Operator(at) => self.operators.get(*at).map(|node| node.name.clone()),
            Place::Plugin(at) => self.operators.get(*at).map(|node| node.body.clone()),
            Place::Param(at, name) => self.operators.get(*at).map(|node| node.param(name)),
            Place::OperatorInput(at, input) => {
                self.operators.get(*at).map(|node| node.input(*input))
            }
            Place::Grant(at, grant) => self.operators.get(*at).map(|node| node.grant(*grant)),
            Place::Window(at) => self
                .operators
                .get(*at)
                .map(|node| node.window.clone().unwrap_or_else(|| node.name.clone())),
        };
        found.unwrap_or_else(|| self.name.clone())
    }
}

impl NodePlaces {
    fn input(&self, at: usize) -> Span {
        self.inputs.get(at).unwrap_or(&self.name).clone()
    }

    fn grant(&self, at: usize) -> Span {
        self.grants.get(at).unwrap_or(&self.name).clone()
    }

    fn param(&self, name: &str) -> Span {
        let found = self.params.iter().find(|(known, _)| known == name);
        found.map_or_else(|| self.name.clone(), |(_, span)| span.clone())
    }
}
