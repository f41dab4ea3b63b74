//! Other plugins for pipelines that run: upgrades, trials, rollbacks, replays, and crashes in the middle of them.
//!
//! The two versions of the plugin `change` are ready plugins under another name. What each makes of the line
//! `r000123` tells which one it was: `upper-case` the value `R000123`, `split-words` the key `r000123`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{AVAILABLE_NOW, EVERY_20_MS, Host, eventually, pipeline, word_count};

/// Pushes a ready plugin under the name `change`, with some bytes behind it that change nothing but its digest.
fn push_as(host: &Host, plugin: &str, version: &str, extra: &[u8]) {
    let file = host.data().join(format!("change-{version}.wasm"));
    let path = file.to_str().unwrap();
    host.run(&["plugin", "export", plugin, "--to", path]).ok();
    let mut component = std::fs::read(&file).unwrap();
    component.extend_from_slice(extra);
    std::fs::write(&file, component).unwrap();
    let pushed = host.run(&["plugin", "push", path, "--name", "change", "--version", version]).ok();
    assert!(pushed.contains(&format!("change@{version} is in the host")), "{pushed}");
}

/// An empty custom section called `x`.
const SAME_BUT_FOR_ITS_DIGEST: &[u8] = &[0, 2, 1, b'x'];

/// A host with `change@1.0.0` at work on the topic `in`.
fn start() -> Host {
    let host = Host::start();
    host.run(&["topic", "create", "in"]).ok();
    push_as(&host, "upper-case", "1.0.0", b"");
    push_as(&host, "split-words", "2.0.0", b"");
    host.apply(&pipeline("p", EVERY_20_MS, "in", "change@1", "out")).ok();
    host.wait_for_state("p", "running");
    host
}

fn produce(host: &Host, lines: std::ops::Range<usize>) {
    let lines: String = lines.map(|line| format!("r{line:06}\n")).collect();
    host.run_with(&["produce", "in"], lines.as_bytes()).ok();
}

/// Which version made the record of each line. Each line must be there once, and in order.
#[track_caller]
fn made_by(host: &Host) -> Vec<u8> {
    let version = |(line, record): (usize, &Value)| match (&record["key"], &record["value"]) {
        (Value::Null, Value::String(value)) if *value == format!("R{line:06}") => 1,
        (Value::String(key), _) if *key == format!("r{line:06}") => 2,
        _ => panic!("line {line} is missing, doubled or out of order: {record}"),
    };
    host.records("out").iter().enumerate().map(version).collect()
}

#[track_caller]
fn wait_for_lines(host: &Host, lines: usize) {
    eventually("all lines went through", || {
        (host.values_if_any("out").len() >= lines).then_some(())
    });
}

fn upgrade(host: &Host, more: &[&str]) -> crate::harness::Ran {
    let mut args = vec!["-o", "json", "pipeline", "upgrade", "p", "--operator", "work"];
    args.extend(more);
    host.run(&args)
}

#[test]
fn another_plugin_takes_over_between_two_batches() {
    let host = start();
    produce(&host, 0..100);
    wait_for_lines(&host, 100);
    let upgraded = upgrade(&host, &["--to", "change@2"]).json();
    assert_eq!(upgraded["plugin"], "change@2.0.0");
    produce(&host, 100..200);
    wait_for_lines(&host, 200);
    let back = host.run(&["-o", "json", "pipeline", "rollback", "p", "--operator", "work"]).json();
    assert_eq!(back["plugin"], "change@1.0.0");
    assert!(back["batch"].as_u64() > upgraded["batch"].as_u64());
    produce(&host, 200..300);
    wait_for_lines(&host, 300);
    assert_eq!(made_by(&host), [vec![1; 100], vec![2; 100], vec![1; 100]].concat());
    // The ledger knows both.
    let status = host.status("p");
    let digests: Vec<&str> = status["operators"]
        .as_array()
        .unwrap()
        .iter()
        .map(|operator| operator["digest"].as_str().unwrap())
        .collect();
    assert_eq!(digests.len(), 2, "{digests:?}");
}

