//! `plugin test`: what the conformance kit finds in honest and in dishonest plugins, and what it says.

use serde_json::Value;

use crate::guests::{Guest, Image, Outcome};
use crate::harness::{Ran, run};

/// The conformance kit with a component.
fn conformance(component: &[u8], args: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plugin.wasm");
    std::fs::write(&file, component).unwrap();
    run(&[&["-o", "json", "plugin", "test", "--conformance", file.to_str().unwrap()], args]
        .concat())
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr))
}

/// Verdict and detail of a check.
fn found<'a>(report: &'a Value, check: &str) -> (&'a str, &'a str) {
    let all = report["conformance"].as_array().unwrap();
    let finding = all.iter().find(|finding| finding["name"] == check).unwrap();
    (finding["verdict"].as_str().unwrap(), finding["detail"].as_str().unwrap_or_default())
}

#[test]
fn the_ready_plugins_stand_it() {
    for ready in tidemill_plugins::ready() {
        let params: &[&str] = match ready.name {
            "contains" => &["--param", "text=error"],
            _ => &[],
        };
        let ran = conformance(ready.component, params);
        let report = report(&ran);
        assert_eq!(ran.code, 0, "{}: {report}", ready.name);
        assert_eq!(report["plugin"], ready.name);
        assert_eq!(found(&report, "memory over 10,000 calls"), ("passed", ""), "{}", ready.name);
        assert_eq!(found(&report, "the same records twice"), ("passed", ""), "{}", ready.name);
    }
}

#[test]
fn a_plugin_that_answers_otherwise_the_next_time_is_found() {
    // Keeps every record in its first call, and fails the others.
    let forgetful = |image: &mut Image| {
        let same = image.outcome(&Outcome::default());
        let [start, length] = image.bytes(b"not again");
        let failed = image.words(&[1, 1, start, length]);
        format!(
            "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (select (i32.const {same}) (i32.const {failed}) (i32.eq (global.get $calls) (i32.const 1)))"
        )
    };
    let guest = Guest::laid_out(forgetful).with("(global $calls (mut i32) (i32.const 0))");
    let ran = conformance(&guest.build(), &[]);
    let told = report(&ran);
    let (verdict, detail) = found(&told, "the same records twice");
    assert_eq!(verdict, "failed", "{told}");
    assert!(detail.contains("in a later call: not again"), "{detail}");
    assert_eq!(found(&told, "the same records in a new instance"), ("passed", ""));
    assert_eq!(found(&told, "the same records cut into other batches").0, "failed");
    ran.fails(1, &["`guest` fails"]);
}

#[test]
fn traps_and_malformed_results_are_named() {
    let ran = conformance(&Guest::transform("unreachable").build(), &[]);
    let told = report(&ran);
    assert_eq!(found(&told, "one record").0, "failed");
    assert!(found(&told, "one record").1.contains("unreachable"), "{told}");
    assert_eq!(found(&told, "parameters missing, unknown and of a wrong kind"), ("passed", ""));
    ran.fails(1, &[]);

    let ran = conformance(&Guest::filter(&[0xff]).build(), &[]);
    let told = report(&ran);
    assert!(found(&told, "absent keys and values").1.contains("bitmap"), "{told}");
}

#[test]
fn a_plugin_that_refuses_by_its_own_word_is_noted() {
    let refusing = Guest::giving_words(|image| {
        let [start, length] = image.bytes(b"no record is good enough");
        vec![1, 1, start, length]
    });
    let ran = conformance(&refusing.build(), &[]);
    let told = report(&ran);
    let (verdict, detail) = found(&told, "bytes that are not UTF-8");
    assert!(verdict == "noted" && detail.contains("good enough"), "{told}");
    assert_eq!(found(&told, "the same records twice").0, "skipped");
    // Of an empty batch there is nothing to refuse.
    assert_eq!(found(&told, "an empty batch").0, "failed");
}

#[test]
fn a_parameter_that_has_to_be_set_is_asked_for() {
    let guest = Guest::giving(&Outcome::default())
        .described(|image| image.description("guest", "1.0.0", 0b1111, &["topic"]));
    let component = guest.build();
    conformance(&component, &[]).fails(1, &["`topic`", "--param NAME=VALUE"]);
    let ran = conformance(&component, &["--param", "topic=lines"]);
    assert_eq!(report(&ran)["plugin"], "guest");
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}

#[test]
fn people_get_lines_and_mistakes_their_place() {
    let upper = tidemill_plugins::ready().iter().find(|ready| ready.name == "upper-case").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("upper.wasm");
    std::fs::write(&file, upper.component).unwrap();
    let text = run(&["plugin", "test", "--conformance", file.to_str().unwrap()]).ok();
    for told in ["upper-case@", "a transform", "  passed  one record", "0 failed"] {
        assert!(text.contains(told), "`{told}` is not in:\n{text}");
    }

    let path = dir.path().to_str().unwrap();
    std::fs::write(dir.path().join("cases.toml"), "[[case]]\nname = 1\n").unwrap();
    run(&["plugin", "test", path]).fails(1, &["cases.toml` is not valid", "line 2"]);
    std::fs::write(dir.path().join("cases.toml"), "").unwrap();
    run(&["plugin", "test", path]).fails(1, &["holds no project"]);
    run(&["plugin", "test", "--conformance", "no-such-file"]).fails(1, &["read `no-such-file`"]);
    std::fs::write(dir.path().join("text.wasm"), "(component)").unwrap();
    let text = dir.path().join("text.wasm");
    run(&["plugin", "test", "--conformance", text.to_str().unwrap()])
        .fails(1, &["is no plugin that can be loaded", "WebAssembly text"]);
}
