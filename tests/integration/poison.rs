//! Bad records on the real binary: dead letters from the list to the retry, skips, storms, limits.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::guests::marked;
use crate::harness::{EVERY_20_MS, Host, PATIENCE, eventually, now, pipeline, request, run};

/// Components in a folder, to be pushed.
struct Components(TempDir);

impl Components {
    fn new() -> Components {
        Components(tempfile::tempdir().unwrap())
    }

    fn push(&self, host: &Host, component: &[u8]) {
        let file = self.file(component);
        host.run(&["plugin", "push", file.to_str().unwrap()]).ok();
    }

    fn file(&self, component: &[u8]) -> PathBuf {
        let file = self.0.path().join("plugin.wasm");
        fs::write(&file, component).unwrap();
        file
    }
}

fn marked(name: &str, plugin: &str, more: &str) -> String {
    let text = pipeline(name, EVERY_20_MS, "in", plugin, "out");
    text.replace("input = \"in\"\n\n[[sink]]", &format!("input = \"in\"\n{more}\n\n[[sink]]"))
}

fn prepared() -> (Host, Components) {
    let (host, components) = (Host::start(), Components::new());
    components.push(&host, &marked::transform().build());
    host.run(&["topic", "create", "in"]).ok();
    (host, components)
}

const LINES: &[u8] = b"ok 1\nReject 2\nTrap 3\nLoop 4\nok 5\n";
const DEAD_LETTERS: &str = "on_error = { dead_letter = \"dead\" }\nlimits = { call = \"50ms\" }";

fn letters(host: &Host, more: &[&str]) -> Vec<Value> {
    let args = [&["-o", "json", "pipeline", "dead-letters", "p", "list"], more].concat();
    host.run(&args).json()["letters"].as_array().unwrap().clone()
}

#[track_caller]
fn wait_for_values(host: &Host, topic: &str, values: usize) {
    eventually(&format!("{values} values are in {topic}"), || {
        (host.values_if_any(topic).len() == values).then_some(())
    });
}

#[test]
fn dead_letters_are_listed_shown_exported_and_retried_once() {
    let (host, components) = prepared();
    host.apply(&marked("p", "marked@1.0.0", DEAD_LETTERS)).ok();
    host.run_with(&["produce", "in"], LINES).ok();
    wait_for_values(&host, "out", 2);
    assert_eq!(host.values("out"), ["ok 1", "ok 5"]);

    let table = host.run(&["pipeline", "dead-letters", "p"]).ok();
    for text in
        ["dead-0-0", "rejected", "trap", "timeout", "in-0@1", "in-0@3", "marked as rejected"]
    {
        assert!(table.contains(text), "{text} is not in\n{table}");
    }
    let one = |letters: Vec<Value>| {
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters[0].clone()
    };
    assert_eq!(one(letters(&host, &["--reason", "timeout"]))["value"], "Loop 4");
    assert_eq!(letters(&host, &["--operator", "other"]).len(), 0);
    let page = host.run(&["-o", "json", "pipeline", "dead-letters", "p", "list", "-n", "2"]).json();
    assert_eq!(page["letters"].as_array().unwrap().len(), 2);
    let next = page["next"].as_str().unwrap();
    assert_eq!(one(letters(&host, &["--after", next]))["attempt"], 1);

    let trap = one(letters(&host, &["--reason", "trap"]));
    assert_eq!(trap["source"]["offset"], 2);
    let shown =
        host.run(&["pipeline", "dead-letters", "p", "show", trap["id"].as_str().unwrap()]).ok();
    for text in [
        "operator: work (marked@1.0.0, sha256:",
        "source: in-0@2",
        "unreachable",
        "backtrace:",
        "value: Trap 3",
    ] {
        assert!(shown.contains(text), "{text} is not in\n{shown}");
    }
    let id = trap["id"].as_str().unwrap();
    assert_eq!(
        host.run(&["pipeline", "dead-letters", "p", "show", id.trim_start_matches("dead-")]).ok(),
        shown
    );
    let file = components.0.path().join("letters.ndjson");
    host.run(&["pipeline", "dead-letters", "p", "export", "--file", file.to_str().unwrap()]).ok();
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3);
    assert_eq!(host.run(&["pipeline", "dead-letters", "p", "export"]).ok().lines().count(), 3);

    // A retry in vain makes another letter of the same record.
    let retried = host.run(&["-o", "json", "pipeline", "dead-letters", "p", "retry", id]).json();
    assert_eq!((retried["retried"].as_u64(), retried["before"].as_u64()), (Some(1), Some(0)));
    let again = eventually("it is a letter again", || {
        letters(&host, &["--reason", "trap"]).into_iter().find(|letter| letter["attempt"] == 2)
    });
    assert_eq!(
        (&again["source"]["offset"], &again["value"]),
        (&trap["source"]["offset"], &trap["value"])
    );

    // Mended, all of them go through: once, over a crash, and however often it is asked for.
    components.push(&host, &marked::mended().build());
    host.apply(&marked("p", "marked@1.0.1", DEAD_LETTERS)).ok();
    host.run(&["pipeline", "dead-letters", "p", "retry", "--all"]).ok();
    let data = host.kill_and_keep();
    let host = Host::start_on(data.path());
    let retried =
        host.run(&["-o", "json", "pipeline", "dead-letters", "p", "retry", "--all"]).json();
    assert_eq!(retried["retried"], 0);
    wait_for_values(&host, "out", 5);
    assert!(host.run(&["pipeline", "dead-letters", "p"]).ok().contains("no dead letters"));
    assert_eq!(letters(&host, &["--all"]).len(), 4);
    assert_eq!(host.status("p")["state"], "running");
}

