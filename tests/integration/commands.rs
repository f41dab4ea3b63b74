//! Each command that talks to a host.

use crate::harness::{AVAILABLE_NOW, EVERY_20_MS, Host, pipeline, run};

#[test]
fn topics_from_create_to_delete() {
    let host = Host::start();
    assert!(host.run(&["topic", "list"]).ok().contains("no topics yet"));
    host.run(&[
        "topic",
        "create",
        "lines",
        "--partitions",
        "3",
        "--retention",
        "forever",
        "--flush-interval",
        "100ms",
    ])
    .ok();
    host.run(&["topic", "create", "lines"]).fails(1, &["lines", "exists"]);
    let listed = host.run(&["-o", "json", "topic", "list"]).json();
    assert_eq!(
        (&listed["topics"][0]["name"], &listed["topics"][0]["partitions"]),
        (&"lines".into(), &3.into())
    );
    let described = host.run(&["-o", "json", "topic", "describe", "lines"]).json();
    assert_eq!(described["partitions"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&described["retentionMs"], &described["flushIntervalMs"]),
        (&serde_json::Value::Null, &100.into())
    );
    assert!(host.run(&["topic", "describe", "lines"]).ok().contains("HIGH WATERMARK"));
    host.run(&["topic", "delete", "lines"]).ok();
    host.run(&["topic", "describe", "lines"]).fails(1, &["lines"]);
    host.run(&["topic", "delete", "lines"]).fails(1, &["there is no topic `lines`", "hint"]);
}

#[test]
fn lines_go_in_and_come_out() {
    let host = Host::start();
    host.run(&["topic", "create", "t"]).ok();
    host.run_with(&["produce", "t"], b"one\ntwo\r\n\nlast without an end").ok();
    assert_eq!(host.values("t"), ["one", "two", "", "last without an end"]);
    assert_eq!(host.run(&["consume", "t", "--from", "1", "--max", "2"]).ok(), "two\n\n");
    host.run(&["consume", "t", "--from", "9"])
        .fails(1, &["offset 9 of t-0 is outside 0..=4", "hint"]);
    assert_eq!(host.run(&["consume", "t", "--max", "0"]).ok(), "");
}

#[test]
fn a_file_goes_in_with_keys() {
    let host = Host::start();
    host.run(&["topic", "create", "t", "--partitions", "4"]).ok();
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines: String = (0..1000).map(|line| format!("key{}:{line}\n", line % 10)).collect();
    std::fs::write(file.path(), lines).unwrap();
    let produced = host
        .run(&[
            "-o",
            "json",
            "produce",
            "t",
            "--file",
            file.path().to_str().unwrap(),
            "--key-separator",
            ":",
        ])
        .json();
    assert_eq!(produced["records"], 1000);
    let records = host.records("t");
    assert_eq!(records.len(), 1000);
    // Kafka's partitioner: a key always has the same partition, and its records their order.
    for key in 0..10 {
        let of_key: Vec<_> =
            records.iter().filter(|record| record["key"] == format!("key{key}")).collect();
        assert!(of_key.iter().all(|record| record["partition"] == of_key[0]["partition"]));
        let values: Vec<u32> = of_key
            .iter()
            .map(|record| record["value"].as_str().unwrap().parse().unwrap())
            .collect();
        assert!(values.is_sorted() && values.len() == 100);
    }
}

#[test]
fn records_read_back_as_written_whatever_their_bytes() {
    let host = Host::start();
    host.run(&["topic", "create", "a", "--partitions", "2"]).ok();
    host.run(&["topic", "create", "b", "--partitions", "2"]).ok();
    host.run_with(&["produce", "a", "--partition", "1"], b"\xff\xfe\x00binary\ntext\n").ok();
    let json = r#"{"key":"k","value":null,"timestamp":12,"headers":[{"name":"h","value":"/w==","valueEncoding":"base64"},{"name":"n"}]}"#;
    host.run_with(&["produce", "a", "--json"], json.as_bytes()).ok();
    let lines = host.run(&["-o", "json", "consume", "a"]).ok();
    assert!(
        lines.contains("\"valueEncoding\":\"base64\"") && lines.contains("\"timestamp\":12"),
        "{lines}"
    );
    host.run_with(&["produce", "b", "--json"], lines.as_bytes()).ok();
    assert_eq!(host.run(&["-o", "json", "consume", "b"]).ok(), lines);
}

