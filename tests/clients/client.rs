//! The clients, and how one of their programs is run.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::harness::{eventually, now};
use crate::install;
use crate::server::{Needs, Server};

/// A client, as far as the scenarios must know it.
pub struct Client {
    pub name: &'static str,
    program: Vec<String>,
    environment: Vec<(&'static str, String)>,
    /// It reports where each record went; KafkaJS reports only the first of a request.
    pub reports_offsets: bool,
    /// It knows static members and cooperative rebalancing; KafkaJS does not.
    pub modern_groups: bool,
}

impl Client {
    /// Runs a verb to its end, asserts success, and gives the lines that it printed.
    #[track_caller]
    pub fn run(&self, server: &Server, verb: &str, args: &[(&str, &str)]) -> Vec<String> {
        self.run_at(server.bootstrap(), verb, args)
    }

    /// The same, at any address.
    #[track_caller]
    pub fn run_at(&self, bootstrap: &str, verb: &str, args: &[(&str, &str)]) -> Vec<String> {
        let mut command = self.command(bootstrap, verb, args);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {verb} {args:?}: {stdout}\n{stderr}", self.name);
        stdout.lines().map(str::to_owned).collect()
    }

    /// Starts a verb that goes on until it is told to leave.
    pub fn start(&self, bootstrap: &str, verb: &str, args: &[(&str, &str)]) -> Running {
        let mut command = self.command(bootstrap, verb, args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let printed = lines.clone();
        let reader = std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                printed.lock().push(line);
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let stdin = child.stdin.take();
        Running { name: self.name, child, stdin, lines, reader: Some(reader), errors: Some(errors) }
    }

    fn command(&self, bootstrap: &str, verb: &str, args: &[(&str, &str)]) -> Command {
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).arg(verb).arg(format!("bootstrap={bootstrap}"));
        command.args(args.iter().map(|(name, value)| format!("{name}={value}")));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A program that goes on by itself. **It ends with its value.**
pub struct Running {
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    errors: Option<JoinHandle<String>>,
}

impl Running {
    /// What it has printed so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    /// Waits for a line that begins like this.
    #[track_caller]
    pub fn wait_for(&self, start: &str) {
        eventually(&format!("{} prints {start}", self.name), || {
            self.lines.lock().iter().any(|line| line.starts_with(start)).then_some(())
        });
    }

    /// Asks it to leave, waits for its good end, and gives all that it printed.
    #[track_caller]
    pub fn leave(mut self) -> Vec<String> {
        // It may have ended by itself, which its exit code tells.
        let _ = self.stdin.as_mut().unwrap().write_all(b"leave\n");
        self.finish()
    }

    /// Waits for its good end, and gives all that it printed.
    #[track_caller]
    pub fn finish(mut self) -> Vec<String> {
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let errors = self.errors.take().unwrap().join().unwrap();
        assert!(status.success(), "{}: {status}: {errors}", self.name);
        self.lines()
    }

    /// SIGKILL, and all that it printed before.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        self.lines()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All clients that have a program and are installed.
pub fn installed() -> Vec<Client> {
    let wanted = std::env::var("TIDEMILL_CLIENTS").unwrap_or_default();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.split(',').any(|one| one == name);
    let mut clients = Vec::new();
    for (client, part, file) in all() {
        if is_wanted(client.name) && install::found(client.name, part, file.exists()) {
            clients.push(client);
        }
    }
    clients
}

/// The client of this name, where it is installed.
pub fn named(name: &str) -> Option<Client> {
    let (client, part, file) = all().into_iter().find(|(client, ..)| client.name == name)?;
    install::found(client.name, part, file.exists()).then_some(client)
}

/// With the part of `install.sh` that brings each, and a file that is there when it is installed.
fn all() -> Vec<(Client, &'static str, PathBuf)> {
    let (folder, sources) = (install::folder(), install::sources());
    let python = |name, venv: &str, package: &str, script: &str| {
        let venv = folder.join(venv);
        let program = [venv.join("bin/python"), sources.join("python").join(script)];
        (client(name, &program), "python", venv.join("lib/python3.11/site-packages").join(package))
    };
    let java = |name, version: &str| {
        let classes = folder.join("java").join(version).join("classes");
        let classpath = format!("{0}/classes:{0}/*", folder.join("java").join(version).display());
        let mut java = client(name, &[PathBuf::from("java")]);
        // Small programs: quick to start is all that counts.
        java.program.extend(["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp"].map(str::to_owned));
        java.program.extend([classpath, "Main".to_owned()]);
        (java, "java", classes)
    };
    let mut kafkajs = client("kafkajs", &[PathBuf::from("node"), sources.join("node/kafkajs.js")]);
    let modules = folder.join("node/node_modules");
    kafkajs.environment.push(("NODE_PATH", modules.display().to_string()));
    kafkajs.environment.push(("KAFKAJS_NO_PARTITIONER_WARNING", "1".to_owned()));
    (kafkajs.reports_offsets, kafkajs.modern_groups) = (false, false);
    let franz = folder.join("bin/franz-go");
    vec![
        python("kafka-python", "python", "kafka", "kafka_python.py"),
        python("confluent-kafka", "python", "confluent_kafka", "confluent.py"),
        python("confluent-kafka-2.10", "python-before", "confluent_kafka", "confluent.py"),
        (kafkajs, "node", modules.join("kafkajs")),
        (client("franz-go", std::slice::from_ref(&franz)), "go", franz.clone()),
        java("java-3.9", "clients-3"),
        java("java-4.1", "clients-4"),
    ]
}

fn client(name: &'static str, program: &[PathBuf]) -> Client {
    let program = program.iter().map(|part| part.display().to_string()).collect();
    Client { name, program, environment: Vec::new(), reports_offsets: true, modern_groups: true }
}

/// Runs a scenario with every client at once, against one server, and names those that fail.
#[track_caller]
pub fn with_each(scenario: &str, needs: Needs, run: impl Fn(&Client, &Client, &Server) + Sync) {
    let clients = installed();
    if clients.is_empty() {
        return;
    }
    let Some(server) = Server::start(needs) else { return };
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter()
            .enumerate()
            .map(|(index, client)| {
                let (server, run) = (&server, &run);
                // What one client writes, another one reads.
                let other = &clients[(index + 1) % clients.len()];
                let work = move || {
                    let started = now();
                    run(client, other, server);
                    let took = started.elapsed().as_secs_f32();
                    install::tell(&format!("{scenario}: {} in {took:.1} s", client.name));
                };
                (
                    client.name,
                    std::thread::Builder::new()
                        .name(client.name.to_owned())
                        .spawn_scoped(scope, work),
                )
            })
            .collect();
        let joined = threads.into_iter().map(|(name, thread)| (name, thread.unwrap().join()));
        joined.filter(|(_, result)| result.is_err()).map(|(name, _)| name).collect()
    });
    assert!(failed.is_empty(), "{scenario} failed with {}", failed.join(", "));
}
