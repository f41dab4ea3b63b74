//! Every template, from `plugin new` to records that went through it in a running host.
//!
//! One table over languages and worlds. A template's own tests are run as its README says.

use std::path::Path;
use std::process::Command;

use crate::harness::{AVAILABLE_NOW, Host, run};
use crate::tools;

/// What a language's projects need, and how their own tests are run.
struct Chain {
    language: &'static str,
    tools: &'static [&'static str],
    tests: &'static str,
}

const CHAINS: [Chain; 6] = [
    Chain {
        language: "rust",
        tools: &["cargo", "rust:wasm32-wasip2"],
        tests: "cargo test --quiet",
    },
    Chain {
        language: "js",
        tools: &["npm"],
        tests: "npm install --no-audit --no-fund && npm test",
    },
    Chain {
        language: "ts",
        tools: &["npm"],
        tests: "npm install --no-audit --no-fund && npm test",
    },
    Chain { language: "python", tools: &["componentize-py", "pytest"], tests: "pytest --quiet" },
    Chain { language: "go", tools: &["go"], tests: "go vet ./... && go test ./..." },
    Chain { language: "c", tools: &["wasi-clang", "make"], tests: "make test" },
];

/// A world's records in (key, value), and what every template makes of them.
struct Expected {
    world: &'static str,
    input: &'static str,
    output: &'static [(&'static str, &'static str)],
}

const EXPECTED: [Expected; 3] = [
    Expected {
        world: "transform",
        input: "a:to be or longer\nb:\nc:another",
        output: &[("longer", ""), ("another", "")],
    },
    Expected {
        world: "filter",
        input: "a:an error\nb:all is well\nc:error",
        output: &[("a", "an error"), ("c", "error")],
    },
    Expected {
        world: "reducer",
        input: "a:x\nb:\na:yy",
        output: &[("a", "2 records, 3 bytes"), ("b", "1 records, 0 bytes")],
    },
];

#[test]
fn rust_templates() {
    every_world("rust");
}

#[test]
fn js_templates() {
    every_world("js");
}

#[test]
fn ts_templates() {
    every_world("ts");
}

#[test]
fn python_templates() {
    every_world("python");
}

#[test]
fn go_templates() {
    every_world("go");
}

#[test]
fn c_templates() {
    every_world("c");
}

/// The list is what the table tries: a language that is added has to be tried as well.
#[test]
fn every_listed_template_is_tried() {
    let listed = run(&["-o", "json", "plugin", "new", "--list"]).json();
    for language in listed.as_array().unwrap() {
        let name = language["language"].as_str().unwrap();
        assert!(CHAINS.iter().any(|chain| chain.language == name), "{name}");
        for world in language["worlds"].as_array().unwrap() {
            assert!(EXPECTED.iter().any(|expected| expected.world == world), "{name} {world}");
        }
    }
    assert!(run(&["plugin", "new", "--list"]).ok().contains("wasm32-wasip2"));
}

#[test]
fn what_cannot_be_started_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    run(&["plugin", "new", "mine", "--lang", "rust", "--path", path])
        .fails(1, &["is not empty", "hint: name an empty folder"]);
    run(&["plugin", "new", "Mine", "--lang", "rust"])
        .fails(2, &["lower case, words joined by `-`"]);
    run(&["plugin", "new", "async", "--lang", "rust"]).fails(2, &["`my-async`"]);
    run(&["plugin", "new", "mine", "--lang", "cobol"]).fails(2, &["possible values", "python"]);
    run(&["plugin", "new", "mine"]).fails(2, &["--lang"]);
    run(&["plugin", "build", path]).fails(1, &["holds no project", "hint"]);
    std::fs::write(dir.path().join("pyproject.toml"), "").unwrap();
    run(&["plugin", "build", path]).fails(1, &["tidemill-plugin.toml", "world = \"transform\""]);
    std::fs::write(dir.path().join("tidemill-plugin.toml"), "world = \"filter\"\n").unwrap();
    run(&["plugin", "build", path]).fails(1, &["has no `name`", "hint"]);
}

