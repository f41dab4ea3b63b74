//! Hosts on free ports and fresh folders, and commands that talk to them.
//! **A host ends with its value**, killed by its process id.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The only clock of the tests: they wait, but measure nothing.
#[expect(clippy::disallowed_methods, reason = "the tests' clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// What a command did.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Asserts success, and gives stdout.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout
    }

    /// Asserts success, and reads stdout as JSON.
    #[track_caller]
    pub fn json(self) -> Value {
        let stdout = self.ok();
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
    }

    /// Asserts this exit code and that stderr has each of these texts.
    #[track_caller]
    pub fn fails(self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "`{text}` is not in: {}", self.stderr);
        }
    }
}

/// The binary, without the surroundings of the person who runs the tests.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    let set: Vec<String> = std::env::vars()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("TIDEMILL_"))
        .collect();
    for name in set {
        command.env_remove(name);
    }
    if args.contains(&"serve") && !args.contains(&"--help") {
        // No test takes the port that people use.
        command.env("TIDEMILL_KAFKA", "127.0.0.1:0");
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(args: &[&str]) -> Ran {
    finish(command(args), b"")
}

fn finish(mut command: Command, input: &[u8]) -> Ran {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    if let Some(mut stdin) = child.stdin.take() {
        // A command that refuses its input early closes the pipe.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running host.
pub struct Host {
    child: Child,
    http: String,
    kafka: String,
    data: PathBuf,
    folder: Option<TempDir>,
    /// Kept open: a host whose reader is gone must not mind, but that is not what most tests are about.
    stdout: BufReader<ChildStdout>,
}

impl Host {
    /// On a fresh folder.
    pub fn start() -> Host {
        let folder = tempfile::tempdir().unwrap();
        Host::start_on(folder.path()).keeping(folder)
    }

    /// On a folder that outlives it.
    pub fn start_on(data: &Path) -> Host {
        Host::start_with(data, &[], &[])
    }

    /// With more flags and environment.
    pub fn start_with(data: &Path, flags: &[&str], environment: &[(&str, &str)]) -> Host {
        let mut command = command(&["-o", "json", "serve", "--http", "127.0.0.1:0", "--data"]);
        command.arg(data).args(flags).envs(environment.iter().copied());
        std::fs::create_dir_all(data).unwrap();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log_of(data)).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!(
                "the host did not start: {}",
                std::fs::read_to_string(log_of(data)).unwrap_or_default()
            )
        });
        let http = ready["http"].as_str().unwrap().to_owned();
        let kafka = ready["kafka"].as_str().unwrap_or_default().to_owned();
        Host { child, http, kafka, data: data.to_owned(), folder: None, stdout }
    }

    /// Together with its folder, which is deleted after its end.
    pub fn keeping(mut self, folder: TempDir) -> Host {
        self.folder = Some(folder);
        self
    }

    pub fn address(&self) -> &str {
        &self.http
    }

    /// `127.0.0.1:PORT`.
    pub fn socket(&self) -> &str {
        self.http.trim_start_matches("http://")
    }

    /// `127.0.0.1:PORT` for Kafka clients.
    pub fn kafka(&self) -> &str {
        &self.kafka
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its log lines so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_of(&self.data)).unwrap_or_default()
    }

    /// A command that talks to this host.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, b"")
    }

    /// The same, with this on its standard input.
    pub fn run_with(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut command = command(args);
        command.env("TIDEMILL_HOST", &self.http);
        finish(command, input)
    }

    /// Applies a pipeline that is written here.
    pub fn apply(&self, text: &str) -> Ran {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        self.run(&["pipeline", "apply", file.path().to_str().unwrap()])
    }

    /// A pipeline's status.
    pub fn status(&self, pipeline: &str) -> Value {
        self.run(&["-o", "json", "pipeline", "status", pipeline]).json()
    }

    /// Waits until a pipeline is in this state.
    #[track_caller]
    pub fn wait_for_state(&self, pipeline: &str, state: &str) -> Value {
        eventually(&format!("{pipeline} is {state}"), || {
            let status = self.status(pipeline);
            (status["state"] == state).then_some(status)
        })
    }

    /// All records of a topic, as JSON.
    pub fn records(&self, topic: &str) -> Vec<Value> {
        let lines = self.run(&["-o", "json", "consume", topic]).ok();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// All values of a topic.
    pub fn values(&self, topic: &str) -> Vec<String> {
        self.run(&["consume", topic]).ok().lines().map(str::to_owned).collect()
    }

    /// The same, none where the topic is not there yet.
    pub fn values_if_any(&self, topic: &str) -> Vec<String> {
        let ran = self.run(&["consume", topic]);
        if ran.code == 0 { ran.stdout.lines().map(str::to_owned).collect() } else { Vec::new() }
    }

    /// Its own standard output up to a line with this text.
    pub fn stdout_until(mut self, text: &str) -> String {
        let mut lines = String::new();
        while !lines.contains(text) && self.stdout.read_line(&mut lines).unwrap_or(0) > 0 {}
        lines
    }

    /// SIGKILL: a crash.
    pub fn kill(mut self) -> PathBuf {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.data.clone()
    }

    /// The same for a host on a folder of its own, which goes on.
    pub fn kill_and_keep(mut self) -> TempDir {
        let folder = self.folder.take().unwrap();
        self.kill();
        folder
    }

    /// SIGKILL, and the next host on the same folder.
    pub fn crash_and_restart(self) -> Host {
        let folder = self.kill_and_keep();
        let data = folder.path().to_owned();
        Host::start_on(&data).keeping(folder)
    }

    /// SIGTERM, and its exit code and how long that took.
    pub fn terminate(mut self) -> (Option<i32>, Duration) {
        let started = now();
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), started.elapsed())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_of(data: &Path) -> PathBuf {
    data.join("host.stderr")
}

