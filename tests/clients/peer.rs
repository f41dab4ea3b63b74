//! A real Kafka broker of one node, on free ports and a fresh folder. **It ends with its value.**

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::now;
use crate::install;

/// A JVM on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct Kafka {
    child: Child,
    bootstrap: String,
    _folder: TempDir,
}

impl Kafka {
    /// `None` where Kafka is not installed, which was told.
    pub fn start() -> Option<Kafka> {
        let classpath = install::kafka_classpath()?;
        let folder = tempfile::tempdir().unwrap();
        let (ours, controller) = (free_port(), free_port());
        let settings = folder.path().join("server.properties");
        std::fs::write(&settings, properties(folder.path(), ours, controller)).unwrap();
        let java = |class: &str| {
            let mut command = Command::new("java");
            command.args(["-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", &classpath, class]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let mut format = java("kafka.tools.StorageTool");
        format.args(["format", "-t", CLUSTER, "-c"]).arg(&settings);
        assert!(format.status().unwrap().success(), "Kafka's folder could not be formatted");
        let child = java("kafka.Kafka").arg(&settings).spawn().unwrap();
        let kafka = Kafka { child, bootstrap: format!("127.0.0.1:{ours}"), _folder: folder };
        let started = now();
        while TcpStream::connect(&kafka.bootstrap).is_err() {
            assert!(started.elapsed() < PATIENCE, "Kafka does not listen");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(kafka)
    }

    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Any 16 bytes in base64.
const CLUSTER: &str = "dGlkZW1pbGwtdGVzdHMtMQ";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One node, internal topics of one partition, and no pause before a new group's first generation.
fn properties(folder: &Path, ours: u16, controller: u16) -> String {
    format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{ours},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{ours}\ncontroller.listener.names=CONTROLLER\n\
         log.dirs={}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
         transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=1\ngroup.initial.rebalance.delay.ms=0\n",
        folder.join("log").display()
    )
}
