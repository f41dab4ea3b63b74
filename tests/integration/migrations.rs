//! A version in another language goes on with the state of the one before it.
//!
//! The older version is the ready plugin `count`, whose accumulator is the number of a key's records, the lowest byte
//! first; the newer one is a language's template of a reducer, which counts bytes as well, and learns to read that.

use std::path::Path;

use crate::harness::{EVERY_20_MS, Host, eventually, run, word_count};
use crate::projects::with_tools;
use crate::tools;

/// What makes a template of a version 2 that reads version 1: in a file, this becomes that.
struct Change {
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

/// Where all languages but one say what they are.
const MANIFEST: &str = "tidemill-plugin.toml";

fn goes_on_in(language: &str, needed: &[&str], changes: &[Change]) {
    if !tools::are_there(&format!("a migration in {language}"), needed) {
        return;
    }
    let host = Host::start();
    host.run(&["topic", "create", "in"]).ok();
    host.run_with(&["produce", "in"], b"a b a\n").ok();
    let limits = "input = \"split\"\nlimits = { memory = \"256MiB\", call = \"5s\" }";
    let counting = word_count("words", EVERY_20_MS, "in", "totals");
    host.apply(&counting.replace("input = \"split\"", limits)).ok();
    let has = |line: &str| host.run(&["consume", "totals", "-k", "="]).ok().contains(line);
    eventually("the words are counted", || has("a=2").then_some(()));

    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("younger");
    let dir = project.to_str().unwrap();
    let args = ["plugin", "new", "younger", "--lang", language, "--world", "reducer"];
    run(&[&args[..], &["--path", dir]].concat()).ok();
    for change in changes {
        edit(&project.join(change.file), change);
    }
    if project.join(MANIFEST).exists() {
        let path = project.join(MANIFEST);
        let manifest = std::fs::read_to_string(&path).unwrap();
        // Without it, nobody would know of `migrate`.
        std::fs::write(&path, manifest + "migrates = true\n").unwrap();
    }
    let built = with_tools(&["-o", "json", "plugin", "build", dir], folder.path());
    host.run(&["plugin", "push", built["component"].as_str().unwrap()]).ok();
    let upgrade = ["pipeline", "upgrade", "words", "--operator", "count", "--to", "younger"];
    host.run(&upgrade).ok();
    host.run_with(&["produce", "in"], b"a c\n").ok();
    eventually("the count goes on", || has("a=3 records, 0 bytes").then_some(()));
    assert!(has("c=1 records, 0 bytes"));
    // A failed call leaves the state, and what runs, as it was.
    host.run(&["pipeline", "rollback", "words", "--operator", "count"]).fails(1, &["hint"]);
    host.run_with(&["produce", "in"], b"b\n").ok();
    eventually("nothing is lost", || has("b=2 records, 0 bytes").then_some(()));
}

fn edit(path: &Path, change: &Change) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(change.from), "{} has no `{}`", path.display(), change.from);
    std::fs::write(path, text.replacen(change.from, change.to, 1)).unwrap();
}

#[test]
fn in_javascript() {
    let migrate = "migrate: (state) => ({ records: state.bytes[0], bytes: 0 }),\n  finish:";
    let changes = [
        Change { file: "src/plugin.js", from: "stateVersion: 1", to: "stateVersion: 2" },
        Change { file: "src/plugin.js", from: "finish:", to: migrate },
    ];
    goes_on_in("js", &["npm"], &changes);
}

#[test]
fn in_typescript() {
    let migrate = "migrate: (state, fromVersion): Seen => ({ records: state.bytes[0]!, bytes: fromVersion - 1 }),\n  finish:";
    let changes = [
        Change { file: "src/plugin.ts", from: "stateVersion: 1", to: "stateVersion: 2" },
        Change { file: "src/plugin.ts", from: "finish:", to: migrate },
    ];
    goes_on_in("ts", &["npm"], &changes);
}

#[test]
fn in_python() {
    let migrate = "    def migrate(self, state: bytes, from_version: int) -> Seen:\n        return int.from_bytes(state, \"little\"), 0\n\n    def finish";
    let changes = [
        Change { file: "src/plugin.py", from: "state_version = 1", to: "state_version = 2" },
        Change { file: "src/plugin.py", from: "    def finish", to: migrate },
    ];
    goes_on_in("python", &["componentize-py"], &changes);
}

#[test]
fn in_go() {
    let migrate = "Finish: finish, Migrate: migrate})\n\nfunc migrate(_ uint32, state []byte) (Seen, error) {\n\treturn Seen{Records: uint64(state[0])}, nil\n}\n";
    let changes = [
        Change { file: "plugin.go", from: "StateVersion: 1", to: "StateVersion: 2" },
        Change { file: "plugin.go", from: "Finish: finish})", to: migrate },
    ];
    goes_on_in("go", &["go"], &changes);
}

#[test]
fn in_c() {
    let migrate = "static tidemill_status migrate(uint32_t from_version, tidemill_bytes state, void *accumulator) {\n    if (from_version != 1) return tidemill_fatal(\"no version %d\", (int)from_version);\n    struct seen *seen = accumulator;\n    memcpy(&seen->records, state.data, sizeof seen->records);\n    return TIDEMILL_OK;\n}\n\n/* What the component exports. */";
    let changes = [
        Change { file: "src/plugin.c", from: ".state_version = 1", to: ".state_version = 2" },
        Change { file: "src/plugin.c", from: "/* What the component exports. */", to: migrate },
        Change {
            file: "src/plugin.c",
            from: ".finish = finish,",
            to: ".finish = finish,\n    .migrate = migrate,",
        },
    ];
    goes_on_in("c", &["wasi-clang"], &changes);
}
