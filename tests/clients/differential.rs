//! The same requests to a real Kafka 4.1.1 and to the host, the answers compared field by field.
//!
//! `differential/*.json` are the requests: every key in every version that both advertise, with mistakes
//! of many kinds. A program made of Kafka's own message classes (`java/wire`) sends them and decodes the answers.
//! `differential/accepted.toml` lists the fields that may differ, each with its reason.
//! **A difference that is not listed fails the test, and so does an entry that is not needed.**

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::install;
use crate::peer::Kafka;
use crate::server::{EVERYTHING, Server};

const SCRIPTS: [&str; 4] = ["cluster", "topics", "records", "groups"];
const LISTED_MAX: usize = 80;

/// A field that may differ.
#[derive(Debug)]
struct Accepted {
    step: String,
    field: String,
    /// Only where the host says nothing at all of it.
    is_missing_here: bool,
    /// Chance decides, so that it may not be needed.
    is_by_chance: bool,
}

/// A field in which an answer differs: what Kafka says, and what the host; `None` is nothing at all.
struct Difference {
    field: String,
    theirs: Option<String>,
    ours: Option<String>,
}

/// An answer, by its step and its run.
type Answers = BTreeMap<(String, u64), Value>;

/// Versions by the name of their key.
type Ranges = BTreeMap<String, (i64, i64)>;

#[test]
fn answers_are_those_of_kafka() {
    let Some(server) = Server::start(EVERYTHING) else { return };
    let Some(kafka) = Kafka::start() else { return };
    let both = common(&advertised(server.bootstrap()), &advertised(kafka.bootstrap()));
    let (theirs, ours) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| ask(kafka.bootstrap(), &both));
        let ours = ask(server.bootstrap(), &both);
        (theirs.join().unwrap(), ours)
    });
    assert_covered(&both, &ours);

    let accepted = accepted();
    let mut used = BTreeSet::new();
    let mut differences = BTreeMap::new();
    for ((step, run), theirs) in &theirs {
        let ours = ours.get(&(step.clone(), *run)).unwrap_or(&Value::Null);
        for difference in compare(theirs, ours) {
            let entry = accepted.iter().position(|entry| entry.covers(step, &difference));
            if let Some(entry) = entry {
                used.insert(entry);
            } else {
                let example = format!("{difference} (run {run})");
                differences.entry(format!("{step}: {}", difference.field)).or_insert(example);
            }
        }
    }
    let (answers, kinds) = (theirs.len(), used.len());
    install::tell(&format!(
        "differential: {answers} answers, {kinds} accepted kinds of difference"
    ));
    let listed: Vec<String> = differences
        .iter()
        .take(LISTED_MAX)
        .map(|(at, example)| format!("{at}: {example}"))
        .collect();
    assert!(listed.is_empty(), "{} differences:\n{}", differences.len(), listed.join("\n"));
    let unused: Vec<&Accepted> = (0..accepted.len())
        .filter(|entry| !used.contains(entry))
        .map(|entry| &accepted[entry])
        .filter(|entry| !entry.is_by_chance)
        .collect();
    assert!(unused.is_empty(), "entries of accepted.toml that nothing needs: {unused:#?}");
}

fn wire(args: &[&str]) -> String {
    let classpath = install::kafka_classpath().unwrap();
    let mut command = Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-cp", &classpath, "Wire"]).args(args);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn advertised(bootstrap: &str) -> Ranges {
    let ranges = wire(&[bootstrap]);
    let range = |text: &str| {
        let (name, versions) = text.split_once('=').unwrap();
        let (first, last) = versions.split_once('-').unwrap();
        (name.to_owned(), (first.parse().unwrap(), last.parse().unwrap()))
    };
    ranges.trim().split(',').map(range).collect()
}

/// What both say they speak.
fn common(ours: &Ranges, theirs: &Ranges) -> Ranges {
    let mut both = Ranges::new();
    for (name, ours) in ours {
        let theirs = theirs.get(name).unwrap_or_else(|| panic!("Kafka does not know {name}"));
        both.insert(name.clone(), (ours.0.max(theirs.0), ours.1.min(theirs.1)));
    }
    both
}

