//! Several hosts have their plugins in common.

use std::path::Path;

use crate::harness::{EVERY_20_MS, Host, eventually, pipeline};

fn host(folder: &Path, name: &str, registry: &str) -> Host {
    let data = folder.join(name);
    Host::start_with(&data, &["--registry", registry], &[])
}

fn push(host: &Host, plugin: &str, version: &str) -> crate::harness::Ran {
    let file = host.data().join("exported.wasm");
    let path = file.to_str().unwrap();
    host.run(&["plugin", "export", plugin, "--to", path]).ok();
    host.run(&["plugin", "push", path, "--name", "change", "--version", version])
}

#[test]
fn what_one_host_pushes_another_runs_also_after_the_store_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let registry = format!("file://{}", store.display());
    let first = host(folder.path(), "first", &registry);
    let second = host(folder.path(), "second", &registry);
    push(&first, "upper-case", "1.0.0").ok();
    second.run(&["topic", "create", "in"]).ok();
    second.apply(&pipeline("p", EVERY_20_MS, "in", "change@1", "out")).ok();
    second.run_with(&["produce", "in"], b"a\n").ok();
    eventually("the line is there", || (second.values_if_any("out") == ["A"]).then_some(()));

    push(&first, "split-words", "1.0.0").fails(1, &["`change@1.0.0` is sha256:", "new version"]);
    push(&second, "split-words", "2.0.0").ok();
    let listed = first.run(&["plugin", "list"]).ok();
    assert!(listed.contains("2.0.0") && listed.contains("change"), "{listed}");
    let removed = first.run(&["plugin", "remove", "change@2"]).ok();
    assert!(removed.contains("change@2.0.0"), "{removed}");
    let to = folder.path().join("gone.wasm");
    let export = ["plugin", "export", "change@2", "--to", to.to_str().unwrap()];
    second.run(&export).fails(1, &["there is no plugin `change@2`", "`change@1.0.0`"]);

    // The pipeline knows its plugin by digest, and this host has a copy of it.
    let data = second.kill();
    std::fs::remove_dir_all(&store).unwrap();
    let second = Host::start_with(&data, &["--registry", &registry], &[]);
    second.wait_for_state("p", "running");
    second.run_with(&["produce", "in"], b"b\n").ok();
    eventually("the next line is there", || {
        (second.values_if_any("out") == ["A", "B"]).then_some(())
    });
}

#[test]
fn a_location_that_cannot_be_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for (location, why) in [
        ("ftp://x/y", "files cannot be stored at `ftp:`"),
        ("file://relative", "is not an absolute path"),
    ] {
        let args = ["serve", "--data", data, "--http", "127.0.0.1:0", "--kafka", "none"];
        let ran = crate::harness::run(&[&args[..], &["--registry", location]].concat());
        ran.fails(1, &[why, "hint"]);
    }
}
