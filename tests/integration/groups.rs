//! Consumer groups from the command line and over HTTP.

use serde_json::json;

use crate::harness::{AVAILABLE_NOW, EVERY_20_MS, Host, pipeline, request_json};

fn host_with_orders() -> Host {
    let host = Host::start();
    fill(&host);
    host
}

fn fill(host: &Host) {
    host.run(&["topic", "create", "orders", "--partitions", "2"]).ok();
    host.run_with(&["produce", "orders", "--key-separator", ":"], b"a:1\na:2\na:3\na:4\n").ok();
}

/// The partition that the four records are in.
fn filled(host: &Host) -> u64 {
    let topic = host.run(&["-o", "json", "topic", "describe", "orders"]).json();
    let partitions = topic["partitions"].as_array().unwrap();
    let filled = partitions.iter().find(|it| it["highWatermark"] == 4).unwrap();
    filled["partition"].as_u64().unwrap()
}

#[test]
fn a_group_from_first_position_to_delete() {
    let host = host_with_orders();
    assert!(host.run(&["group", "list"]).ok().contains("no groups yet"));
    host.run(&["group", "describe", "billing"]).fails(1, &["there is no group `billing`", "hint"]);
    host.run(&["group", "reset", "billing", "--to", "latest"]).fails(1, &["there is no group"]);

    let set = host
        .run(&["-o", "json", "group", "reset", "billing", "--topic", "orders", "--to", "earliest"]);
    let set = set.json();
    assert_eq!((&set["dryRun"], set["partitions"].as_array().unwrap().len()), (&json!(false), 2));
    assert_eq!(set["partitions"][0]["from"], json!(null));
    let described = host.run(&["-o", "json", "group", "describe", "billing"]).json();
    assert_eq!((&described["state"], &described["lag"]), (&json!("Empty"), &json!(4)));
    let text = host.run(&["group", "describe", "billing"]).ok();
    assert!(text.contains("LOG END") && text.contains("lag: 4 record(s)"), "{text}");
    assert!(host.run(&["group", "list"]).ok().contains("billing"));

    host.run(&["group", "delete", "billing"]).ok();
    host.run(&["group", "delete", "billing"]).fails(1, &["there is no group `billing`"]);
}

#[test]
fn a_reset_goes_where_it_is_told_and_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start_on(folder.path());
    fill(&host);
    let selected = format!("orders:{}", filled(&host));
    let reset = |host: &Host, more: &[&str]| {
        let args =
            [&["-o", "json", "group", "reset", "billing", "--topic", &selected], more].concat();
        host.run(&args).json()["partitions"][0]["to"].as_i64().unwrap()
    };
    assert_eq!(reset(&host, &["--to", "latest"]), 4);
    assert_eq!(reset(&host, &["--by", "-3"]), 1);
    assert_eq!(reset(&host, &["--by", "-3", "--dry-run"]), 0);
    assert_eq!(reset(&host, &["--by", "1"]), 2);
    assert_eq!(reset(&host, &["--to", "99"]), 4);
    assert_eq!(reset(&host, &["--to", "1970-01-01T00:00:00Z"]), 0);
    assert_eq!(reset(&host, &["--to", "2999-01-01T00:00:00Z"]), 4);
    assert_eq!(reset(&host, &["--to", "3"]), 3);
    let host = Host::start_on(&host.kill());
    let described = host.run(&["-o", "json", "group", "describe", "billing"]).json();
    assert_eq!(described["partitions"][0]["offset"], 3);
    assert_eq!(described["lag"], 1);
}

#[test]
fn what_is_wrong_is_named() {
    let host = host_with_orders();
    let reset = |more: &[&str]| host.run(&[&["group", "reset", "billing"], more].concat());
    reset(&["--topic", "nothing", "--to", "earliest"]).fails(1, &["there is no topic `nothing`"]);
    reset(&["--topic", "orders:7", "--to", "earliest"])
        .fails(1, &["topic `orders` has no partition 7", "it has 2, counted from 0"]);
    reset(&["--topic", "orders", "--by", "1"]).fails(1, &["has committed nothing for orders-0"]);
    reset(&["--topic", "orders", "--to", "yesterday"]).fails(2, &["nor a time"]);
    reset(&["--topic", "orders"]).fails(2, &["--to", "--by"]);
    reset(&["--to", "earliest", "--by", "1"]).fails(2, &["cannot be used with"]);
    let (status, problem) = request_json(
        &host,
        "POST",
        "/api/v1/groups/billing/reset",
        "application/json",
        "{\"to\":\"there\"}",
    );
    assert_eq!(status, 400, "{problem}");
}

#[test]
fn positions_of_a_pipeline_are_shown_but_not_touched() {
    let host = host_with_orders();
    host.apply(&pipeline("upper", EVERY_20_MS, "orders", "upper-case", "loud")).ok();
    let group = crate::harness::eventually("the pipeline has read all", || {
        let described = host.run(&["-o", "json", "group", "describe", "tidemill.upper"]);
        (described.code == 0).then(|| described.json()).filter(|it| it["lag"] == 0)
    });
    assert_eq!((&group["pipeline"], &group["state"]), (&json!("upper"), &json!("Empty")));
    assert!(host.run(&["group", "list"]).ok().contains("pipeline upper"));
    let owned = ["holds the positions of pipeline `upper`", "tidemill pipeline delete"];
    host.run(&["group", "reset", "tidemill.upper", "--to", "earliest"]).fails(1, &owned);
    host.run(&["group", "reset", "tidemill.upper", "--to", "earliest", "--dry-run"])
        .fails(1, &owned);
    host.run(&["group", "delete", "tidemill.upper"]).fails(1, &owned);
    host.run(&["pipeline", "stop", "upper"]).ok();
    host.run(&["group", "delete", "tidemill.upper"]).fails(1, &owned);
    host.run(&["pipeline", "delete", "upper"]).ok();
    host.run(&["group", "describe", "tidemill.upper"]).fails(1, &["there is no group"]);
}

#[test]
fn groups_are_counted() {
    let host = host_with_orders();
    host.apply(&pipeline("upper", AVAILABLE_NOW, "orders", "upper-case", "loud")).ok();
    host.run(&["group", "reset", "billing", "--topic", "orders", "--to", "latest"]).ok();
    crate::harness::eventually("both groups are counted", || {
        let (_, metrics) = crate::harness::request(&host, "GET", "/metrics", "text/plain", "");
        metrics.contains("tidemill_groups{state=\"Empty\"} 2").then_some(())
    });
}
