//! The commands of the guide to limits and bad records, run as they stand there.

use std::fs;
use std::path::Path;

use crate::harness::{Host, command, eventually};

/// The blocks of a page by their language, each with the file name that the text before it says.
fn blocks(page: &str) -> Vec<(&str, Option<&str>, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, Option<&str>, String)> = None;
    let mut named = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language, named.take(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, _, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {
                let name = line.strip_prefix('`').and_then(|rest| rest.strip_suffix("`:"));
                named = name.or(named.filter(|_| line.is_empty()));
            }
        }
    }
    blocks
}

/// Runs the commands of a page in `folder`, and gives what each printed.
fn run_page(
    host: &Host,
    folder: &Path,
    page: &str,
    mut before: impl FnMut(&str),
) -> Vec<(String, String)> {
    let mut printed = Vec::new();
    for (_, name, text) in blocks(page) {
        if let Some(name) = name {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    for (language, _, text) in blocks(page) {
        for line in text.lines().filter(|_| language == "sh") {
            before(line);
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[0], "tidemill", "{line}");
            let mut command = command(&words[1..]);
            command.current_dir(folder).env("TIDEMILL_HOST", host.address());
            let output = command.output().unwrap();
            let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{line}\n{stdout}{stderr}");
            printed.push((line.to_owned(), stdout));
        }
    }
    printed
}

#[test]
fn limits_and_poison_records() {
    let page = include_str!("../../docs/guides/limits-and-poison-records.md");
    let (host, folder) = (Host::start(), tempfile::tempdir().unwrap());
    let mended =
        |text: &str| text.replace("on_error =", "params = { value = \"bytes\" }\non_error =");
    let pipeline = blocks(page).into_iter().find(|(_, name, _)| *name == Some("slow-pages.toml"));
    fs::write(folder.path().join("slow-pages-mended.toml"), mended(&pipeline.unwrap().2)).unwrap();
    // What a person would wait for between two commands.
    let waits = |line: &str| {
        let count = |values: usize, letters: usize| {
            eventually(&format!("{values} values and {letters} letters before `{line}`"), || {
                let found = host.values_if_any("slow-pages").len() == values
                    && host.values_if_any("slow-pages-dead-letters").len() == letters;
                found.then_some(())
            });
        };
        match line {
            "tidemill consume slow-pages" => count(2, 2),
            "tidemill pipeline dead-letters slow-pages retry --all" => count(3, 2),
            "tidemill pipeline dead-letters slow-pages list --all" => count(3, 3),
            _ => {}
        }
    };
    let printed = run_page(&host, folder.path(), page, waits);
    let of = |line: &str| &printed.iter().find(|(ran, _)| ran == line).unwrap().1;
    assert_eq!(of("tidemill consume slow-pages"), "0.125\n0.250\n");
    assert!(of("tidemill pipeline dead-letters slow-pages list").contains("rejected"));
    assert!(of("tidemill pipeline status slow-pages").contains("2 dead letters"));
    let all = of("tidemill pipeline dead-letters slow-pages list --all");
    assert_eq!(all.lines().count(), 4, "a heading and three letters:\n{all}");
}
