//! The graph as a whole: names, inputs, cycles, and what leads to a sink.
//! **A graph that passes has no cycle and no node whose work is thrown away.**

use std::collections::{BTreeMap, BTreeSet, HashMap};

use toml::Spanned;

use super::check::split_input;
use super::place::Span;
use super::problems::Problems;
use super::raw::{OneOrMore, RawOnError, RawPipeline, RawSink};
use super::value::{self, Wrong, nearest_hint};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Source,
    Operator,
    Sink,
}

struct Node<'r> {
    kind: Kind,
    name: &'r Spanned<String>,
    inputs: &'r [Spanned<String>],
}

/// Notes everything that is wrong with the graph.
pub(super) fn check(raw: &RawPipeline, problems: &mut Problems) {
    let nodes = nodes(raw);
    let index = names(&nodes, problems);
    presence(raw, problems);
    topics(raw, problems);
    let feeds = inputs(&nodes, &index, problems);
    if !problems.is_empty() {
        // Over missing inputs, cycles and dead ends would be guesses.
        return;
    }
    match cycle(&feeds) {
        Some(path) => {
            let names: Vec<&str> =
                path.iter().map(|&at| nodes[at].name.get_ref().as_str()).collect();
            let message = format!("the inputs go round in a circle: {}", names.join(" → "));
            let span = path.first().map_or(0..0, |&at| nodes[at].name.span());
            let hint = "records flow one way; write to a topic and read it in another pipeline";
            problems.add(span, Wrong::new(message, hint));
        }
        None => dead_ends(&nodes, &feeds, problems),
    }
}

fn nodes(raw: &RawPipeline) -> Vec<Node<'_>> {
    fn inputs(inputs: &OneOrMore) -> &[Spanned<String>] {
        &inputs.0
    }
    let sources = raw.sources.iter();
    let sources = sources.map(|node| Node { kind: Kind::Source, name: &node.name, inputs: &[] });
    let operators = raw.operators.iter().map(|node| Node {
        kind: Kind::Operator,
        name: &node.name,
        inputs: inputs(&node.input),
    });
    let sinks = raw.sinks.iter().map(|node| Node {
        kind: Kind::Sink,
        name: &node.name,
        inputs: inputs(&node.input),
    });
    sources.chain(operators).chain(sinks).collect()
}

/// Every node by its name; the first one where two share it.
fn names<'r>(nodes: &[Node<'r>], problems: &mut Problems) -> BTreeMap<&'r str, usize> {
    let mut index = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        let name = node.name.get_ref().as_str();
        problems.take(node.name.span(), value::name(name));
        if index.contains_key(name) {
            let hint = "sources, operators and sinks of a pipeline share one set of names";
            let wrong = Wrong::new(format!("the name `{name}` is taken"), hint);
            problems.add(node.name.span(), wrong);
        } else {
            index.insert(name, at);
        }
    }
    index
}

fn presence(raw: &RawPipeline, problems: &mut Problems) {
    if raw.sources.is_empty() {
        let wrong = Wrong::new("the pipeline has no source", "add [[source]] with a topic to read");
        problems.add(raw.name.span(), wrong);
    }
    if raw.sinks.is_empty() {
        let hint = "add [[sink]] with print = true to see the records";
        problems.add(raw.name.span(), Wrong::new("the pipeline has no sink", hint));
    }
}

/// Positions are kept by topic, so that a topic has one reader; and none is read and written.
fn topics(raw: &RawPipeline, problems: &mut Problems) {
    let mut readers = HashMap::new();
    for source in &raw.sources {
        let Some(topic) = &source.topic else { continue };
        let reader = source.name.get_ref();
        if let Some(first) = readers.insert(topic.get_ref(), reader) {
            let message = format!("`{first}` reads the topic `{}` already", topic.get_ref());
            let hint = format!("use input = \"{first}\" in both places");
            problems.add(topic.span(), Wrong::new(message, hint));
        }
    }
    for on_error in raw.operators.iter().filter_map(|node| node.on_error.as_ref()) {
        let RawOnError::DeadLetter { topic } = on_error.get_ref() else { continue };
        let written = |sink: &RawSink| sink.topic.as_ref().is_some_and(|to| to.get_ref() == topic);
        if readers.contains_key(topic) || raw.sinks.iter().any(written) {
            let message = format!("the pipeline reads or writes the topic `{topic}` already");
            let hint = "give dead letters a topic of their own";
            problems.add(on_error.span(), Wrong::new(message, hint));
        }
    }
    for topic in raw.sinks.iter().filter_map(|sink| sink.topic.as_ref()) {
        if let Some(reader) = readers.get(topic.get_ref()) {
            let message = format!("`{reader}` reads the topic that this sink writes");
            let hint = "each batch would feed the next for ever; write another topic";
            problems.add(topic.span(), Wrong::new(message, hint));
        }
    }
}

