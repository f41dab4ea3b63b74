//! What a guest sees of the world: virtual WASI, granted interfaces, and nothing else.

mod guests;

use guests::{CX, Guest, Outcome, operator, ptr_len, runtime};
use tidemill_plugin::{
    BatchRef, CallContext, CallError, CallFault, ColumnRef, Grants, Limits, Metric, Operator,
    Settings,
};

const IO: &str = "package wasi:io@0.2.3;
interface error { resource error { to-debug-string: func() -> string; } }
interface poll {
  resource pollable { ready: func() -> bool; block: func(); }
  poll: func(in: list<borrow<pollable>>) -> list<u32>;
}
interface streams {
  use error.{error};
  use poll.{pollable};
  variant stream-error { last-operation-failed(error), closed }
  resource input-stream {
    read: func(len: u64) -> result<list<u8>, stream-error>;
    subscribe: func() -> pollable;
  }
  resource output-stream {
    check-write: func() -> result<u64, stream-error>;
    write: func(contents: list<u8>) -> result<_, stream-error>;
    blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
    blocking-flush: func() -> result<_, stream-error>;
    blocking-splice: func(src: borrow<input-stream>, len: u64) -> result<u64, stream-error>;
  }
}";
const CLOCKS: &str = "package wasi:clocks@0.2.3;
interface monotonic-clock {
  use wasi:io/poll@0.2.3.{pollable};
  now: func() -> u64;
  subscribe-duration: func(when: u64) -> pollable;
}
interface wall-clock {
  record datetime { seconds: u64, nanoseconds: u32 }
  now: func() -> datetime;
}";
const CLI: &str = "package wasi:cli@0.2.0;
interface exit { exit: func(status: result); }
interface stdin { use wasi:io/streams@0.2.3.{input-stream}; get-stdin: func() -> input-stream; }
interface stderr { use wasi:io/streams@0.2.3.{output-stream}; get-stderr: func() -> output-stream; }
interface environment {
  get-environment: func() -> list<tuple<string, string>>;
  get-arguments: func() -> list<string>;
  initial-cwd: func() -> option<string>;
}";
const RANDOM: &str = "package wasi:random@0.2.0;
interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; }
interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }";
const FILES: &str = "package wasi:filesystem@0.2.0;
interface types { resource descriptor { sync: func() -> result<_, u8>; } }
interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }";
const SOCKETS: &str = "package wasi:sockets@0.2.0;
interface network {
  enum error-code { unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout,
    concurrency-conflict, not-in-progress, would-block, invalid-state, new-socket-limit,
    address-not-bindable, address-in-use, remote-unreachable, connection-refused, connection-reset,
    connection-aborted, datagram-too-large, name-unresolvable, temporary-resolver-failure,
    permanent-resolver-failure }
  enum ip-address-family { ipv4, ipv6 }
}
interface tcp { resource tcp-socket { is-listening: func() -> bool; } }
interface tcp-create-socket {
  use network.{error-code, ip-address-family};
  use tcp.{tcp-socket};
  create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
}";

const EXIT: &str = r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#;
const MONOTONIC: &str = r#"
(import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $monotonic (result i64)))
(import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration" (func $sleep (param i64) (result i32)))
(import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))
(import "wasi:io/poll@0.2.3" "[resource-drop]pollable" (func $drop_pollable (param i32)))
(import "wasi:io/poll@0.2.3" "poll" (func $poll (param i32 i32 i32)))"#;
const WALL: &str = r#"(import "wasi:clocks/wall-clock@0.2.3" "now" (func $wall (param i32)))"#;
const NUMBERS: &str = r#"
(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random_bytes (param i64 i32)))"#;

/// A guest that writes what it sees to the 24 bytes at `$seen`, which are the value that it emits.
fn seeing(body: &str) -> Guest {
    Guest::laid_out(|image| {
        let [seen, length] = image.bytes(&[0; 24]);
        let mut words = image.outcome_words(&Outcome::default());
        words[ptr_len::VALUES_DATA] = seen;
        words[ptr_len::VALUES_DATA + 1] = length;
        words[ptr_len::VALUES_OFFSETS] = image.words(&[0, length]);
        words[ptr_len::VALUES_OFFSETS + 1] = 2;
        let outcome = image.words(&words);
        let (locals, body) = body.split_once('\n').unwrap_or_default();
        format!(
            "(local $seen i32) {locals} (local.set $seen (i32.const {seen})) {body} i32.const {outcome}"
        )
    })
}

