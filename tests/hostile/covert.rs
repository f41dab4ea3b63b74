//! Covert inputs: a clock, random numbers, and what is kept from call to call.
//! **The same batch gives the same bytes, on any host**; what a plugin smuggles in its memory stays in its instance.

use crate::guests::{Guest, Outcome, ptr_len};
use crate::harness::{Host, eventually};
use crate::{hostile_pipeline, push};

const RANDOM: &str = "package wasi:random@0.2.0;
interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; }";
const RANDOM_CORE: &str =
    r#"(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#;
const CLOCK: &str = "package wasi:clocks@0.2.3; interface monotonic-clock { now: func() -> u64; }";
const CLOCK_CORE: &str =
    r#"(import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $monotonic (result i64)))"#;

/// Emits, for the one record of a call, the 16 bytes that `body` writes to `$seen`.
fn seeing(body: &str) -> Guest {
    Guest::laid_out(|image| {
        let [seen, length] = image.bytes(&[0; 16]);
        let mut words = image.outcome_words(&Outcome::default());
        words[ptr_len::VALUES_DATA] = seen;
        words[ptr_len::VALUES_DATA + 1] = length;
        words[ptr_len::VALUES_OFFSETS] = image.words(&[0, length]);
        words[ptr_len::VALUES_OFFSETS + 1] = 2;
        let outcome = image.words(&words);
        format!("(local $seen i32) (local.set $seen (i32.const {seen})) {body} i32.const {outcome}")
    })
}

/// What the plugin made of so many records, each in a batch of its own, on a host of its own.
fn seen_by(guest: &Guest, records: usize) -> Vec<serde_json::Value> {
    let (host, folder) = (Host::start(), tempfile::tempdir().unwrap());
    push(&host, &folder, &guest.build()).ok();
    host.run(&["topic", "create", "in"]).ok();
    host.apply(&hostile_pipeline("limits = { instances = 1 }")).ok();
    for record in 1..=records {
        host.run_with(&["produce", "in"], b"record\n").ok();
        eventually("the record is through", || (host.records("out").len() == record).then_some(()));
    }
    let values = host.records("out").into_iter().map(|record| record["value"].clone());
    values.collect()
}

#[test]
fn random_numbers_and_clocks_depend_on_the_batch_alone() {
    let guest = seeing(
        "(i64.store (local.get $seen) (call $random))
         (i64.store offset=8 (local.get $seen) (call $monotonic))",
    )
    .import(RANDOM, "wasi:random/random@0.2.0", RANDOM_CORE)
    .import(CLOCK, "wasi:clocks/monotonic-clock@0.2.3", CLOCK_CORE);
    let (one, other) = (seen_by(&guest, 3), seen_by(&guest, 3));
    assert_eq!(one, other, "two hosts, the same batches");
    assert!(one[0] != one[1] && one[1] != one[2], "each batch has numbers of its own: {one:?}");
}

/// It cannot be prevented, but it ends with the instance: a restart of the host shows it, and so does the
/// conformance kit, which runs a plugin on other cuts of the same records.
#[test]
fn smuggled_state_is_no_more_than_an_instances_memory() {
    let guest = seeing(
        "(global.set $calls (i64.add (global.get $calls) (i64.const 1)))
         (i64.store (local.get $seen) (global.get $calls))",
    )
    .with("(global $calls (mut i64) (i64.const 0))");
    let seen = seen_by(&guest, 2);
    assert_ne!(seen[0], seen[1], "the second call of an instance");
    assert_eq!(seen[0], seen_by(&guest, 1)[0], "a fresh instance begins anew");
}
