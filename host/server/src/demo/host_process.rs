//! The demo's own host: a child process on a fresh folder and a free port, which can be killed.
//!
//! **It never outlives the demo unless it is kept**: it ends by itself when the pipe to its standard input
//! closes, however the demo ended.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::DemoError;
use crate::client::Client;
use crate::clock;

const START_TIMEOUT: Duration = Duration::from_secs(30);
/// What a host promises, and some more.
const STOP_TIMEOUT: Duration = Duration::from_secs(6);
/// What of its log is shown when it does not start.
const LOG_LINES_SHOWN: usize = 12;

/// What `serve -o json` prints once it is ready.
#[derive(Deserialize)]
struct ReadyLine {
    http: String,
}

/// A running host.
pub struct HostProcess {
    data: PathBuf,
    keep: bool,
    /// From now on it is the person's.
    left: bool,
    child: Child,
    http: String,
    started_in: Duration,
}

impl HostProcess {
    /// Starts a host on `data` and waits until it is ready. With `keep` it may outlive the demo.
    pub async fn start(data: &Path, keep: bool) -> Result<HostProcess, DemoError> {
        let started = clock::now();
        let log = data.join("host.log");
        let mut child = command(data, keep, open_log(&log)?)?.spawn().map_err(DemoError::Spawn)?;
        let stdout = child.stdout.take().ok_or_else(|| no_start(&log))?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(START_TIMEOUT, lines.next_line())
            .await
            .ok()
            .and_then(Result::ok)
            .flatten();
        let ready = line
            .and_then(|line| serde_json::from_str::<ReadyLine>(&line).ok())
            .ok_or_else(|| no_start(&log))?;
        Ok(HostProcess {
            data: data.to_owned(),
            keep,
            left: false,
            child,
            http: ready.http,
            started_in: started.elapsed(),
        })
    }

    /// Kills it as a crash would (SIGKILL).
    pub async fn kill(&mut self) -> Result<(), DemoError> {
        self.child.kill().await.map_err(DemoError::Kill)
    }

    /// Leaves it up when this value goes.
    pub fn leave(&mut self) {
        self.left = true;
    }

    /// Ends it in good order, as a person would with Ctrl-C.
    pub async fn stop(mut self) -> Result<(), DemoError> {
        drop(self.child.stdin.take());
        match tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await {
            Ok(ended) => ended.map(drop).map_err(DemoError::Kill),
            Err(_) => self.kill().await,
        }
    }

    /// Another host on the same folder, after this one's end.
    pub async fn restart(self) -> Result<HostProcess, DemoError> {
        HostProcess::start(&self.data, self.keep).await
    }

    pub fn client(&self) -> Result<Client, DemoError> {
        Ok(Client::new(&self.http)?)
    }

    pub fn address(&self) -> &str {
        &self.http
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// From the start of the process until it was ready.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        if !self.left {
            // It may have ended already.
            let _ = self.child.start_kill();
        }
    }
}

fn command(data: &Path, keep: bool, log: File) -> Result<Command, DemoError> {
    let program = std::env::current_exe().map_err(DemoError::Spawn)?;
    let mut command = Command::new(program);
    command
        .args([
            "serve",
            "--output",
            "json",
            "--http",
            "127.0.0.1:0",
            "--kafka",
            "127.0.0.1:0",
            "--data",
        ])
        .arg(data);
    // What the person's own host is configured with is not meant for this one.
    for name in
        ["TIDEMILL_CONFIG", "TIDEMILL_DATA", "TIDEMILL_HTTP", "TIDEMILL_KAFKA", "TIDEMILL_OUTPUT"]
    {
        command.env_remove(name);
    }
    if keep {
        command.stdin(Stdio::null());
    } else {
        command.arg("--end-with-stdin").stdin(Stdio::piped());
    }
    command.stdout(Stdio::piped()).stderr(log);
    Ok(command)
}

fn open_log(path: &Path) -> Result<File, DemoError> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|source| DemoError::Folder { path: path.to_owned(), source })
}

fn no_start(log: &Path) -> DemoError {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
    DemoError::NoStart { log: shown }
}
