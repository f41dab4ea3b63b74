//! The kinds of hostile plugins that fail, and what is to be said of each.

use crate::guests::{Col, Guest, Image, Outcome, ptr_len};

/// Where a plugin is stopped, and the texts that name the cause.
pub enum Meets {
    /// When it is handed to the host.
    Push(&'static [&'static str]),
    /// When a pipeline with it is applied.
    Apply(&'static [&'static str]),
    /// With its first record, which becomes a dead letter.
    Run(&'static [&'static str]),
    /// Nowhere: it is only large or odd, and works.
    Nothing,
}

pub struct Kind {
    pub name: &'static str,
    pub meets: Meets,
    made: Made,
}

/// How a component is made: those that can be described get a version of their own.
enum Made {
    Guest(fn() -> Guest),
    Bytes(fn() -> Vec<u8>),
}

impl Kind {
    pub fn component(&self, version: &str) -> Vec<u8> {
        match self.made {
            Made::Guest(make) => {
                make().described(|image| image.description("guest", version, 0b1111, &[])).build()
            }
            Made::Bytes(make) => make(),
        }
    }
}

const LOOP: &str = "(loop $again (br $again)) unreachable";
/// Ends some day.
const SLOW: &str =
    "(local $n i64) (loop $again (local.set $n (i64.add (local.get $n) (i64.const 1)))
    (br_if $again (i64.lt_u (local.get $n) (i64.const 1000000000000))))";
const MEMORY_BOMB: &str =
    "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