/// For each node, those that feed it.
fn inputs(
    nodes: &[Node],
    index: &BTreeMap<&str, usize>,
    problems: &mut Problems,
) -> Vec<Vec<usize>> {
    let mut feeds = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        if node.inputs.is_empty() && node.kind != Kind::Source {
            let wrong = Wrong::new("the list of inputs is empty", "name a source or an operator");
            problems.add(node.name.span(), wrong);
        }
        let mut seen = BTreeSet::new();
        for input in node.inputs {
            if !seen.insert(input.get_ref()) {
                let message = format!("the input `{}` is there twice", input.get_ref());
                let wrong = Wrong::new(message, "each record would count twice; leave one out");
                problems.add(input.span(), wrong);
            }
            let found = resolve(input.get_ref(), nodes, index);
            feeds[at].extend(problems.take(input.span(), found));
        }
    }
    feeds
}

fn resolve(input: &str, nodes: &[Node], index: &BTreeMap<&str, usize>) -> Result<usize, Wrong> {
    let wanted = split_input(input);
    let Some(&at) = index.get(wanted.node.as_str()) else {
        let outputs = index.iter().filter(|(_, at)| nodes[**at].kind != Kind::Sink);
        let outputs: Vec<&str> = outputs.map(|(name, _)| *name).collect();
        let hint = nearest_hint(&wanted.node, outputs.iter().copied())
            .unwrap_or_else(|| format!("there are: `{}`", outputs.join("`, `")));
        let message = format!("there is no source or operator `{}`", wanted.node);
        return Err(Wrong::new(message, hint));
    };
    match (nodes[at].kind, wanted.port) {
        (Kind::Sink, _) => {
            let message = format!("`{}` is a sink, and gives nothing back", wanted.node);
            Err(Wrong::new(message, "name the operator that feeds the sink"))
        }
        (Kind::Source, Some(port)) => Err(Wrong::new(
            format!("the source `{}` has no output `{port}`", wanted.node),
            format!("write `{}`: only operators have named outputs", wanted.node),
        )),
        (Kind::Operator, Some(port)) if value::name(&port).is_err() => {
            let message = format!("`{port}` is not the name of an output");
            Err(Wrong::new(message, "write `operator.output`"))
        }
        _ => Ok(at),
    }
}

/// The nodes of a cycle, in the order in which records would flow, the first one again at the end.
fn cycle(feeds: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut left: BTreeSet<usize> = (0..feeds.len()).collect();
    // What has no input left is not on a cycle, and neither is, then, what it alone feeds.
    loop {
        let free: Vec<usize> = left
            .iter()
            .copied()
            .filter(|&at| !feeds[at].iter().any(|from| left.contains(from)))
            .collect();
        if free.is_empty() {
            break;
        }
        left.retain(|at| free.binary_search(at).is_err());
    }
    // Every node that is left has an input that is left: going back over inputs must come round.
    let mut path = vec![*left.first()?];
    loop {
        let last = *path.last()?;
        let before = *feeds[last].iter().find(|from| left.contains(from))?;
        if let Some(seen) = path.iter().position(|&at| at == before) {
            let mut round = path.split_off(seen);
            round.push(before);
            round.reverse();
            return Some(round);
        }
        path.push(before);
    }
}

/// Sources and operators whose records nobody writes anywhere.
fn dead_ends(nodes: &[Node], feeds: &[Vec<usize>], problems: &mut Problems) {
    let sinks = (0..nodes.len()).filter(|&at| nodes[at].kind == Kind::Sink);
    let mut ahead: Vec<usize> = sinks.collect();
    let mut used: BTreeSet<usize> = ahead.iter().copied().collect();
    while let Some(at) = ahead.pop() {
        ahead.extend(feeds[at].iter().copied().filter(|&from| used.insert(from)));
    }
    for (at, node) in nodes.iter().enumerate().filter(|(at, _)| !used.contains(at)) {
        let name = node.name.get_ref();
        let span: Span = node.name.span();
        let fed = feeds.iter().position(|from| from.contains(&at));
        let message = match fed {
            Some(next) => format!("`{name}` feeds `{}`, but no sink", nodes[next].name.get_ref()),
            None => format!("nothing reads `{name}`"),
        };
        let hint = format!("add [[sink]] with input = \"{name}\", or leave it out");
        problems.add(span, Wrong::new(message, hint));
    }
}
