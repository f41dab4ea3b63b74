//! The guides: every command in them is run, in order, with a host running.
//!
//! Of a page, fences marked `sh` are run by bash in one folder; a fence after a line that is only a path
//! (`` `src/plugin.py`: ``) is written there; every line of a `text` fence has to be in what the commands before it
//! printed. Other fences are there to be read.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::harness::Host;
use crate::tools;

/// Pages below `docs/guides`, and the tools that their commands need.
const GUIDES: [(&str, &[&str]); 8] = [
    ("plugins-rust", &["cargo", "rust:wasm32-wasip2"]),
    ("plugins-javascript", &["npm"]),
    ("plugins-typescript", &["npm"]),
    ("plugins-python", &["python3"]),
    ("plugins-go", &["go"]),
    ("plugins-c", &["wasi-clang", "make"]),
    ("testing-plugins", &["cargo", "rust:wasm32-wasip2"]),
    ("upgrades", &["cargo", "rust:wasm32-wasip2"]),
];

#[test]
fn the_guide_to_plugins_in_rust() {
    follow("plugins-rust");
}

#[test]
fn the_guide_to_plugins_in_javascript() {
    follow("plugins-javascript");
}

#[test]
fn the_guide_to_plugins_in_typescript() {
    follow("plugins-typescript");
}

#[test]
fn the_guide_to_plugins_in_python() {
    follow("plugins-python");
}

#[test]
fn the_guide_to_testing() {
    follow("testing-plugins");
}

#[test]
fn the_guide_to_upgrades() {
    follow("upgrades");
}

#[test]
fn the_guide_to_plugins_in_go() {
    follow("plugins-go");
}

#[test]
fn the_guide_to_plugins_in_c() {
    follow("plugins-c");
}

/// A page about plugins that nobody follows would go stale.
#[test]
fn every_guide_to_plugins_is_followed() {
    for entry in std::fs::read_dir(guides()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let page = name.trim_end_matches(".md");
        if page.starts_with("plugins-") {
            assert!(GUIDES.iter().any(|(guide, _)| *guide == page), "{name}");
        }
    }
}

fn guides() -> &'static Path {
    Path::new("../../docs/guides")
}

fn follow(page: &str) {
    let (_, needed) = GUIDES.iter().find(|(guide, _)| *guide == page).unwrap();
    if !tools::are_there(&format!("the guide {page}"), needed) {
        return;
    }
    let text = std::fs::read_to_string(guides().join(format!("{page}.md"))).unwrap();
    let steps = steps(&text);
    assert!(steps.iter().any(|step| matches!(step, Step::Run(_))), "{page} has no commands");
    let host = Host::start();
    let folder = tempfile::tempdir().unwrap();
    let printed = folder.path().join("printed");
    std::fs::create_dir(&printed).unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let ran = Command::new("bash")
        .args(["-c", &script(&steps)])
        .current_dir(&work)
        .env("PATH", tools::path())
        .env("TIDEMILL_HOST", host.address())
        .env("PRINTED", &printed)
        .env("npm_config_prefer_offline", "true")
        // A page names the project's own target folder.
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{page}: {messages}");
    for (number, step) in steps.iter().enumerate() {
        let Step::Expect(lines) = step else { continue };
        let output = std::fs::read_to_string(printed.join((number - 1).to_string())).unwrap();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            assert!(output.contains(line), "{page}: `{line}` is not in:\n{output}");
        }
    }
}

/// What a page asks for.
#[derive(Debug, PartialEq)]
enum Step {
    Run(String),
    Write { path: String, content: String },
    Expect(String),
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            if !line.is_empty() {
                before = line;
            }
            continue;
        };
        let content = lines.by_ref().take_while(|line| *line != "```");
        let content: String = content.fold(String::new(), |all, line| all + line + "\n");
        let path = before.strip_prefix('`').and_then(|line| line.strip_suffix("`:"));
        match (kind, path) {
            ("sh", _) => steps.push(Step::Run(content)),
            ("text", _) if matches!(steps.last(), Some(Step::Run(_))) => {
                steps.push(Step::Expect(content))
            }
            (_, Some(path)) => steps.push(Step::Write { path: path.to_owned(), content }),
            _ => {}
        }
        before = "";
    }
    steps
}

/// One script, so that a `cd` holds for what comes after it.
fn script(steps: &[Step]) -> String {
    let mut script = String::from("set -euo pipefail\n");
    for (number, step) in steps.iter().enumerate() {
        let _ = match step {
            Step::Run(commands) => {
                let shown = commands.replace('\'', "'\\''");
                writeln!(
                    script,
                    "printf '%s' '$ {shown}' >&2\n{{\n{commands}}} >\"$PRINTED/{number}\""
                )
            }
            Step::Write { path, content } => writeln!(
                script,
                "mkdir -p \"$(dirname '{path}')\"\ncat >'{path}' <<'END_OF_FILE'\n{content}END_OF_FILE"
            ),
            Step::Expect(_) => Ok(()),
        };
    }
    script
}

#[test]
fn a_page_is_read_as_it_is_meant() {
    let page = "Text\n\n```sh\ncd a\n```\n\n```text\nhello\n```\n\n`b/c.toml`:\n\n```toml\nx = 1\n```\n\n```toml\nread me\n```\n";
    let wanted = [
        Step::Run("cd a\n".to_owned()),
        Step::Expect("hello\n".to_owned()),
        Step::Write { path: "b/c.toml".to_owned(), content: "x = 1\n".to_owned() },
    ];
    assert_eq!(steps(page), wanted);
}
