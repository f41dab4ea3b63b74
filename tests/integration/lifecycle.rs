//! Start and stop of a host.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{EVERY_20_MS, Host, command, eventually, pipeline, request, run, word_count};

#[test]
fn sigterm_ends_a_busy_host_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let host = Host::start_on(&data);
    host.run(&["topic", "create", "in", "--partitions", "2"]).ok();
    host.apply(&word_count("words", EVERY_20_MS, "in", "totals")).ok();
    host.run_with(&["produce", "in"], "some words to count\n".repeat(200_000).as_bytes()).ok();
    // A reader that waits for more, and one that is slow.
    let mut follower = command(&["consume", "in", "--follow"]);
    let mut follower = follower
        .env("TIDEMILL_HOST", host.address())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let (code, took) = host.terminate();
    let _ = follower.kill();
    let _ = follower.wait();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");

    // Nothing was lost or doubled by the stop.
    let host = Host::start_on(&data);
    eventually("everything is counted", || {
        let totals = host.run(&["consume", "totals", "-k", "="]).ok();
        let last = totals.lines().rfind(|line| line.starts_with("words=")).map(str::to_owned);
        (last.as_deref() == Some("words=200000")).then_some(())
    });
}

#[test]
fn kafka_clients_are_heard_where_the_host_says() {
    let host = Host::start();
    let mut client = TcpStream::connect(host.kafka()).unwrap();
    // ApiVersions, version 0, correlation id 7, no client id.
    client.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]).unwrap();
    let mut answer = [0; 10];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer[4..], [0, 0, 0, 7, 0, 0], "the same id, and no error");
}

#[test]
fn pipelines_come_back_as_they_were_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let host = Host::start_on(&data);
    host.run(&["topic", "create", "in"]).ok();
    for name in ["one", "two", "three"] {
        host.apply(&pipeline(name, EVERY_20_MS, "in", "upper-case", &format!("out-{name}"))).ok();
    }
    host.run(&["pipeline", "stop", "two"]).ok();
    host.run(&["pipeline", "delete", "three"]).ok();
    let data = host.kill();
    let host = Host::start_on(&data);
    host.wait_for_state("one", "running");
    host.wait_for_state("two", "stopped");
    host.run(&["pipeline", "status", "three"]).fails(1, &["there is no pipeline"]);
}

#[test]
fn a_host_ends_with_its_parents_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(&["serve", "--http", "127.0.0.1:0", "--end-with-stdin", "--data"]);
    let mut child = command
        .arg(folder.path())
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none());
    drop(child.stdin.take());
    let code = eventually("it ended", || child.try_wait().unwrap());
    assert!(code.success());
}

#[test]
fn configuration_comes_from_file_environment_and_flags() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = folder.path().join("host.toml");
    std::fs::write(
        &config,
        "http = \"127.0.0.1:1\"\nrecord_bytes_max = \"4KiB\"\nlog_format = \"json\"\n",
    )
    .unwrap();
    let host = Host::start_with(
        &data,
        &[],
        &[("TIDEMILL_CONFIG", config.to_str().unwrap()), ("TIDEMILL_LOG", "debug")],
    );
    host.run(&["topic", "create", "t"]).ok();
    host.run_with(&["produce", "t"], "x".repeat(5000).as_bytes())
        .fails(1, &["at most 4096 are allowed", "record_bytes_max"]);
    let log = host.log();
    let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert!(first["level"].is_string(), "{log}");
}

#[test]
fn readiness_ends_with_the_host() {
    let host = Host::start();
    assert_eq!(request(&host, "GET", "/readyz", "", "").0, 200);
    let address = host.address().to_owned();
    assert_eq!(host.terminate().0, Some(0));
    run(&["--output", "json", "topic", "list", "--host", &address])
        .fails(1, &["reach the host", "hint"]);
}

#[test]
fn a_pipeline_that_cannot_come_back_is_shown_as_failed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let host = Host::start_on(&data);
    host.run(&["topic", "create", "in"]).ok();
    host.apply(&pipeline("p", EVERY_20_MS, "in", "upper-case", "out")).ok();
    let data = host.kill();
    let saved = data.join("pipelines/p.json");
    let content = std::fs::read_to_string(&saved).unwrap();
    let (before, digest) = content.split_once("sha256:").unwrap();
    std::fs::write(&saved, format!("{before}sha256:{}{}", "0".repeat(64), &digest[64..])).unwrap();
    let host = Host::start_on(&data);
    let status = host.wait_for_state("p", "failed");
    assert!(status["reason"].as_str().unwrap().contains("sha256:000"), "{status}");
    // Starting it by hand takes what the file's name for the plugin means today.
    host.run(&["pipeline", "start", "p"]).ok();
    host.wait_for_state("p", "running");
}
