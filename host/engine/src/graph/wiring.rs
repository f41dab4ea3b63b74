//! The edges of a pipeline: from each node and its port to what comes next.

use tidemill_plugin::{Plugin, World};

use super::Target;
use super::plugins::Loaded;
use crate::spec::{Input, PipelineSpec, Place, SpecError};

/// Which target each operator is, in the order of the file.
pub(super) struct Places {
    pub operators: Vec<Target>,
    pub reducers: usize,
    /// All edges: from a source or operator and its port to a target.
    edges: Vec<(usize, Port, Target)>,
}

/// Nodes are numbered sources first, then operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Out(usize),
    Late,
}

impl Places {
    pub fn of(spec: &PipelineSpec, plugins: &[Loaded]) -> Result<Self, SpecError> {
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

    pub fn targets(&self, node: usize, port: Port) -> Vec<Target> {
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
