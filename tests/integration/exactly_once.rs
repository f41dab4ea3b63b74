//! SIGKILL again and again while records flow: nothing is lost, doubled or out of order.

use std::collections::HashMap;

use crate::harness::{EVERY_20_MS, Host, eventually, pipeline, word_count};

const ROUNDS: usize = 5;
const LINES_PER_ROUND: usize = 3_000;

/// A producer that knows what was acknowledged; the host is killed while its pipelines work.
#[test]
fn kills_during_load_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut host = Host::start_on(&data);
    host.run(&["topic", "create", "in", "--partitions", "2"]).ok();
    host.run(&["topic", "create", "upper", "--partitions", "2"]).ok();
    host.apply(&word_count("words", EVERY_20_MS, "in", "totals")).ok();
    host.apply(&pipeline("upper", EVERY_20_MS, "in", "upper-case", "upper")).ok();
    for round in 0..ROUNDS {
        for partition in ["0", "1"] {
            let lines: String = (0..LINES_PER_ROUND)
                .map(|line| format!("p{partition} r{round} n{line}\n"))
                .collect();
            host.run_with(&["produce", "in", "--partition", partition], lines.as_bytes()).ok();
        }
        // Each round is killed a little later in the work.
        std::thread::sleep(std::time::Duration::from_millis(15 * round as u64));
        host = Host::start_on(&host.kill());
    }
    let lines = 2 * ROUNDS * LINES_PER_ROUND;
    eventually("everything went through", || (host.values("upper").len() >= lines).then_some(()));
    eventually("everything is counted", || (host.status("words")["lag"] == 0).then_some(()));
    check_order(&host, lines);
    check_totals(&host);
}

/// Each partition has its lines once and in order.
fn check_order(host: &Host, lines: usize) {
    let records = host.records("upper");
    assert_eq!(records.len(), lines);
    let mut next: HashMap<u64, usize> = HashMap::new();
    let mut seen: HashMap<String, Vec<String>> = HashMap::new();
    for record in &records {
        let value = record["value"].as_str().unwrap().to_owned();
        *next.entry(record["partition"].as_u64().unwrap()).or_default() += 1;
        seen.entry(value.split(' ').next().unwrap().to_owned()).or_default().push(value);
    }
    for partition in ["P0", "P1"] {
        let expected: Vec<String> = (0..ROUNDS)
            .flat_map(|round| {
                (0..LINES_PER_ROUND).map(move |line| format!("{partition} R{round} N{line}"))
            })
            .collect();
        assert!(
            seen[partition] == expected,
            "lines of {partition} are missing, doubled or out of order"
        );
    }
}

/// Totals only rise, and end right.
fn check_totals(host: &Host) {
    let mut totals: HashMap<String, u64> = HashMap::new();
    for record in host.records("totals") {
        let word = record["key"].as_str().unwrap().to_owned();
        let total: u64 = record["value"].as_str().unwrap().parse().unwrap();
        let before = totals.insert(word.clone(), total).unwrap_or(0);
        assert!(total > before, "the total of {word} goes from {before} to {total}");
    }
    assert_eq!(totals["p0"], (ROUNDS * LINES_PER_ROUND) as u64);
    assert_eq!(totals["r3"], 2 * LINES_PER_ROUND as u64);
    assert_eq!(totals["n7"], 2 * ROUNDS as u64);
    assert_eq!(totals.len(), 2 + ROUNDS + LINES_PER_ROUND);
}