const TABLE_BOMB: &str = "(loop $again (br_if $again
    (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable";
const RECURSION: &str =
    "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))";
const HTTP: &str = "package wasi:http@0.2.0; interface outgoing-handler { handle: func() -> u32; }";
const HTTP_CORE: &str =
    r#"(import "wasi:http/outgoing-handler@0.2.0" "handle" (func $handle (result i32)))"#;
const EXIT: &str = "package wasi:cli@0.2.0; interface exit { exit: func(status: result); }";
const EXIT_CORE: &str = r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#;
const LOG_CORE: &str =
    r#"(import "tidemill:plugin/logging@0.1.0" "log" (func $log (param i32 i32 i32)))"#;

fn fine() -> Outcome {
    Outcome { values: Col::of(&["fine"]), ..Outcome::default() }
}

/// Keys of one item, laid out wrongly.
fn keys(keys: Col) -> Guest {
    Guest::giving(&Outcome { keys, ..Outcome::default() })
}

/// Rejects the first record with a reason at this address and of this length.
fn rejecting(reason: impl FnOnce(&mut Image) -> [u32; 2]) -> Guest {
    Guest::giving_words(|image| {
        let [start, length] = reason(image);
        let rejection = image.words(&[0, start, length]);
        let mut words = image.outcome_words(&Outcome { counts: vec![0], ..Outcome::default() });
        words[ptr_len::REJECTED] = rejection;
        words[ptr_len::REJECTED + 1] = 1;
        words
    })
}

/// A component with a section of so many bytes that mean nothing.
fn padded(bytes: usize) -> Vec<u8> {
    let mut component = Guest::giving(&fine()).build();
    component.push(0);
    let mut left = bytes;
    while left >= 0x80 {
        component.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    component.push(left as u8);
    component.extend([1, b'x']);
    component.resize(component.len() + bytes - 2, 0);
    component
}

pub fn all() -> Vec<Kind> {
    let mut kinds = while_it_runs();
    kinds.extend(results());
    kinds.extend(at_the_door());
    kinds
}

fn kind(name: &'static str, meets: Meets, make: fn() -> Guest) -> Kind {
    Kind { name, meets, made: Made::Guest(make) }
}

fn file(name: &'static str, meets: Meets, make: fn() -> Vec<u8>) -> Kind {
    Kind { name, meets, made: Made::Bytes(make) }
}

/// What its code does.
fn while_it_runs() -> Vec<Kind> {
    use Meets::Run;
    vec![
        kind("endless loop", Run(&["timeout", "longer than 50ms"]), || Guest::transform(LOOP)),
        kind("slow loop", Run(&["timeout", "longer than 50ms"]), || Guest::doing(SLOW, &fine())),
        kind("deep recursion", Run(&["trap", "call stack exhausted"]), || {
            Guest::doing("(drop (call $deep (i32.const 1)))", &fine()).with(RECURSION)
        }),
        kind("memory bomb", Run(&["out-of-memory", "ran out of its memory"]), || {
            Guest::transform(MEMORY_BOMB)
        }),
        kind("table bomb", Run(&["out-of-memory", "ran out of its table"]), || {
            Guest::transform(TABLE_BOMB).with("(table $t 1 funcref)")
        }),
        kind("trap in realloc", Run(&["trap", "unreachable"]), || {
            let realloc = "(if (local.get 3) (then unreachable)) (i32.const 8)";
            Guest::giving(&fine()).realloc(realloc)
        }),
        kind("realloc outside of memory", Run(&["broken-abi"]), || {
            let realloc = "(select (i32.const 0x7FFFFFF0) (i32.const 8) (local.get 3))";
            Guest::giving(&fine()).realloc(realloc)
        }),
        kind("trap in post-return", Run(&["trap", "unreachable"]), || {
            Guest::giving(&fine()).post_return("unreachable")
        }),
        kind("endless post-return", Run(&["timeout"]), || {
            Guest::giving(&fine()).post_return("(loop $again (br $again))")
        }),
        kind("exit", Run(&["exit", "called exit with status 1"]), || {
            Guest::doing("(call $exit (i32.const 1))", &fine()).import(
                EXIT,
                "wasi:cli/exit@0.2.0",
                EXIT_CORE,
            )
        }),
    ]
}

/// What it gives back.
fn results() -> Vec<Kind> {
    use Meets::Run;
    vec![
        kind("huge output", Run(&["output-too-large", "above the limit of 1048576"]), || {
            Guest::giving(&Outcome { counts: vec![300_000_000], ..Outcome::default() })
        }),
        kind("output count overflow", Run(&["malformed-result", "add up to 4294967295"]), || {
            let counts = vec![u32::MAX];
            Guest::giving(&Outcome { counts, values: Col::of(&["one"]), ..Outcome::default() })
        }),
        kind("falling offsets", Run(&["malformed-result", "offsets fall from 5 to 3"]), || {
            keys(Col { data: b"abcde".to_vec(), offsets: vec![0, 5, 3], validity: vec![] })
        }),
        kind("offset past the data", Run(&["malformed-result", "last offset is 9"]), || {
            keys(Col { data: b"abcde".to_vec(), offsets: vec![0, 9], validity: vec![] })
        }),
        kind(
            "wrong validity length",
            Run(&["malformed-result", "validity bitmap has 3 bytes"]),
            || keys(Col { data: b"a".to_vec(), offsets: vec![0, 1], validity: vec![1, 0, 0] }),
        ),
        kind("result outside of memory", Run(&["broken-abi"]), || {
            Guest::transform("(return (i32.const -8))")
        }),
        kind("reason that is no UTF-8", Run(&["rejected", "\u{fffd}"]), || {
            rejecting(|image| image.bytes(&[0xff, 0xfe, b'x']))
        }),
        kind("reason of 1 GiB", Run(&["rejected", "…"]), || rejecting(|_| [1024, 1 << 30])),
    ]
}

/// What it is.
fn at_the_door() -> Vec<Kind> {
    use Meets::{Apply, Nothing, Push};
    vec![
        kind("trap on start", Push(&["failed in `start`", "unreachable"]), || {
            Guest::giving(&fine()).with("(func $begin unreachable) (start $begin)")
        }),
        file("trap in describe", Push(&["failed in `describe`", "unreachable"]), || {
            Guest::giving(&fine()).describe_body("unreachable").build()
        }),
        file("endless describe", Push(&["failed in `describe`", "longer than"]), || {
            Guest::giving(&fine()).describe_body(LOOP).build()
        }),
        kind("trap in configure", Apply(&["failed in `configure`", "unreachable"]), || {
            Guest::giving(&fine()).configure_body("unreachable")
        }),
        kind("forbidden import", Push(&["wasi:http/outgoing-handler", "no network"]), || {
            Guest::giving(&fine()).import(HTTP, "wasi:http/outgoing-handler@0.2.0", HTTP_CORE)
        }),
        kind("import that is not granted", Apply(&["logging", "not granted", "grants"]), || {
            Guest::giving(&fine()).import("", "tidemill:plugin/logging@0.1.0", LOG_CORE)
        }),
        file("component of 100 MB", Push(&["at most", "plugin_bytes_max"]), || padded(100_000_000)),
        kind("10,000 functions", Nothing, || {
            let function = |n| {
                format!("(func (param i32) (result i32) (i32.add (local.get 0) (i32.const {n})))\n")
            };
            Guest::giving(&Outcome::default()).with(&(0..10_000).map(function).collect::<String>())
        }),
    ]
}