fn ask(bootstrap: &str, ranges: &Ranges) -> Answers {
    let ranges: Vec<String> =
        ranges.iter().map(|(name, (first, last))| format!("{name}={first}-{last}")).collect();
    let folder = install::sources().join("differential");
    let scripts =
        SCRIPTS.map(|name| folder.join(name).with_extension("json").display().to_string());
    let ranges = ranges.join(",");
    let lines =
        wire(&[&[bootstrap, &ranges][..], &scripts.each_ref().map(String::as_str)].concat());
    let answer = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        ((line["step"].as_str().unwrap().to_owned(), line["run"].as_u64().unwrap()), line)
    };
    lines.lines().map(answer).collect()
}

/// Asserts that every version of every key was asked for, and answered.
#[track_caller]
fn assert_covered(ranges: &Ranges, answers: &Answers) {
    let answered: BTreeSet<(&str, i64)> = answers
        .values()
        .filter(|line| line["response"].is_object())
        .map(|line| (line["api"].as_str().unwrap_or(""), line["version"].as_i64().unwrap_or(-1)))
        .collect();
    let missing: Vec<String> = ranges
        .iter()
        .flat_map(|(name, (first, last))| (*first..=*last).map(move |version| (&**name, version)))
        .filter(|wanted| !answered.contains(wanted))
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    assert!(missing.is_empty(), "no step asks for {}", missing.join(", "));
}

impl Accepted {
    fn covers(&self, step: &str, difference: &Difference) -> bool {
        let is_meant = !self.is_missing_here || difference.ours.is_none();
        is_meant && matches(&self.step, step) && matches(&self.field, &difference.field)
    }
}

fn accepted() -> Vec<Accepted> {
    let text =
        std::fs::read_to_string(install::sources().join("differential/accepted.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let entries = table["accepted"].as_array().unwrap().iter().map(|entry| {
        let text = |name: &str| entry[name].as_str().unwrap().to_owned();
        let is = |name: &str| entry.get(name).and_then(toml::Value::as_bool).unwrap_or(false);
        assert!(!text("reason").is_empty(), "an entry without a reason");
        Accepted {
            step: text("step"),
            field: text("field"),
            is_missing_here: is("missing_here"),
            is_by_chance: is("by_chance"),
        }
    });
    entries.collect()
}

/// Whether a text is like a pattern, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => {
            let Some(text) = text.strip_prefix(start) else { return false };
            (0..=text.len()).any(|at| text.is_char_boundary(at) && matches(rest, &text[at..]))
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, "Kafka {}, here {}", said(&self.theirs), said(&self.ours))
    }
}

/// The fields that differ, with both values.
fn compare(theirs: &Value, ours: &Value) -> Vec<Difference> {
    let (theirs, ours) = (leaves(theirs), leaves(ours));
    let fields: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    fields
        .into_iter()
        .filter(|field| theirs.get(*field) != ours.get(*field))
        .map(|field| Difference {
            field: field.clone(),
            theirs: theirs.get(field).cloned(),
            ours: ours.get(field).cloned(),
        })
        .collect()
}

/// All values by their paths. Things with a name stand under it, whatever their order; others under their index.
fn leaves(value: &Value) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    collect(String::new(), &value["response"], &mut leaves);
    leaves
}

const NAMES: [&str; 9] = [
    "name",
    "topic",
    "partitionIndex",
    "partition",
    "apiKey",
    "groupId",
    "nodeId",
    "index",
    "resourceName",
];

fn collect(path: String, value: &Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                collect(format!("{path}/{name}"), field, leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                let named = NAMES.iter().find_map(|name| item.get(name));
                let at = match named {
                    Some(Value::String(name)) => name.clone(),
                    Some(number) => number.to_string(),
                    None => index.to_string(),
                };
                let mut place = format!("{path}/{at}");
                if leaves.keys().any(|leaf| leaf.starts_with(&format!("{place}/"))) {
                    place.push_str(&format!("#{index}"));
                }
                collect(place, item, leaves);
            }
        }
        leaf => drop(leaves.insert(path, leaf.to_string())),
    }
}