fn see(operator: &Operator, cx: &CallContext<'_>) -> Result<Vec<u64>, CallError> {
    let times = [1];
    let input =
        BatchRef::new(ColumnRef::EMPTY, ColumnRef::EMPTY, ColumnRef::EMPTY, &times).unwrap();
    operator.transform(cx, input, |outcome| {
        let value = outcome.emitted().values().get(0).unwrap();
        value.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
    })
}

fn clocks(guest: Guest) -> Guest {
    guest
        .import(IO, "wasi:io/poll@0.2.3", "")
        .import(CLOCKS, "wasi:clocks/monotonic-clock@0.2.3", MONOTONIC)
        .import("", "wasi:clocks/wall-clock@0.2.3", WALL)
}

#[test]
fn the_wall_clock_is_the_batchs_time_and_sleep_is_over_at_once() {
    let guest = clocks(seeing(
        "(local $pollable i32)
         (call $wall (local.get $seen))
         (i64.store offset=8 (local.get $seen) (call $monotonic))
         (call $block (local.tee $pollable (call $sleep (i64.const 3600000000000))))
         (call $drop_pollable (local.get $pollable))
         (i64.store offset=16 (local.get $seen) (call $monotonic))",
    ));
    let operator = operator(&guest.build(), Limits::default());
    let first = see(&operator, &CX).unwrap();
    assert_eq!(first[0], 1_700_000_000);
    // The nanoseconds are 32 bits at offset 8, under the monotonic time.
    let slept = first[2] - first[1];
    assert!((3_600_000_000_000..3_600_001_000_000).contains(&slept), "{slept}");
    // The same instance starts the next call at the same time.
    assert_eq!(see(&operator, &CX).unwrap(), first);
    assert!(operator.costs().guest_time.as_millis() < 1_000);
    let later = CallContext { time_ms: -5, ..CX };
    assert_eq!(see(&operator, &later).unwrap()[0], 0);
}

#[test]
fn poll_wakes_for_the_first_that_is_due() {
    let guest = clocks(seeing(
        "(local $a i32) (local $b i32)
         (local.set $a (call $sleep (i64.const 2000000000)))
         (local.set $b (call $sleep (i64.const 1000000000)))
         (i32.store (local.get $seen) (local.get $a))
         (i32.store offset=4 (local.get $seen) (local.get $b))
         (call $poll (local.get $seen) (i32.const 2) (i32.add (local.get $seen) (i32.const 8)))
         (i64.store offset=16 (local.get $seen) (i64.extend_i32_u
           (i32.load (i32.load offset=8 (local.get $seen)))))
         (call $drop_pollable (local.get $a))
         (call $drop_pollable (local.get $b))",
    ));
    let operator = operator(&guest.build(), Limits::default());
    let seen = see(&operator, &CX).unwrap();
    assert_eq!((seen[1] >> 32, seen[2]), (1, 1), "one is due, and it is the second");
}

#[test]
fn random_numbers_belong_to_the_call() {
    let guest = seeing(
        "
         (i64.store (local.get $seen) (call $random))
         (i64.store offset=8 (local.get $seen) (call $random))
         (call $random_bytes (i64.const 8) (i32.add (local.get $seen) (i32.const 16)))
         (i64.store offset=16 (local.get $seen) (i64.load (i32.load offset=16 (local.get $seen))))",
    )
    .import(RANDOM, "wasi:random/random@0.2.0", NUMBERS);
    let component = guest.build();
    let operator = operator(&component, Limits::default());
    let first = see(&operator, &CX).unwrap();
    assert!(first[0] != first[1] && first[1] != first[2]);
    assert_eq!(see(&operator, &CX).unwrap(), first);
    let other = guests::operator(&component, Limits::default());
    assert_eq!(see(&other, &CX).unwrap(), first);
    for cx in [CallContext { batch: 8, ..CX }, CallContext { task: 4, ..CX }] {
        assert_ne!(see(&operator, &cx).unwrap(), first);
    }
    // Too much at once is a trap, not an allocation.
    let greedy =
        Guest::transform("(call $random_bytes (i64.const 0x7FFFFFFF) (i32.const 8)) unreachable")
            .import(RANDOM, "wasi:random/random@0.2.0", NUMBERS);
    let error = see(&guests::operator(&greedy.build(), Limits::default()), &CX).unwrap_err();
    assert!(error.fault.to_string().contains("random bytes"), "{}", error.fault);
}

