//! What is refused at load, by name and with a hint, and what a loaded plugin says about itself.

mod guests;

use std::time::{Duration, Instant};

use guests::{Guest, chain, load, runtime};
use tidemill_plugin::{
    ConfigureError, Digest, Grants, Limits, LoadError, ParameterKind, Runtime, RuntimeConfig,
    Settings, World,
};

#[track_caller]
fn assert_refused(component: &[u8], message: &str, hint: &str) {
    let error = load(component).unwrap_err();
    let chain = chain(&error);
    assert!(chain.contains(message), "{chain}");
    let hinted = error.hint().unwrap_or_default();
    assert!(hinted.contains(hint), "{hinted}");
}

fn honest() -> Guest {
    Guest::transform("unreachable")
}

#[test]
fn a_plugin_says_what_it_is() {
    let guest = honest().described(|image| {
        image.description("split-words", "2.1.0-rc.1", 0b0010, &["separator", "case"])
    });
    let component = guest.build();
    let plugin = load(&component).unwrap();
    assert_eq!(plugin.world(), World::Transform);
    assert_eq!(plugin.digest(), Digest::of(&component));
    assert_eq!(plugin.component_bytes(), component.len());
    let description = plugin.description();
    assert_eq!(description.name, "split-words");
    assert_eq!(description.version.to_string(), "2.1.0-rc.1");
    assert_eq!(description.summary, "a guest by hand");
    assert_eq!(description.ports, ["out"]);
    let reads = description.reads;
    assert_eq!(
        (reads.keys, reads.values, reads.headers, reads.timestamps),
        (false, true, false, false)
    );
    let parameters: Vec<_> =
        description.parameters.iter().map(|p| (p.name.as_str(), p.kind)).collect();
    assert_eq!(parameters, [("separator", ParameterKind::Text), ("case", ParameterKind::Text)]);
    let error = plugin
        .operator("o", &Settings::new().with("separators", ","), Limits::default())
        .unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("did you mean `separator`?"));
}

#[test]
fn the_same_component_is_loaded_once() {
    let runtime = runtime();
    let component = honest().build();
    let plugin = runtime.load(&component, &Grants::none()).unwrap();
    let again = runtime.load(&component, &Grants::none()).unwrap();
    assert!(std::sync::Arc::ptr_eq(&plugin, &again));
    let granted = runtime.load(&component, &Grants::all()).unwrap();
    assert!(!std::sync::Arc::ptr_eq(&plugin, &granted));
}

#[test]
fn files_that_are_no_component_are_refused() {
    assert_refused(b"", "it is not WebAssembly", "give the component");
    assert_refused(b"\x7fELF\x02\x01\x01\0\0\0\0", "it is not WebAssembly", "give the component");
    assert_refused(b"\0asm\x01\0\0\0", "core module", "wasm-tools component new");
    assert_refused(b"(component)", "text", "wasm-tools parse");
    let whole = honest().build();
    assert_refused(&whole[..whole.len() - 3], "it is cut off", "copy the file again");
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8].fill(0xFF);
    assert!(load(&damaged).is_err());
}

#[test]
fn large_components_are_refused_quickly() {
    let large = vec![0; 100 << 20];
    #[allow(clippy::disallowed_methods, reason = "a test's own stopwatch")]
    let started = Instant::now();
    assert_refused(&large, "above the limit of 67108864", "component_bytes_max");
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[test]
fn every_cut_and_every_flipped_byte_is_an_error_or_a_plugin_and_never_a_panic() {
    let whole = honest().build();
    let runtime = runtime();
    for cut in (0..whole.len()).step_by(37) {
        assert!(runtime.load(&whole[..cut], &Grants::none()).is_err());
    }
    for at in (0..whole.len()).step_by(53) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x40;
        let _ = runtime.load(&flipped, &Grants::none());
    }
}

#[test]
fn components_of_another_world_are_refused() {
    let nothing = wat::parse_str("(component)").unwrap();
    assert_refused(&nothing, "it exports nothing of `tidemill:plugin`", "SDK");
    let other = wat::parse_str(
        r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f"))) (export "run" (func $f)))"#,
    );
    assert_refused(&other.unwrap(), "but `run`", "SDK");
    // The right name, another type.
    let instance = r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $d (export "describe" (func $f)) (export "configure" (func $f)))
        (instance $t (export "process" (func $f)))
        (export "tidemill:plugin/definition@0.1.0" (instance $d))
        (export "tidemill:plugin/transformer@0.1.0" (instance $t)))"#;
    let another_type = wat::parse_str(instance).unwrap();
    assert_refused(&another_type, "has another type than in the contract", "SDK");
    let missing = instance.replace("\"process\"", "\"proceed\"");
    assert_refused(&wat::parse_str(missing).unwrap(), "`process` is missing", "export");
    let newer = instance.replace("0.1.0", "0.2.0");
    assert_refused(&wat::parse_str(newer).unwrap(), "this host speaks tidemill:plugin 0.1", "0.1");
}

