//! What is wrong is named with its place and a hint, and nothing is lost.

use std::fs;

use crate::harness::{EVERY_20_MS, Host, command, pipeline, run};

#[test]
fn a_port_in_use() {
    let host = Host::start();
    let folder = tempfile::tempdir().unwrap();
    run(&["serve", "--data", folder.path().to_str().unwrap(), "--http", host.socket()])
        .fails(1, &["listen on", host.socket(), "hint: is another host running?"]);
}

#[test]
fn a_second_host_on_the_same_folder() {
    let host = Host::start();
    run(&["serve", "--data", host.data().to_str().unwrap(), "--http", "127.0.0.1:0"])
        .fails(1, &["open the data folder", "hint"]);
    // The first one is not disturbed.
    host.run(&["topic", "create", "t"]).ok();
}

#[test]
fn a_configuration_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("host.toml");
    let serve = |text: &str| {
        fs::write(&config, text).unwrap();
        run(&["serve", "--config", config.to_str().unwrap()])
    };
    serve("data = \"d\"\nworker = 2\n").fails(2, &["host.toml", "line 2", "worker = 2", "hint"]);
    serve("data = ").fails(2, &["line 1", "hint"]);
    serve("http = \"here\"\ndata = \"d\"").fails(2, &["`here`", "hint"]);
    serve("").fails(2, &["no data folder", "hint: --data"]);
    run(&["serve", "--config", "no-such.toml"]).fails(2, &["no-such.toml", "hint"]);
    run(&["serve", "--data", "d", "--workers", "0"]).fails(2, &["`workers` is 0", "hint"]);
}

#[test]
fn a_data_folder_that_cannot_be_made() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let inside = file.path().join("data");
    run(&["serve", "--http", "127.0.0.1:0", "--data", inside.to_str().unwrap()])
        .fails(1, &["make the folder", "hint"]);
}

#[test]
fn pipelines_that_are_wrong_start_nothing() {
    let host = Host::start();
    host.run(&["topic", "create", "in"]).ok();
    let good = pipeline("p", EVERY_20_MS, "in", "upper-case", "out");
    let cases = [
        (good.replace("plugin", "plugn"), vec!["plugn", "plugin"]),
        (good.replace("upper-case", "uper-case"), vec!["uper-case"]),
        (good.replace("input = \"work\"", "input = \"wrok\""), vec!["wrok"]),
        (good.replace("input = \"in\"", "input = \"work\""), vec!["work"]),
        (
            good.replace(
                "plugin = \"upper-case\"",
                "plugin = \"upper-case\"\nparams = { colour = 1 }",
            ),
            vec!["colour"],
        ),
        (good.replace("\n[[sink]]", "\n[[sink"), vec!["line"]),
        (String::new(), vec!["name"]),
    ];
    for (text, expected) in cases {
        host.apply(&text).fails(1, &expected);
    }
    assert!(host.run(&["pipeline", "list"]).ok().contains("no pipelines yet"));
    host.apply(&good).ok();
    // A wrong file for a pipeline that runs leaves it as it is.
    host.apply(&good.replace("upper-case", "none")).fails(1, &["none"]);
    host.wait_for_state("p", "running");
}

#[test]
fn files_that_are_no_plugins() {
    let host = Host::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.wasm");
    let core_module = b"\0asm\x01\0\0\0";
    for (bytes, texts) in [
        (&b"text"[..], vec!["hint"]),
        (&core_module[..], vec!["core module", "hint"]),
        (&b"\0asm\x0d\0\x01\0\x07"[..], vec![]),
        (&b""[..], vec![]),
    ] {
        fs::write(&file, bytes).unwrap();
        host.run(&["plugin", "push", file.to_str().unwrap()]).fails(1, &texts);
        run(&["plugin", "inspect", file.to_str().unwrap()]).fails(1, &texts);
    }
    host.run(&["topic", "create", "still-alive"]).ok();
}

#[test]
fn an_unwritable_checkpoint_location() {
    let host = Host::start();
    host.run(&["topic", "create", "in"]).ok();
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = pipeline("p", EVERY_20_MS, "in", "upper-case", "out");
    let location = format!(
        "[checkpoints]\nlocation = \"file://{}/in-a-file\"\n\n[[source]]",
        file.path().display()
    );
    host.apply(&text.replacen("[[source]]", &location, 1)).fails(1, &["checkpoint"]);
}

#[test]
fn a_damaged_segment_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let host = Host::start_on(&data);
    host.run(&["topic", "create", "t"]).ok();
    for line in 0..50 {
        host.run_with(&["produce", "t"], format!("line {line}\n").as_bytes()).ok();
    }
    assert_eq!(host.terminate().0, Some(0));
    let segment = find(&data, &|path| {
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        is_log
            && fs::metadata(path).unwrap().len() > 2_000
            && !path.to_string_lossy().contains("__")
    });
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&segment, &bytes).unwrap();
    let name = segment.file_name().unwrap().to_str().unwrap();
    run(&["serve", "--http", "127.0.0.1:0", "--data", data.to_str().unwrap()])
        .fails(1, &[name, "hint"]);
    run(&["log", "verify", data.to_str().unwrap()]).fails(1, &["damaged"]);
    assert_eq!(fs::read(&segment).unwrap(), bytes, "nothing was cut off");
}

#[test]
fn a_saved_pipeline_of_a_newer_version() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_eq!(Host::start_on(&data).terminate().0, Some(0));
    fs::write(data.join("pipelines/p.json"), r#"{"format":"tidemill-pipeline","version":9}"#)
        .unwrap();
    run(&["serve", "--http", "127.0.0.1:0", "--data", data.to_str().unwrap()])
        .fails(1, &["p.json", "version 9", "hint"]);
}

#[test]
fn no_host_is_there() {
    let mut command = command(&["topic", "list", "--host", "http://127.0.0.1:1"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hint: is it running?"));
    run(&["topic", "list", "--host", "here"]).fails(1, &["no address", "hint"]);
}

/// The first file below `folder` that `is_it`.
fn find(folder: &std::path::Path, is_it: &dyn Fn(&std::path::Path) -> bool) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if is_it(&path) {
                return path;
            }
        }
    }
    panic!("there is no such file below {}", folder.display());
}

#[test]
fn a_component_above_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("host.toml");
    fs::write(&config, "plugin_bytes_max = \"1MiB\"\n").unwrap();
    let data = folder.path().join("data");
    let host = Host::start_with(&data, &["--config", config.to_str().unwrap()], &[]);
    let large = folder.path().join("large.wasm");
    fs::write(&large, vec![0; 20 << 20]).unwrap();
    host.run(&["plugin", "push", large.to_str().unwrap()])
        .fails(1, &["at most 1048576 bytes", "plugin_bytes_max"]);
}