#[test]
fn exit_is_an_error_of_its_own() {
    for (status, expected) in [(0, 0), (1, 1)] {
        let body = format!("(call $exit (i32.const {status})) unreachable");
        let guest = Guest::transform(&body).import(IO, "wasi:io/poll@0.2.3", "");
        let guest = guest.import(CLI, "wasi:cli/exit@0.2.0", EXIT);
        let error = see(&operator(&guest.build(), Limits::default()), &CX).unwrap_err();
        assert!(
            matches!(error.fault, CallFault::Exit { status } if status == expected),
            "{error:?}"
        );
    }
}

#[test]
fn there_are_no_files_no_sockets_no_environment_and_no_input() {
    let guest = seeing(
        "
         (call $directories (local.get $seen))
         (call $environment (i32.add (local.get $seen) (i32.const 8)))
         (call $tcp (i32.const 0) (i32.add (local.get $seen) (i32.const 16)))",
    )
    .import(
        FILES,
        "wasi:filesystem/preopens@0.2.0",
        r#"(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))"#,
    )
    .import(IO, "wasi:io/poll@0.2.3", "")
    .import(
        CLI,
        "wasi:cli/environment@0.2.0",
        r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))"#,
    )
    .import(
        SOCKETS,
        "wasi:sockets/tcp-create-socket@0.2.0",
        r#"(import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $tcp (param i32 i32)))"#,
    );
    let operator = operator(&guest.build(), Limits::default());
    let seen = see(&operator, &CX).unwrap();
    assert_eq!((seen[0] >> 32, seen[1] >> 32), (0, 0), "no directories, no variables");
    let (case, code) = (seen[2] & 0xFF, seen[2] >> 32 & 0xFF);
    assert_eq!((case, code), (1, 1), "access denied");
}

#[test]
fn standard_input_ends_and_standard_error_goes_to_the_log() {
    let guest = seeing(
        "(local $stream i32)
         (call $read (call $stdin) (i64.const 10) (local.get $seen))
         (i64.store offset=16 (local.get $seen) (i64.load (local.get $seen)))
         (local.set $stream (call $stderr))
         (call $write (local.get $stream) (i32.const 1024) (i32.const 40) (local.get $seen))
         (call $drop_output (local.get $stream))",
    )
    .import(
        IO,
        "wasi:io/streams@0.2.3",
        r#"
(import "wasi:io/streams@0.2.3" "[method]input-stream.read" (func $read (param i32 i64 i32)))
(import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush"
  (func $write (param i32 i32 i32 i32)))
(import "wasi:io/streams@0.2.3" "[resource-drop]output-stream" (func $drop_output (param i32)))"#,
    )
    .import(
        CLI,
        "wasi:cli/stdin@0.2.0",
        r#"(import "wasi:cli/stdin@0.2.0" "get-stdin" (func $stdin (result i32)))"#,
    )
    .import(
        "",
        "wasi:cli/stderr@0.2.0",
        r#"(import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))"#,
    );
    let operator = operator(&guest.build(), Limits::default());
    let seen = see(&operator, &CX).unwrap();
    // err(closed), then ok.
    assert_eq!((seen[2] & 0xFF, seen[2] >> 32 & 0xFF, seen[0] & 0xFF), (1, 1, 0));
}

#[test]
fn granted_metrics_are_kept_at_the_operator() {
    let count = r#"(import "tidemill:plugin/metrics@0.1.0" "count"
        (func $count (param i32 i32 i32 i32 i64)))"#;
    let guest = Guest::laid_out(|image| {
        let [name, length] = image.bytes(b"lines_seen");
        let outcome = image.outcome(&Outcome { counts: vec![0], ..Outcome::default() });
        format!(
            "(call $count (i32.const {name}) (i32.const {length}) (i32.const 0) (i32.const 0) (i64.const 3))
             i32.const {outcome}"
        )
    })
    .import("", "tidemill:plugin/metrics@0.1.0", count);
    let plugin = runtime().load(&guest.build(), &Grants::all()).unwrap();
    let operator = plugin.operator("o", &Settings::new(), Limits::default()).unwrap();
    let times = [1];
    let input =
        BatchRef::new(ColumnRef::EMPTY, ColumnRef::EMPTY, ColumnRef::EMPTY, &times).unwrap();
    for _ in 0..2 {
        operator.transform(&CX, input, |_| ()).unwrap();
    }
    let metrics = operator.metrics();
    assert_eq!(metrics.len(), 1);
    assert_eq!((metrics[0].name.as_str(), metrics[0].value), ("lines_seen", Metric::Counter(6)));
}