#[test]
fn imports_outside_of_the_contract_are_refused_by_name() {
    let importing = |package, interface: &str, function| {
        honest()
            .import(
                package,
                interface,
                &format!("(import \"{interface}\" \"{function}\" (func (param i32)))"),
            )
            .build()
    };
    let http = importing(
        "package wasi:http@0.2.0; interface outgoing { send: func(what: u32); }",
        "wasi:http/outgoing@0.2.0",
        "send",
    );
    assert_refused(&http, "`wasi:http/outgoing@0.2.0`, which no plugin may", "no network");
    let own = importing(
        "package acme:host@1.0.0; interface secrets { read: func(what: u32); }",
        "acme:host/secrets@1.0.0",
        "read",
    );
    assert_refused(&own, "`acme:host/secrets@1.0.0`", "virtual WASI");
    let newer = importing(
        "package wasi:cli@0.3.0; interface exit { exit: func(what: u32); }",
        "wasi:cli/exit@0.3.0",
        "exit",
    );
    assert_refused(&newer, "`wasi:cli/exit@0.3.0`, which this host does not have", "0.2");
    let mistyped = importing(
        "package wasi:cli@0.2.0; interface exit { exit: func(what: u32); }",
        "wasi:cli/exit@0.2.0",
        "exit",
    );
    assert_refused(&mistyped, "imports do not fit", "WASI 0.2");
}

#[test]
fn what_is_not_granted_is_refused_with_the_grants_name() {
    let logging = r#"(import "tidemill:plugin/logging@0.1.0" "log" (func (param i32 i32 i32)))"#;
    let component = honest().import("", "tidemill:plugin/logging@0.1.0", logging).build();
    assert_refused(
        &component,
        "`tidemill:plugin/logging@0.1.0`, which is not granted",
        "grants = [\"logging\"]",
    );
    let granted = Grants { logging: true, ..Grants::none() };
    assert!(runtime().load(&component, &granted).is_ok());
}

#[test]
fn a_component_that_fails_to_start_or_describe_is_refused() {
    let start = honest().with("(func $start unreachable) (start $start)");
    assert_refused(&start.build(), "failed in `start`: the plugin trapped", "bug");
    let trap = honest().describe_body("unreachable");
    assert_refused(&trap.build(), "failed in `describe`: the plugin trapped", "bug");
    let endless = honest().describe_body("(loop $again (br $again)) unreachable");
    assert_refused(&endless.build(), "failed in `describe`: the call took longer than 2s", "loops");
    let endless = honest().with("(func $start (loop $again (br $again))) (start $start)");
    assert_refused(&endless.build(), "failed in `start`: the call took longer than 2s", "loops");
}

#[test]
fn descriptions_are_checked_and_bounded() {
    let describing = |name: &'static str, version: &'static str, texts: &'static [&str]| {
        honest().described(move |image| image.description(name, version, 0, texts)).build()
    };
    assert_refused(&describing("../../etc", "1.0.0", &[]), "the name `../../etc`", "describe");
    assert_refused(&describing("ok", "one", &[]), "the version `one`", "describe");
    assert_refused(
        &describing("ok", "1.0.0", &["a", "a"]),
        "two parameters called `a`",
        "describe",
    );
    // Sixteen million parameters at the same address.
    let many = honest().described(|image| {
        let texts = [image.bytes(b"ok"), image.bytes(b"1.0.0"), image.bytes(b"")].concat();
        image.words(&[&texts[..], &[1024, 16_000_000, 0, 0, 0, 0]].concat())
    });
    assert_refused(&many.build(), "failed in `describe`", "SDK");
    // A name of four megabytes.
    let long = honest().described(|image| {
        let texts = [[1024, 4 << 20], image.bytes(b"1.0.0"), image.bytes(b"")].concat();
        image.words(&[&texts[..], &[0; 6]].concat())
    });
    assert!(load(&long.build()).is_err());
}

#[test]
fn limits_above_the_hosts_are_refused() {
    let plugin = load(&honest().build()).unwrap();
    let limits = Limits { memory_bytes_max: 2 << 30, ..Limits::default() };
    let error = plugin.operator("o", &Settings::new(), limits).unwrap_err();
    assert!(matches!(error, ConfigureError::Limit { limit: "memory", .. }), "{error:?}");
    // Four MiB at its start do not fit into one.
    let limits = Limits { memory_bytes_max: 1 << 20, ..Limits::default() };
    let error = plugin.operator("o", &Settings::new(), limits).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("raise `limits.memory`"), "{}", chain(&error));
}

#[test]
fn memory_above_what_the_host_has_is_refused_at_load() {
    let config = RuntimeConfig { memory_bytes_max: 1 << 20, ..RuntimeConfig::default() };
    let error = Runtime::new(config).unwrap().load(&honest().build(), &Grants::none()).unwrap_err();
    assert!(matches!(error, LoadError::Invalid { .. } | LoadError::Describe(_)), "{error:?}");
}

#[test]
fn features_that_would_break_determinism_are_off() {
    let shared = honest().with("(memory $shared 1 1 shared)");
    assert_refused(&shared.build_unchecked(), "not valid here", "threads");
    let relaxed = honest().with(
        "(func (param v128) (result v128)
           (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))",
    );
    assert_refused(&relaxed.build_unchecked(), "not valid here", "relaxed SIMD");
}
