//! Floods: log lines and metrics without end. Both are bounded, and what is left out is counted.

use crate::guests::{Guest, Outcome};
use crate::harness::{Host, eventually, now, request};
use crate::{hostile_pipeline, push};

const LOG_CORE: &str =
    r#"(import "tidemill:plugin/logging@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
const COUNT_CORE: &str =
    r#"(import "tidemill:plugin/metrics@0.1.0" "count" (func $count (param i32 i32 i32 i32 i64)))"#;

/// Does `body` 5,000 times in each call, `$n` counting.
fn flooding(body: &str) -> String {
    format!(
        "(local $n i32) (loop $again {body}
           (local.set $n (i32.add (local.get $n) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $n) (i32.const 5000))))"
    )
}

fn host_with(guest: &Guest, more: &str) -> Host {
    let (host, folder) = (Host::start(), tempfile::tempdir().unwrap());
    push(&host, &folder, &guest.build()).ok();
    host.run(&["topic", "create", "in"]).ok();
    host.apply(&hostile_pipeline(more)).ok();
    host
}

fn feed(host: &Host, records: usize) {
    for record in 1..=records {
        host.run_with(&["produce", "in"], b"record\n").ok();
        eventually("the record is through", || {
            (host.values_if_any("out").len() == record).then_some(())
        });
    }
}

fn metric(host: &Host, name: &str) -> f64 {
    let (_, text) = request(host, "GET", "/metrics", "", "");
    let line = text.lines().find(|line| line.starts_with(name));
    line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[test]
fn a_log_flood_is_cut_and_counted() {
    let guest = Guest::laid_out(|image| {
        let [line, length] = image.bytes(b"the same line again");
        let outcome = image.outcome(&Outcome::default());
        let body =
            flooding(&format!("(call $log (i32.const 2) (i32.const {line}) (i32.const {length}))"));
        format!("{body} i32.const {outcome}")
    })
    .import("", "tidemill:plugin/logging@0.1.0", LOG_CORE);
    let started = now();
    let more = "grants = [\"logging\"]\nlimits = { call = \"5s\", log_lines_per_second = 20 }";
    let host = host_with(&guest, more);
    feed(&host, 5);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    feed_one_more(&host);
    let seconds = started.elapsed().as_secs() as usize + 1;
    let lines = host.log().matches("the same line again").count();
    assert!((1..=20 * seconds).contains(&lines), "{lines} lines in {seconds} s");
    assert!(host.log().contains("were left out"), "{}", host.log());
    let dropped = eventually("the batch is reported", || {
        Some(metric(&host, "tidemill_plugin_dropped_log_lines_total{pipeline=\"hostile\""))
            .filter(|dropped| *dropped > 20_000.0)
    });
    assert!(dropped <= 30_000.0, "{dropped}");
}

fn feed_one_more(host: &Host) {
    host.run_with(&["produce", "in"], b"record\n").ok();
    eventually("the last record is through", || {
        (host.values_if_any("out").len() == 6).then_some(())
    });
}

#[test]
fn a_flood_of_metric_labels_makes_no_more_than_so_many_series() {
    let guest = Guest::laid_out(|image| {
        let [name, name_length] = image.bytes(b"seen");
        let [label, label_length] = image.bytes(b"user");
        let [value, value_length] = image.bytes(&[b'0'; 4]);
        // One label whose value has the number's digits, base 64.
        let labels = image.words(&[label, label_length, value, value_length]);
        let digit = |place: u32, shift: u32| {
            format!(
                "(i32.store8 offset={place} (i32.const {value}) (i32.add (i32.const 48)
                   (i32.and (i32.shr_u (local.get $n) (i32.const {shift})) (i32.const 63))))"
            )
        };
        let body = flooding(&format!(
            "{} {} {}
             (call $count (i32.const {name}) (i32.const {name_length}) (i32.const {labels}) (i32.const 1) (i64.const 1))",
            digit(0, 0),
            digit(1, 6),
            digit(2, 12),
        ));
        let outcome = image.outcome(&Outcome::default());
        format!("{body} i32.const {outcome}")
    })
    .import("", "tidemill:plugin/metrics@0.1.0", COUNT_CORE);
    let host = host_with(&guest, "grants = [\"metrics\"]\nlimits = { call = \"5s\" }");
    feed(&host, 2);
    let dropped = eventually("the batches are reported", || {
        Some(metric(&host, "tidemill_plugin_dropped_metric_updates_total{pipeline=\"hostile\""))
            .filter(|dropped| *dropped > 0.0)
    });
    assert!(dropped >= 4_800.0, "{dropped}");
    let (_, text) = request(&host, "GET", "/metrics", "", "");
    let series = text
        .matches("tidemill_custom_seen_total{pipeline=\"hostile\",operator=\"work\",user=")
        .count();
    assert_eq!(series, 200);
    // Two batches have counted each of them.
    let first = "tidemill_custom_seen_total{pipeline=\"hostile\",operator=\"work\",user=\"0000\"}";
    assert_eq!(metric(&host, first), 2.0);
}