#[test]
fn an_upgrade_survives_a_restart_and_a_new_file_ends_it() {
    let host = start();
    upgrade(&host, &["--to", "change@2"]).ok();
    let host = host.crash_and_restart();
    produce(&host, 0..10);
    wait_for_lines(&host, 10);
    host.apply(&pipeline("p", EVERY_20_MS, "in", "change@1", "out")).ok();
    produce(&host, 10..20);
    wait_for_lines(&host, 20);
    assert_eq!(made_by(&host), [vec![2; 10], vec![1; 10]].concat());
}

#[test]
fn what_does_not_fit_leaves_the_old_version_at_work() {
    let host = start();
    let refused: [(&[&str], &[&str]); 6] = [
        (&["--to", "change@3"], &["there is no plugin `change@3`", "change@2.0.0"]),
        (&["--to", "change@1"], &["runs that already"]),
        (&["--to", "count"], &["is a reducer, not a transform"]),
        (&["--to", "split-words", "--param", "lower_case=7"], &["lower_case", "boolean"]),
        (&["--to", "split-words", "--param", "lower_cas=true"], &["lower_cas", "lower_case"]),
        (&["--canary", "soon", "--to", "change@2"], &["100-batches"]),
    ];
    for (args, texts) in refused {
        let ran = upgrade(&host, args);
        assert_ne!(ran.code, 0, "{args:?}");
        for text in texts {
            assert!(ran.stderr.contains(text), "`{text}` is not in: {}", ran.stderr);
        }
    }
    let args = ["pipeline", "upgrade", "p", "--operator", "werk", "--to", "change@2"];
    host.run(&args).fails(1, &["the pipeline has no operator `werk`", "work"]);
    host.run(&["pipeline", "promote", "p", "--operator", "work"]).fails(1, &["is tried"]);
    host.run(&["pipeline", "rollback", "p", "--operator", "work"]).fails(1, &["nothing else"]);
    produce(&host, 0..10);
    wait_for_lines(&host, 10);
    assert_eq!(made_by(&host), [1; 10]);
}

#[test]
fn parameters_change_like_plugins() {
    let host = Host::start();
    host.run(&["topic", "create", "in"]).ok();
    host.apply(&pipeline("p", EVERY_20_MS, "in", "split-words", "out")).ok();
    host.run_with(&["produce", "in"], b"One Two\n").ok();
    let keys = || -> Vec<String> {
        let all = host.run(&["-o", "json", "consume", "out"]);
        let records = all.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        records.map(|record| record["key"].as_str().unwrap().to_owned()).collect()
    };
    eventually("the first line went through", || (keys().len() == 2).then_some(()));
    upgrade(&host, &["--param", "lower_case=true"]).ok();
    host.run_with(&["produce", "in"], b"Three\n").ok();
    eventually("the second line went through", || (keys().len() == 3).then_some(()));
    assert_eq!(keys(), ["One", "Two", "three"]);
}

#[test]
fn a_failed_pipeline_goes_on_with_the_version_that_mends_it() {
    let host = Host::start();
    host.run(&["topic", "create", "in"]).ok();
    host.apply(&pipeline("p", EVERY_20_MS, "in", "parse-access-log", "out")).ok();
    produce(&host, 0..5);
    host.wait_for_state("p", "failed");
    upgrade(&host, &["--to", "upper-case"]).ok();
    wait_for_lines(&host, 5);
    assert_eq!(made_by(&host), [1; 5]);
    assert_eq!(host.status("p")["state"], "running");
}