#[test]
fn skipped_records_are_counted_everywhere() {
    let (host, _components) = prepared();
    host.apply(&marked("p", "marked", "on_error = \"skip\"\nlimits = { call = \"50ms\" }")).ok();
    host.run_with(&["produce", "in"], LINES).ok();
    wait_for_values(&host, "out", 2);
    let status = eventually("the batch is reported", || {
        let status = host.status("p");
        (status["batches"].as_u64()? > 0).then_some(status)
    });
    let operator = &status["operators"][0];
    let count =
        |name: &str| operator[name].as_u64().unwrap_or_else(|| panic!("{name} in {operator}"));
    assert_eq!((count("skipped"), count("rejected"), count("failed")), (3, 1, 2));
    assert_eq!(count("deadLettered"), 0);
    assert!(count("bisectCalls") >= 4 && count("failedCalls") >= 3, "{operator}");
    assert!(count("instancesStarted") >= 3 && count("memoryBytesHigh") >= 4 << 20, "{operator}");
    assert!(operator["timeMs"].as_f64().unwrap() > 50.0, "{operator}");
    assert!(operator["boundaryMs"].as_f64().unwrap() > 0.0, "{operator}");
    assert!(host.run(&["pipeline", "status", "p"]).ok().contains("3 skipped"));
    let (_, metrics) = request(&host, "GET", "/metrics", "", "");
    for line in [
        "tidemill_plugin_skipped_records_total{pipeline=\"p\",operator=\"work\",digest=\"sha256:",
        "tidemill_plugin_rejected_records_total{pipeline=\"p\"",
        "tidemill_plugin_memory_high_bytes{pipeline=\"p\"",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    // A batch's progress has what that batch did, not the sum.
    host.run_with(&["produce", "in"], b"ok 6\n").ok();
    wait_for_values(&host, "out", 3);
    let reported = status["batches"].as_u64().unwrap();
    let last = eventually("the next batch is reported", || {
        let status = host.status("p");
        (status["batches"].as_u64()? > reported).then(|| status["lastProgress"].clone())
    });
    assert_eq!(last["operators"][0]["skipped"], 0, "{last}");
    host.run(&["pipeline", "dead-letters", "p"]).fails(1, &["writes dead letters", "on_error"]);
}

#[test]
fn the_first_bad_record_stops_a_pipeline_that_says_nothing_of_them() {
    let (host, _components) = prepared();
    host.apply(&marked("p", "marked", "")).ok();
    host.run_with(&["produce", "in"], b"ok\nTrap\n").ok();
    let reason = host.wait_for_state("p", "failed")["reason"].as_str().unwrap().to_owned();
    for text in ["operator `work`", "unreachable", "on_error", "dead-letter"] {
        assert!(reason.contains(text), "{text} is not in: {reason}");
    }
}

#[test]
fn a_storm_stops_the_pipeline_and_not_the_host() {
    let (host, _components) = prepared();
    host.apply(&marked("p", "marked", "on_error = \"skip\"\npoison_max = \"20%\"")).ok();
    let started = now();
    host.run_with(&["produce", "in"], "Trap\nok\n".repeat(5_000).as_bytes()).ok();
    let reason = host.wait_for_state("p", "failed")["reason"].as_str().unwrap().to_owned();
    for text in ["operator `work` was stopped", "bad records", "unreachable", "poison_max"] {
        assert!(reason.contains(text), "{text} is not in: {reason}");
    }
    assert!(started.elapsed() < PATIENCE);
    assert!(host.values_if_any("out").len() < 5_000);
    host.apply(&pipeline("other", EVERY_20_MS, "in", "upper-case", "shouted")).ok();
    wait_for_values(&host, "shouted", 10_000);
}

#[test]
fn what_is_wrong_in_the_file_is_told_with_its_line() {
    let (host, _components) = prepared();
    for (more, texts) in [
        ("on_error = \"skp\"", vec!["skp", "did you mean `skip`?"]),
        ("on_error = { dead_leter = \"x\" }", vec!["dead_leter", "dead_letter"]),
        ("on_error = { dead_letter = \"in\" }", vec!["already", "a topic of their own"]),
        ("on_error = { dead_letter = \"__x\" }", vec!["internal topic"]),
        ("on_error = 3", vec!["line"]),
        ("poison_max = \"5%\"", vec!["first bad record"]),
        ("on_error = \"skip\"\npoison_max = \"500%\"", vec!["500%", "100%"]),
        ("limits = { instances = 0 }", vec!["`0` is out of bounds", "from 1 to 512"]),
        ("limits = { log_lines_per_second = 1000000 }", vec!["from 0 to 10000"]),
        ("limits = { memory = \"3GiB\" }", vec!["memory", "3221225472"]),
    ] {
        host.apply(&marked("p", "marked", more)).fails(1, &texts);
    }
    for args in [
        &["pipeline", "dead-letters", "none"][..],
        &["pipeline", "dead-letters", "none", "show", "0-0"],
        &["pipeline", "dead-letters", "none", "retry", "--all"],
    ] {
        host.run(args).fails(1, &["there is no pipeline `none`"]);
    }
    host.apply(&marked("p", "marked", DEAD_LETTERS)).ok();
    let dead_letters =
        |rest: &[&str]| host.run(&[&["pipeline", "dead-letters", "p"], rest].concat());
    dead_letters(&["show", "0-99"]).fails(1, &["has no dead letter `dead-0-99`", "list --all"]);
    dead_letters(&["show", "yesterday"])
        .fails(1, &["is no dead letter's id", "TOPIC-PARTITION-OFFSET"]);
    dead_letters(&["retry"]).fails(2, &["required arguments"]);
    dead_letters(&["retry", "0-1", "--all"]).fails(2, &["cannot be used with"]);
}

#[test]
fn a_plugin_says_what_it_needs() {
    let components = Components::new();
    let text = run(&[
        "plugin",
        "inspect",
        components.file(&marked::transform().build()).to_str().unwrap(),
    ])
    .ok();
    for part in
        ["marked@1.0.0 (transform)", "digest: sha256:", "compiled in", "grants needed: none"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}
