//! Checkpoints and results in a bucket of a real S3 server.
//!
//! It needs `versitygw` (`go install github.com/versity/versitygw/cmd/versitygw@latest`); where that is not
//! there, the test says so and does nothing.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::harness::{AVAILABLE_NOW, Host, eventually, word_count};

const ACCESS: &str = "tidemill";
const SECRET: &str = "tidemill-secret";

struct Gateway {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Gateway {
    fn start() -> Option<Gateway> {
        let program = find_program()?;
        let folder = tempfile::tempdir().unwrap();
        // A bucket of this server is a folder.
        std::fs::create_dir(folder.path().join("bucket")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["--port", &format!("127.0.0.1:{port}"), "posix"])
            .arg(folder.path())
            .env("ROOT_ACCESS_KEY", ACCESS)
            .env("ROOT_SECRET_KEY", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let gateway = Gateway { child, port, folder };
        eventually("the S3 server listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(gateway)
    }

    fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ]
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.folder.path().join("bucket")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path())
                } else {
                    files.push(entry.path())
                }
            }
        }
        files
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn find_program() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    folders.extend(std::env::var_os("HOME").map(|home| PathBuf::from(home).join("go/bin")));
    folders.into_iter().map(|folder| folder.join("versitygw")).find(|program| program.is_file())
}

/// The server, or a loud word that there is none.
fn gateway() -> Option<Gateway> {
    let gateway = Gateway::start();
    if gateway.is_none() {
        eprintln!(
            "SKIPPED: versitygw is not installed: go install github.com/versity/versitygw/cmd/versitygw@latest"
        );
    }
    gateway
}

#[test]
fn plugins_in_a_bucket_are_there_for_every_host() {
    let Some(gateway) = gateway() else { return };
    let environment = gateway.environment();
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        let flags = ["--registry", "s3://bucket/shared/plugins"];
        Host::start_with(&folder.path().join(name), &flags, &environment)
    };
    let (first, second) = (start("first"), start("second"));
    let file = folder.path().join("plugin.wasm");
    let path = file.to_str().unwrap();
    for (plugin, version) in [("upper-case", "1.0.0"), ("count", "2.0.0")] {
        first.run(&["plugin", "export", plugin, "--to", path]).ok();
        first.run(&["plugin", "push", path, "--name", "mine", "--version", version]).ok();
    }
    second
        .run(&["plugin", "push", path, "--name", "mine", "--version", "1.0.0"])
        .fails(1, &["sha256:"]);
    second.run(&["plugin", "export", "mine@1", "--to", path]).ok();
    let described = second.run(&["-o", "json", "plugin", "inspect", path]).json();
    assert_eq!(described["name"], "upper-case");
    let names: Vec<PathBuf> = gateway.files();
    let named = |end: &str| names.iter().any(|name| name.ends_with(end));
    assert!(named("shared/plugins/names/mine@1.0.0.plugin"), "{names:?}");
    second.run(&["plugin", "remove", "mine@1.0.0"]).ok();
    first.run(&["plugin", "export", "mine@1", "--to", path]).fails(1, &["there is no plugin"]);
}

#[test]
fn a_pipeline_over_a_bucket_goes_on_after_a_crash() {
    let Some(gateway) = gateway() else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let environment = gateway.environment();
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let host = Host::start_with(&data, &[], &environment);
    host.run(&["topic", "create", "in"]).ok();
    host.run_with(&["produce", "in"], b"a b a\n").ok();
    let location = "[checkpoints]\nlocation = \"s3://bucket/checkpoints\"\n\n[[source]]";
    let mut text =
        word_count("words", AVAILABLE_NOW, "in", "totals").replacen("[[source]]", location, 1);
    text.push_str(
        "\n[[sink]]\nname = \"files\"\ninput = \"count\"\nfiles = \"s3://bucket/results\"\n",
    );
    host.apply(&text).ok();
    host.wait_for_state("words", "finished");
    assert!(gateway.files().iter().any(|file| file.to_string_lossy().contains("/checkpoints/")));

    let host = Host::start_with(&host.kill(), &[], &environment);
    host.wait_for_state("words", "finished");
    host.run_with(&["produce", "in"], b"a\n").ok();
    host.run(&["pipeline", "start", "words"]).ok();
    eventually("the state came back", || {
        host.run(&["consume", "totals", "-k", "="]).ok().contains("a=3").then_some(())
    });
    let results: String = gateway
        .files()
        .iter()
        .filter(|file| file.to_string_lossy().contains("/results/"))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    assert!(results.contains("\"3\""), "{results}");
}