#[test]
fn a_version_that_differs_is_reported_and_never_seen() {
    let host = start();
    upgrade(&host, &["--to", "change@2", "--canary", "3-batches"]).ok();
    let host = &host;
    let canary = |what: &str, is: &dyn Fn(&Value) -> bool| {
        let mut lines = host.values_if_any("out").len();
        eventually(what, || {
            produce(host, lines..lines + 1);
            lines += 1;
            let canary = host.status("p")["canaries"][0].clone();
            is(&canary).then_some(canary)
        })
    };
    let ended = canary("the trial is over", &|canary| canary["ended"] == "done");
    assert!(ended["different"].as_u64() >= Some(1), "{ended}");
    assert_eq!(ended["different"], ended["records"], "{ended}");
    let sample = &ended["samples"][0];
    assert_eq!(sample["value"], "r000000");
    assert_eq!(sample["old"], json!({ "emitted": [{ "key": null, "value": "R000000" }] }));
    assert_eq!(sample["new"], json!({ "emitted": [{ "key": "r000000", "value": "" }] }));
    let shown = host.run(&["pipeline", "status", "p"]).ok();
    assert!(shown.contains("promote it or roll it back"), "{shown}");
    // A rollback ends it, and the next one ends itself at the first difference.
    host.run(&["pipeline", "rollback", "p", "--operator", "work"]).ok();
    assert!(host.status("p")["canaries"].is_null());
    let stop = ["--to", "change@2", "--canary", "1h", "--on-difference", "stop"];
    upgrade(host, &stop).ok();
    let stopped = canary("it stops", &|canary| canary["ended"] == "difference");
    assert!(stopped["different"].as_u64() >= Some(1), "{stopped}");
    let lines = host.values("out").len();
    assert_eq!(made_by(host), vec![1; lines], "only the old version's output is committed");
    // And a person may want it all the same.
    host.run(&["pipeline", "promote", "p", "--operator", "work"]).ok();
    eventually("the lag is gone", || (host.status("p")["lag"] == 0).then_some(()));
    let before = host.values("out").len();
    produce(host, before..before + 1);
    wait_for_lines(host, before + 1);
    assert_eq!(made_by(host).last(), Some(&2));
}

#[test]
fn a_version_that_does_the_same_takes_over_by_itself() {
    let host = start();
    push_as(&host, "upper-case", "1.1.0", SAME_BUT_FOR_ITS_DIGEST);
    upgrade(&host, &["--to", "change@1.1.0", "--canary", "2-batches"]).ok();
    // A trial outlives its host.
    let host = host.crash_and_restart();
    let mut lines = 0;
    eventually("it took over", || {
        produce(&host, lines..lines + 1);
        lines += 1;
        host.status("p")["canaries"].is_null().then_some(())
    });
    wait_for_lines(&host, lines);
    produce(&host, lines..lines + 1);
    wait_for_lines(&host, lines + 1);
    assert_eq!(made_by(&host), vec![1; lines + 1]);
    let list = host.run(&["-o", "json", "plugin", "list"]).json();
    let all = list["plugins"].as_array().unwrap();
    let digest = &all.iter().find(|plugin| plugin["version"] == "1.1.0").unwrap()["digest"];
    let status = host.status("p");
    let operators = status["operators"].as_array().unwrap();
    assert!(operators.iter().any(|operator| operator["digest"] == *digest), "{status}");
}

#[test]
fn a_reducer_is_tried_call_by_call() {
    let host = Host::start();
    host.run(&["topic", "create", "in"]).ok();
    host.apply(&word_count("words", EVERY_20_MS, "in", "totals")).ok();
    host.run_with(&["produce", "in"], b"to be or not to be\n").ok();
    eventually("it is counted", || (host.values_if_any("totals").len() >= 4).then_some(()));
    let args = ["-o", "json", "pipeline", "upgrade", "words", "--operator", "count"];
    let to = ["--to", "stats", "--canary", "1h"];
    host.run(&[&args[..], &to[..]].concat()).ok();
    host.run_with(&["produce", "in"], b"be\n").ok();
    let canary = eventually("both were called", || {
        let canary = host.status("words")["canaries"][0].clone();
        (canary["calls"].as_u64() > Some(0)).then_some(canary)
    });
    // The accumulators of `stats` are of another form: each of its calls differs or fails, and nothing is harmed.
    let wrong = canary["different"].as_u64().unwrap() + canary["failedCalls"].as_u64().unwrap();
    assert!(wrong > 0, "{canary}");
    eventually("the total is the old version's", || {
        (host.values("totals").last().map(String::as_str) == Some("3")).then_some(())
    });
}

