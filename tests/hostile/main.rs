//! Hostile plugins on the real binary. Whatever a plugin does, **the host stays up, another pipeline goes on, the
//! memory comes back, and the error names the cause**.
//!
//! Each kind is one row of [`kinds::all`]. Beside each, another pipeline takes a steady load; what it does of it, and how
//! long its batches take, is printed against what it does alone, and only that it goes on is asserted: a busy machine is
//! no plugin's fault.

#[path = "../integration/harness.rs"]
#[allow(dead_code, reason = "no suite uses all of it")]
mod harness;

/// Plugins written by hand, as the tests of the sandbox have them.
#[path = "../../host/plugin/tests/guests/mod.rs"]
mod guests;

mod kinds;
mod covert;
mod flood;
mod neighbour;

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use harness::{EVERY_20_MS, Host, Ran, eventually, pipeline};
use kinds::Meets;
use neighbour::Neighbour;

/// Memory that the host may have more at the end than after the first kind: allocators and caches keep some.
const GROWTH_BYTES_MAX: u64 = 256 << 20;

/// Pushes a component from a file of its own.
pub fn push(host: &Host, folder: &TempDir, component: &[u8]) -> Ran {
    fs::write(folder.path().join("plugin.wasm"), component).unwrap();
    push_again(host, folder)
}

/// Pushes what was pushed last.
fn push_again(host: &Host, folder: &TempDir) -> Ran {
    host.run(&["plugin", "push", folder.path().join("plugin.wasm").to_str().unwrap()])
}

/// A pipeline `hostile` through plugin `guest` that keeps what it cannot take.
pub fn hostile_pipeline(more: &str) -> String {
    let text = pipeline("hostile", EVERY_20_MS, "in", "guest", "out");
    let operator = format!(
        "input = \"in\"\non_error = {{ dead_letter = \"dead\" }}\npoison_max = \"100%\"\n{more}\n\n[[sink]]"
    );
    text.replace("input = \"in\"\n\n[[sink]]", &operator)
}

const LIMITS: &str = "limits = { call = \"50ms\", memory = \"16MiB\", output_bytes = \"1MiB\" }";

/// A host with nothing in it but the topics.
fn fresh(host: &Host) {
    for topic in ["in", "out", "dead"] {
        // They may not be there yet.
        let _ = host.run(&["topic", "delete", topic]);
    }
    host.run(&["topic", "create", "in"]).ok();
}

#[test]
fn every_kind_is_named_and_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start();
    let neighbour = Neighbour::settle(&host);
    let kinds = kinds::all();
    assert!(kinds.len() >= 20, "{} kinds", kinds.len());
    let mut resident_at_first = None;
    for (number, kind) in kinds.iter().enumerate() {
        fresh(&host);
        let version = format!("1.0.{number}");
        let component = kind.component(&version);
        let pushed = push(&host, &folder, &component);
        let apply = || {
            let plugin = format!("plugin = \"guest@{version}\"");
            host.apply(&hostile_pipeline(LIMITS).replace("plugin = \"guest\"", &plugin))
        };
        let produces = || {
            host.run_with(&["produce", "in"], b"one\ntwo\n").ok();
        };
        let beside = match kind.meets {
            Meets::Push(texts) => {
                pushed.fails(1, texts);
                neighbour.beside(&host, || push_again(&host, &folder).fails(1, texts))
            }
            Meets::Apply(texts) => {
                pushed.ok();
                apply().fails(1, texts);
                neighbour.beside(&host, || apply().fails(1, texts))
            }
            Meets::Run(texts) => {
                pushed.ok();
                apply().ok();
                let beside = neighbour.beside(&host, produces);
                names_the_cause(&host, kind.name, texts);
                host.run(&["pipeline", "delete", "hostile"]).ok();
                beside
            }
            Meets::Nothing => {
                pushed.ok();
                apply().ok();
                let beside = neighbour.beside(&host, produces);
                eventually(&format!("{} has written", kind.name), || {
                    (host.values_if_any("out").len() >= 2).then_some(())
                });
                host.run(&["pipeline", "delete", "hostile"]).ok();
                beside
            }
        };
        let resident = resident_bytes(&host);
        let first = *resident_at_first.get_or_insert(resident);
        println!(
            "{:<28} neighbour: {:.2} of its records, batches {:.2} as long; host at {} MiB",
            kind.name,
            beside.records,
            beside.batch_time,
            resident >> 20
        );
        assert!(
            resident.saturating_sub(first) < GROWTH_BYTES_MAX,
            "{}: the host has grown from {first} to {resident} bytes",
            kind.name
        );
    }
}

/// The first record is a dead letter that says why, and the pipeline goes on.
fn names_the_cause(host: &Host, kind: &str, texts: &[&str]) {
    let letter = first_letter(host, kind);
    let text = |name: &str| letter[name].as_str().unwrap_or_default();
    let said = format!("{}: {}", text("kind"), text("reason"));
    for text in texts {
        assert!(said.contains(text), "{kind}: `{text}` is not in {said}");
    }
    assert_eq!(letter["source"]["offset"], 0, "{kind}");
    assert_eq!(host.status("hostile")["state"], "running", "{kind}");
}

fn first_letter(host: &Host, kind: &str) -> Value {
    eventually(&format!("{kind} has dead letters"), || {
        let page = host.run(&["-o", "json", "pipeline", "dead-letters", "hostile"]).json();
        page["letters"].as_array()?.first().cloned()
    })
}

fn resident_bytes(host: &Host) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}