/// Tries until there is something.
#[track_caller]
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let started = now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An HTTP request as bytes, and the answer's status and body. Good for requests that a client would not send.
pub fn raw_http(socket: &str, request: &str) -> (u16, String) {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A host that refuses a body early closes the connection.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

/// `METHOD path` with a body, over a connection of its own.
pub fn request(host: &Host, method: &str, path: &str, kind: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nhost: test\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    raw_http(host.socket(), &request)
}

/// The same, and the body is JSON.
#[track_caller]
pub fn request_json(host: &Host, method: &str, path: &str, kind: &str, body: &str) -> (u16, Value) {
    let (status, body) = request(host, method, path, kind, body);
    let json = serde_json::from_str(&body)
        .unwrap_or_else(|error| panic!("{method} {path}: {status} {error}: {body}"));
    (status, json)
}

/// A pipeline from topic to topic through one plugin.
pub fn pipeline(name: &str, trigger: &str, from: &str, plugin: &str, to: &str) -> String {
    format!(
        "name = \"{name}\"\n{trigger}\n\n[[source]]\nname = \"in\"\ntopic = \"{from}\"\nstart = \"earliest\"\n\n\
         [[operator]]\nname = \"work\"\nplugin = \"{plugin}\"\ninput = \"in\"\n\n\
         [[sink]]\nname = \"out\"\ninput = \"work\"\ntopic = \"{to}\"\n"
    )
}

/// Words and their running totals.
pub fn word_count(name: &str, trigger: &str, from: &str, to: &str) -> String {
    format!(
        "name = \"{name}\"\n{trigger}\n\n[[source]]\nname = \"in\"\ntopic = \"{from}\"\nstart = \"earliest\"\n\n\
         [[operator]]\nname = \"split\"\nplugin = \"split-words\"\ninput = \"in\"\n\n\
         [[operator]]\nname = \"count\"\nplugin = \"count\"\ninput = \"split\"\n\n\
         [[sink]]\nname = \"out\"\ninput = \"count\"\ntopic = \"{to}\"\n"
    )
}

pub const EVERY_20_MS: &str = "batch_interval = \"20ms\"";
pub const AVAILABLE_NOW: &str = "trigger = \"available-now\"";
