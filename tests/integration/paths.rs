//! From each kind of source to each kind of sink.

use std::io::Write;

use crate::harness::{EVERY_20_MS, Host, eventually};

fn pipeline(source: &str, sink: &str) -> String {
    format!(
        "name = \"p\"\n{EVERY_20_MS}\n\n[[source]]\nname = \"in\"\n{source}\n\n\
         [[operator]]\nname = \"upper\"\nplugin = \"upper-case\"\ninput = \"in\"\n\n[[sink]]\nname = \"out\"\ninput = \"upper\"\n{sink}\n"
    )
}

#[test]
fn files_that_grow_become_records() {
    let host = Host::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, "one\ntwo\nunfin").unwrap();
    host.apply(&pipeline(
        &format!("files = \"{}/*.log\"", folder.path().display()),
        "topic = \"out\"",
    ))
    .ok();
    eventually("the first lines are there", || {
        (host.values_if_any("out") == ["ONE", "TWO"]).then_some(())
    });
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"ished\nlast\n")
        .unwrap();
    std::fs::write(folder.path().join("b.log"), "other\n").unwrap();
    eventually("the other lines are there", || {
        let mut values = host.values_if_any("out");
        values.sort();
        (values == ["LAST", "ONE", "OTHER", "TWO", "UNFINISHED"]).then_some(())
    });
}

#[test]
fn lines_of_a_socket_become_records() {
    let host = Host::start();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    host.apply(&pipeline(&format!("socket = \"{address}\""), "topic = \"out\"")).ok();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"hello\nworld\n").unwrap();
    eventually("the lines are there", || {
        (host.values_if_any("out") == ["HELLO", "WORLD"]).then_some(())
    });
}

#[test]
fn results_become_files() {
    let host = Host::start();
    host.run(&["topic", "create", "in"]).ok();
    let folder = tempfile::tempdir().unwrap();
    host.apply(&pipeline(
        "topic = \"in\"",
        &format!("files = \"file://{}\"", folder.path().display()),
    ))
    .ok();
    host.run_with(&["produce", "in"], b"to a file\n").ok();
    eventually("the file is there", || {
        let found = std::process::Command::new("grep")
            .args(["-rl", "TO A FILE"])
            .arg(folder.path())
            .output()
            .unwrap();
        found.status.success().then_some(())
    });
}

#[test]
fn results_are_printed() {
    let host = Host::start();
    host.run(&["topic", "create", "in"]).ok();
    host.apply(&pipeline("topic = \"in\"", "print = true")).ok();
    host.run_with(&["produce", "in"], b"to the terminal\n").ok();
    let lines = host.stdout_until("TO THE TERMINAL");
    assert!(lines.contains("TO THE TERMINAL"), "{lines}");
}
