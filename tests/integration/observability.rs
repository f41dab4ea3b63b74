//! What a host tells about itself: metrics, progress, health.

use std::io::{BufRead, BufReader, Write};

use crate::harness::{EVERY_20_MS, Host, PATIENCE, eventually, request, request_json, word_count};

fn busy_host() -> Host {
    let host = Host::start();
    host.run(&["topic", "create", "in", "--partitions", "2"]).ok();
    host.apply(&word_count("words", EVERY_20_MS, "in", "totals")).ok();
    host.run_with(&["produce", "in"], b"one two two\n").ok();
    eventually("a batch has run", || (host.status("words")["batches"].as_u64()? > 0).then_some(()));
    host
}

#[test]
fn metrics_count_what_happens() {
    let host = busy_host();
    let value = |name: &str| -> f64 {
        let (_, text) = request(&host, "GET", "/metrics", "", "");
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name} is not in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("tidemill_log_appends_total") > 0.0);
    assert!(value("tidemill_log_sync_seconds_count") > 0.0);
    assert_eq!(value("tidemill_pipeline_input_records_total{pipeline=\"words\"}"), 1.0);
    assert_eq!(value("tidemill_pipeline_output_records_total{pipeline=\"words\"}"), 2.0);
    assert!(value("tidemill_pipeline_batch_seconds_count{pipeline=\"words\"}") > 0.0);
    assert!(value("tidemill_plugin_calls_total{pipeline=\"words\",operator=\"split\",") > 0.0);
    assert!(request(&host, "GET", "/metrics", "", "").1.ends_with("# EOF\n"));
}

#[test]
fn progress_has_the_names_that_spark_users_know() {
    let host = busy_host();
    let (status, answer) = request_json(&host, "GET", "/api/v1/pipelines/words/progress", "", "");
    assert_eq!(status, 200);
    let batch = &answer["progress"][0];
    for key in [
        "id",
        "runId",
        "name",
        "timestamp",
        "batchId",
        "numInputRows",
        "processedRowsPerSecond",
        "durationMs",
        "stateOperators",
        "sources",
    ] {
        assert!(!batch[key].is_null(), "{key} is not in {batch}");
    }
    assert!(batch["durationMs"]["triggerExecution"].as_f64().unwrap() > 0.0);
}

#[test]
fn progress_comes_as_events() {
    let host = busy_host();
    let mut stream = std::net::TcpStream::connect(host.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET /api/v1/pipelines/words/progress/stream HTTP/1.1\r\nhost: t\r\n\r\n")
        .unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("text/event-stream")));
    host.run_with(&["produce", "in"], b"three\n").ok();
    assert!(lines.any(|line| line == "event: progress"));
    let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
    let batch: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(batch["name"], "words");
}

#[test]
fn an_idle_host_is_small() {
    let host = busy_host();
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap_or_default();
    let Some(line) = status.lines().find(|line| line.starts_with("VmRSS")) else { return };
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes < 80 * 1024, "{kilobytes} kB");
}

#[test]
fn a_pipeline_that_fails_says_why_and_the_others_go_on() {
    let host = busy_host();
    host.run(&["topic", "create", "logs"]).ok();
    host.apply(&crate::harness::pipeline(
        "parse",
        EVERY_20_MS,
        "logs",
        "parse-access-log",
        "parsed",
    ))
    .ok();
    host.run_with(&["produce", "logs"], b"this is no line of an access log\n").ok();
    let status = host.wait_for_state("parse", "failed");
    assert!(status["reason"].as_str().unwrap().contains("operator `work` refused"), "{status}");
    host.run(&["pipeline", "status", "parse", "--watch"])
        .fails(1, &["pipeline `parse` failed", "hint"]);
    host.run_with(&["produce", "in"], b"still alive\n").ok();
    eventually("the other pipeline goes on", || host.values("totals").len().ge(&4).then_some(()));
}