fn every_world(language: &str) {
    let chain = CHAINS.iter().find(|chain| chain.language == language).unwrap();
    if !tools::are_there(&format!("the templates in {language}"), chain.tools) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start();
    let listed = run(&["-o", "json", "plugin", "new", "--list"]).json();
    let found =
        listed.as_array().unwrap().iter().find(|found| found["language"] == language).unwrap();
    for world in found["worlds"].as_array().unwrap() {
        let expected = EXPECTED.iter().find(|expected| expected.world == world).unwrap();
        one_project(chain, expected, &host, folder.path());
    }
}

fn one_project(chain: &Chain, expected: &Expected, host: &Host, folder: &Path) {
    let name = format!("{}-{}", chain.language, expected.world);
    let project = folder.join(&name);
    let dir = project.to_str().unwrap();
    let args = ["plugin", "new", &name, "--lang", chain.language, "--world", expected.world];
    let created = run(&[&["-o", "json"][..], &args[..], &["--path", dir][..]].concat()).json();
    assert!(created["files"].as_array().unwrap().contains(&"README.md".into()), "{created}");
    shell(chain.tests, &project, folder);

    // It builds as well; not every tool chain makes the same bytes again.
    passes_its_trial(&name, &with_tools(&["-o", "json", "plugin", "test", dir], folder));
    let built = with_tools(&["-o", "json", "plugin", "build", dir], folder);
    let component = built["component"].as_str().unwrap();
    assert_eq!(built["language"], chain.language);
    assert_eq!(std::fs::metadata(component).unwrap().len(), built["bytes"].as_u64().unwrap());

    let pushed = host.run(&["-o", "json", "plugin", "push", component]).json();
    assert_eq!((&pushed["digest"], &pushed["world"]), (&built["digest"], &expected.world.into()));
    assert_eq!((&pushed["name"], &pushed["version"]), (&name.as_str().into(), &"0.1.0".into()));
    assert_eq!(records_through(host, &name, expected), expected.output, "{name}");
}

/// The JSON of a command that calls a language's tools.
pub fn with_tools(args: &[&str], folder: &Path) -> serde_json::Value {
    let mut command = crate::harness::command(args);
    let ran = command
        .env("PATH", tools::path())
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&ran.stderr);
    let printed = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{args:?}: {messages}{printed}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// The template's cases and the conformance kit.
fn passes_its_trial(name: &str, report: &serde_json::Value) {
    assert_eq!(report["plugin"], name);
    assert!(!report["cases"].as_array().unwrap().is_empty(), "{report}");
    assert!(report["conformance"].as_array().unwrap().len() >= 14, "{report}");
    for finding in ["cases", "conformance"].iter().flat_map(|part| report[part].as_array().unwrap())
    {
        let is_skipped = finding["verdict"] == "skipped";
        let may_be =
            name.ends_with("reducer") && finding["name"].as_str().unwrap().contains("odd values");
        assert!(!is_skipped || may_be, "{name}: {finding}");
    }
}

/// A template's own tests, as its README runs them.
fn shell(script: &str, project: &Path, folder: &Path) {
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(project)
        .env("PATH", tools::path())
        // The worlds of a language share what they depend on.
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env("npm_config_prefer_offline", "true")
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}: {script}\n{}",
        project.display(),
        String::from_utf8_lossy(&told)
    );
}

fn records_through(
    host: &Host,
    name: &str,
    expected: &Expected,
) -> Vec<(&'static str, &'static str)> {
    let (input, output) = (format!("{name}-in"), format!("{name}-out"));
    host.run(&["topic", "create", &input]).ok();
    host.run_with(&["produce", &input, "--key-separator", ":"], expected.input.as_bytes()).ok();
    let pipeline = crate::harness::pipeline(name, AVAILABLE_NOW, &input, name, &output)
        .replace("[[sink]]", "limits = { memory = \"256MiB\", call = \"5s\" }\n\n[[sink]]");
    host.apply(&pipeline).ok();
    host.wait_for_state(name, "finished");
    let mut left: Vec<_> = expected.output.to_vec();
    // Every record that came out has to be one that is expected, and none may be left.
    let records = host.records(&output).into_iter().map(|record| {
        let (key, value) = (record["key"].as_str().unwrap(), record["value"].as_str().unwrap());
        let index = left.iter().position(|expected| *expected == (key, value));
        left.remove(index.unwrap_or_else(|| panic!("{name}: {record}")))
    });
    records.collect()
}
