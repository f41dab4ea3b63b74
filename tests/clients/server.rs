//! What the clients talk to: a fresh host of the real binary, or a server that is named from outside.
//!
//! A scenario says which APIs it needs. **Where the host does not advertise one of them, the scenario is skipped
//! loudly**: nothing is advertised that is not implemented, so this is all that tells what may be tested.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::harness::{Host, PATIENCE};
use crate::install::tell;

/// Numbers of APIs.
pub type Needs = &'static [i16];

/// Records, groups with their offsets, and topics, configs and groups as administrators see them.
pub const EVERYTHING: Needs =
    &[0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 20, 21, 22, 23, 32, 33, 37, 42, 44, 47, 60];

/// A server with an address for Kafka clients.
pub enum Server {
    Ours { host: Box<Host>, bootstrap: String },
    Given { bootstrap: String },
}

impl Server {
    /// A host on a fresh folder, or the server of `TIDEMILL_CLIENTS_SERVER`; `None`, which is told, where
    /// it does not speak all that is needed.
    pub fn start(needs: Needs) -> Option<Server> {
        if let Ok(bootstrap) = std::env::var("TIDEMILL_CLIENTS_SERVER") {
            return Some(Server::Given { bootstrap });
        }
        let folder = tempfile::tempdir().unwrap();
        let host = host_on(folder.path(), 0).keeping(folder);
        Server::ours(host).speaking(needs)
    }

    /// A host on a folder that outlives it, on this port.
    pub fn start_on(data: &Path, port: u16) -> Server {
        Server::ours(host_on(data, port))
    }

    fn ours(host: Host) -> Server {
        let bootstrap = host.kafka().to_owned();
        Server::Ours { host: Box::new(host), bootstrap }
    }

    /// Itself, where it speaks these.
    pub fn speaking(self, needs: Needs) -> Option<Server> {
        let spoken =
            if self.bootstrap().is_empty() { BTreeSet::new() } else { spoken(self.bootstrap()) };
        let missing: Vec<String> =
            needs.iter().filter(|key| !spoken.contains(key)).map(i16::to_string).collect();
        if missing.is_empty() {
            return Some(self);
        }
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        tell(&format!(
            "SKIPPED: {test}: the host does not speak the APIs {} yet",
            missing.join(", ")
        ));
        None
    }

    /// `127.0.0.1:PORT`.
    pub fn bootstrap(&self) -> &str {
        match self {
            Server::Ours { bootstrap, .. } | Server::Given { bootstrap } => bootstrap,
        }
    }

    /// SIGKILL, where it is ours.
    pub fn kill(self) {
        if let Server::Ours { host, .. } = self {
            host.kill();
        }
    }

    /// The host, where it is ours.
    pub fn host(&self) -> Option<&Host> {
        match self {
            Server::Ours { host, .. } => Some(host),
            Server::Given { .. } => None,
        }
    }
}

fn host_on(data: &Path, port: u16) -> Host {
    let address = format!("127.0.0.1:{port}");
    Host::start_with(data, &[], &[("TIDEMILL_KAFKA", &*address)])
}

/// ApiVersions in version 0, correlation id 1, client id `x`.
const HELLO: [u8; 15] = [0, 0, 0, 11, 0, 18, 0, 0, 0, 0, 0, 1, 0, 1, b'x'];

/// An open connection that has been answered once, and the answer.
pub fn say_hello(bootstrap: &str) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(bootstrap).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&HELLO).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..6], [0, 0, 0, 1, 0, 0], "the correlation id, and no error");
    (stream, answer)
}

/// The APIs that a server advertises: behind the error and a count, each has a key and two versions.
fn spoken(bootstrap: &str) -> BTreeSet<i16> {
    let (_, answer) = say_hello(bootstrap);
    answer[10..].chunks_exact(6).map(|api| i16::from_be_bytes([api[0], api[1]])).collect()
}

/// A topic's or group's name that no other run has used: a given server may be used many times.
pub fn fresh(start: &str, client: &str) -> String {
    format!("{start}-{client}-{:08x}", fastrand::u32(..))
}