#[test]
fn plugins_are_listed_pushed_and_inspected() {
    let host = Host::start();
    let listed = host.run(&["-o", "json", "plugin", "list"]).json();
    let names: Vec<&str> = listed["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plugin| plugin["name"].as_str().unwrap())
        .collect();
    for name in ["split-words", "upper-case", "parse-access-log", "count", "stats", "contains"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert!(host.run(&["plugin", "list"]).ok().contains("upper-case"));
    let count = listed["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .find(|plugin| plugin["name"] == "count")
        .unwrap();
    let digest = count["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let component =
        std::fs::read(host.data().join(format!("plugins/components/{digest}.wasm"))).unwrap();
    let file = host.data().join("count.wasm");
    let file = file.to_str().unwrap();
    std::fs::write(file, &component).unwrap();
    assert!(run(&["plugin", "inspect", file]).ok().contains("count@"));
    // The same again changes nothing; other bytes under the same version are refused.
    assert!(host.run(&["plugin", "push", file]).ok().contains(&digest));
    std::fs::write(file, [&component[..], &[0, 2, 1, b'x']].concat()).unwrap();
    host.run(&["plugin", "push", file])
        .fails(1, &["already", "hint: give the changed plugin a new version"]);
    std::fs::write(file, &component[..component.len() / 2]).unwrap();
    host.run(&["plugin", "push", file]).fails(1, &["because"]);
    host.run(&["plugin", "push", "no-such-file.wasm"]).fails(1, &["no-such-file.wasm"]);
    host.run(&["plugin", "build", host.data().to_str().unwrap()])
        .fails(1, &["holds no project", "hint"]);
}

#[test]
fn a_pipeline_from_apply_to_delete() {
    let host = Host::start();
    assert!(host.run(&["pipeline", "list"]).ok().contains("no pipelines yet"));
    host.run(&["topic", "create", "in"]).ok();
    host.apply(&pipeline("upper", EVERY_20_MS, "in", "upper-case", "out")).ok();
    host.run_with(&["produce", "in"], b"first\n").ok();
    crate::harness::eventually("the first record is there", || {
        (host.values("out") == ["FIRST"]).then_some(())
    });
    assert!(host.run(&["pipeline", "status", "upper"]).ok().contains("running"));
    assert!(host.run(&["pipeline", "list"]).ok().contains("upper"));

    host.run(&["pipeline", "stop", "upper"]).ok();
    host.wait_for_state("upper", "stopped");
    host.run_with(&["produce", "in"], b"second\n").ok();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(host.values("out"), ["FIRST"]);
    host.run(&["pipeline", "start", "upper"]).ok();
    crate::harness::eventually("the second record is there", || {
        (host.values("out") == ["FIRST", "SECOND"]).then_some(())
    });

    host.run(&["pipeline", "delete", "upper"]).ok();
    host.run(&["pipeline", "status", "upper"]).fails(1, &["there is no pipeline `upper`", "hint"]);
    assert_eq!(host.values("out"), ["FIRST", "SECOND"]);
}

#[test]
fn available_now_ends_and_watch_ends_with_it() {
    let host = Host::start();
    host.run(&["topic", "create", "in", "--partitions", "2"]).ok();
    host.run_with(&["produce", "in"], b"a b\nb\n").ok();
    host.apply(&crate::harness::word_count("words", AVAILABLE_NOW, "in", "totals")).ok();
    let watched = host.run(&["pipeline", "status", "words", "--watch"]).ok();
    assert!(watched.contains("finished"), "{watched}");
    let mut totals: Vec<String> =
        host.run(&["consume", "totals", "-k", "="]).ok().lines().map(str::to_owned).collect();
    totals.sort();
    assert_eq!(totals, ["a=1", "b=2"]);
}

#[test]
fn consume_follows_and_stops_at_max() {
    let host = Host::start();
    host.run(&["topic", "create", "t"]).ok();
    host.run_with(&["produce", "t"], b"old\n").ok();
    std::thread::scope(|scope| {
        let follower =
            scope.spawn(|| host.run(&["consume", "t", "--from", "latest", "--max", "2"]).ok());
        crate::harness::eventually("the follower has read two records", || {
            host.run_with(&["produce", "t"], b"new\n").ok();
            std::thread::sleep(std::time::Duration::from_millis(50));
            follower.is_finished().then_some(())
        });
        assert_eq!(follower.join().unwrap(), "new\nnew\n");
    });
}

/// `tail -f … | tidemill produce`: a line is there long before the input ends.
#[test]
fn a_pipe_is_not_held_back() {
    use std::io::Write;
    let host = Host::start();
    host.run(&["topic", "create", "t"]).ok();
    let mut producer = crate::harness::command(&["produce", "t"]);
    let producer =
        producer.env("TIDEMILL_HOST", host.address()).stdin(std::process::Stdio::piped());
    let mut producer = producer.stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut pipe = producer.stdin.take().unwrap();
    for line in 1..=3 {
        pipe.write_all(format!("line {line}\n").as_bytes()).unwrap();
        crate::harness::eventually("the line is there", || {
            (host.values("t").len() == line).then_some(())
        });
    }
    drop(pipe);
    assert!(producer.wait().unwrap().success());
}

#[test]
fn the_log_of_a_stopped_host_is_verified_and_dumped() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let host = Host::start_on(&data);
    host.run(&["topic", "create", "t", "--partitions", "2"]).ok();
    host.run_with(&["produce", "t", "--partition", "1"], b"hello\nworld\n").ok();
    run(&["log", "verify", data.to_str().unwrap()]).fails(1, &["hint"]);
    assert_eq!(host.terminate().0, Some(0));
    let verified = run(&["log", "verify", data.to_str().unwrap()]).ok();
    assert!(verified.contains("2 records") && verified.contains("sound"), "{verified}");
    let dumped = run(&["log", "dump", data.to_str().unwrap(), "--topic", "t"]).ok();
    assert!(dumped.contains("hello") && dumped.contains("world"), "{dumped}");
}