#[test]
fn a_batch_runs_once_more_and_commits_nothing() {
    let host = Host::start();
    host.run(&["topic", "create", "in"]).ok();
    push_as(&host, "upper-case", "1.0.0", b"");
    push_as(&host, "split-words", "2.0.0", b"");
    produce(&host, 0..3);
    host.apply(&pipeline("p", AVAILABLE_NOW, "in", "change@1", "out")).ok();
    host.wait_for_state("p", "finished");
    let replay = |more: &[&str]| {
        host.run(&[&["-o", "json", "pipeline", "replay", "p", "--batch", "0"], more].concat())
    };
    let values = |replayed: &Value, part: &str| -> Vec<Value> {
        let shown = replayed["sinks"][0]["shown"].as_array().unwrap();
        shown.iter().map(|record| record[part].clone()).collect()
    };
    let same = replay(&[]).json();
    assert_eq!(values(&same, "value"), ["R000000", "R000001", "R000002"]);
    assert_eq!(
        (&same["records"], &same["plugins"]["work"]),
        (&json!(3), &json!("upper-case@0.1.0"))
    );
    let other = replay(&["--with", "change@2"]).json();
    assert_eq!(values(&other, "key"), ["r000000", "r000001", "r000002"]);
    assert_eq!(host.values("out").len(), 3, "nothing was committed");
    host.run(&["pipeline", "replay", "p", "--batch", "7"]).fails(1, &["batch 7", "0 to 0 are"]);
    host.run(&["pipeline", "replay", "p", "--batch", "0", "--with", "count"])
        .fails(1, &["reducer"]);
}

/// Totals of the batch itself come out of a replay, not those of today.
#[test]
fn a_replay_begins_with_the_state_of_its_time() {
    let host = Host::start();
    host.run(&["topic", "create", "in"]).ok();
    host.apply(&word_count("words", EVERY_20_MS, "in", "totals")).ok();
    for total in 1..=3 {
        host.run_with(&["produce", "in"], b"word\n").ok();
        eventually("it is counted", || (host.values_if_any("totals").len() >= total).then_some(()));
    }
    for batch in 0..3 {
        let replayed = host
            .run(&["-o", "json", "pipeline", "replay", "words", "--batch", &batch.to_string()])
            .json();
        let shown = &replayed["sinks"][0]["shown"];
        assert_eq!(shown[0]["value"], (batch + 1).to_string(), "{replayed}");
    }
    assert_eq!(host.values("totals"), ["1", "2", "3"]);
}

#[test]
fn a_plugin_in_use_keeps_its_name_and_a_checkpoint_keeps_its_component() {
    let host = start();
    push_as(&host, "upper-case", "1.1.0", SAME_BUT_FOR_ITS_DIGEST);
    host.run(&["plugin", "remove", "change@1.0.0"]).fails(1, &["in use by pipeline `p`"]);
    upgrade(&host, &["--to", "change@1.1.0"]).ok();
    produce(&host, 0..1);
    wait_for_lines(&host, 1);
    // What may be rolled back to is in use as well.
    host.run(&["plugin", "remove", "change@1.0.0"]).fails(1, &["in use by pipeline `p`"]);
    // A new file names others, but a kept checkpoint still names this one.
    host.apply(&pipeline("p", EVERY_20_MS, "in", "change@2", "out")).ok();
    let removed = host.run(&["-o", "json", "plugin", "remove", "change@1.1.0"]).json();
    assert_eq!(removed["deleted"], json!([]), "a kept checkpoint names it");
    let digest = removed["digest"].as_str().unwrap();
    host.run(&["plugin", "export", digest, "--to", host.data().join("x").to_str().unwrap()]).ok();
    host.run(&["pipeline", "delete", "p"]).ok();
    let removed = host.run(&["-o", "json", "plugin", "remove", "change@1.0.0"]).json();
    assert_eq!(removed["deleted"], json!([digest]), "nothing needs it any more");
    host.run(&["plugin", "remove", "change@1.0.0"]).fails(1, &["there is no plugin"]);
}

#[test]
fn plugins_travel_as_image_layouts() {
    let host = Host::start();
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("image");
    let layout = layout.to_str().unwrap();
    host.run(&["plugin", "export", "count", "--oci", layout]).ok();
    host.run(&["plugin", "push", layout, "--name", "tally", "--version", "3.0.0"]).ok();
    let digest = |plugin: &str| {
        let list = host.run(&["-o", "json", "plugin", "list"]).json();
        let all = list["plugins"].as_array().unwrap().clone();
        all.into_iter().find(|of| of["name"] == plugin).unwrap()["digest"].clone()
    };
    assert_eq!(digest("count"), digest("tally"));
    host.run(&["plugin", "export", "stats", "--oci", layout]).ok();
    host.run(&["plugin", "push", layout])
        .fails(1, &["several components", "count-0.1.0", "stats-0.1.0"]);
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    host.run(&["plugin", "push", empty.to_str().unwrap()]).fails(1, &["oci-layout"]);
}

/// What the manifests on disk say of each batch: its offsets and its plugin. Of a batch that was tried twice
/// there may be two.
fn planned(data: &Path, batches: &mut BTreeMap<u64, Vec<(usize, usize, String)>>) {
    let Ok(manifests) = std::fs::read_dir(data.join("checkpoints/p/manifests")) else { return };
    for entry in manifests.flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
        let Ok(manifest) = serde_json::from_str::<Value>(&text) else { continue };
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        for range in manifest["plan"]["ranges"].as_array().unwrap() {
            let digest = manifest["plugins"]["work"].as_str().unwrap().to_owned();
            let range = (number(&range["from"]), number(&range["to"]), digest);
            let known = batches.entry(manifest["batch"].as_u64().unwrap()).or_default();
            if !known.contains(&range) {
                known.push(range);
            }
        }
    }
}

/// Upgrades, trials and rollbacks under load, and a SIGKILL at a random moment of each round.
/// `TIDEMILL_UPGRADE_ROUNDS` says how many; `TIDEMILL_SEED` repeats a run.
#[test]
fn kills_during_upgrades_leave_each_batch_to_one_version() {
    let setting = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    let (rounds, seed) = (setting("TIDEMILL_UPGRADE_ROUNDS", 8), setting("TIDEMILL_SEED", 42));
    println!("{rounds} rounds with the seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut host = start();
    let (mut lines, mut batches) = (0, BTreeMap::new());
    for _ in 0..rounds {
        let length = random.usize(200..2_000);
        let pause = Duration::from_millis(random.u64(0..120));
        let actions = random.usize(1..4);
        let choices: Vec<usize> = (0..actions).map(|_| random.usize(0..5)).collect();
        std::thread::scope(|scope| {
            let (host, from) = (&host, lines);
            let load = scope.spawn(move || {
                for part in 0..4 {
                    let (from, to) = (from + length * part / 4, from + length * (part + 1) / 4);
                    produce(host, from..to);
                }
            });
            for choice in choices {
                // Which of them fit depends on the rounds before: a refusal is fine.
                let operator = ["pipeline", "rollback", "p", "--operator", "work"];
                let _ = match choice {
                    0 => upgrade(host, &["--to", "change@1"]),
                    1 => upgrade(host, &["--to", "change@2"]),
                    2 => upgrade(host, &["--to", "change@2", "--canary", "2-batches"]),
                    3 => upgrade(host, &["--to", "change@1", "--canary", "1h"]),
                    _ => host.run(&operator),
                };
            }
            load.join().unwrap();
        });
        lines += length;
        // One more, which the kill meets at any of its steps.
        let to = if random.bool() { "change@1" } else { "change@2" };
        let mut last = crate::harness::command(&["pipeline", "upgrade", "p", "--operator", "work"]);
        last.args(["--to", to]).env("TIDEMILL_HOST", host.address());
        let mut last = last.stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(pause);
        planned(host.data(), &mut batches);
        let data = host.data().to_owned();
        host = host.crash_and_restart();
        let _ = last.wait();
        planned(&data, &mut batches);
    }
    wait_for_lines(&host, lines);
    planned(host.data(), &mut batches);
    let made = made_by(&host);
    assert_eq!(made.len(), lines);
    let list = host.run(&["-o", "json", "plugin", "list"]).json();
    let digest_of = |version: &str| {
        let all = list["plugins"].as_array().unwrap();
        let found = all.iter().find(|of| of["name"] == "change" && of["version"] == version);
        found.unwrap()["digest"].as_str().unwrap().to_owned()
    };
    let digests = [digest_of("1.0.0"), digest_of("2.0.0")];
    let mut checked = 0;
    for (batch, tries) in &batches {
        let fits = |(from, to, digest): &(usize, usize, String)| {
            let version = 1 + digests.iter().position(|of| of == digest).unwrap() as u8;
            made[*from..*to].iter().all(|by| *by == version)
        };
        assert!(tries.iter().any(fits), "batch {batch} is mixed: {tries:?}");
        checked += 1;
    }
    let both = [1, 2].map(|version| made.iter().filter(|by| **by == version).count());
    println!("{lines} lines, {checked} batches looked at, {both:?} lines by version");
    assert!(both.iter().all(|lines| *lines > 0));
}
