//! A host on a folder that is deleted afterwards, in this process and without HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidemill_engine::progress::PipelineState;
use tidemill_engine::spec::PipelineSpec;
use tidemill_kafka::coordinator::GroupConfig;
use tidemill_log::{TopicConfig, TopicName};

use super::BenchError;
use crate::clock;
use crate::config::{Config, LogFormat};
use crate::host::Host;

const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// A pipeline that folds the values of the topic `in` to upper case, into the topic `out`.
pub fn upper_case(name: &str, batch_interval: &str) -> String {
    format!(
        r#"name = "{name}"
batch_interval = "{batch_interval}"

[[source]]
name = "in"
topic = "in"

[[operator]]
name = "upper"
plugin = "upper-case"
input = "in"

[[sink]]
name = "out"
input = "upper"
topic = "out"
"#
    )
}

pub struct Scratch {
    pub host: Arc<Host>,
    folder: TempDir,
}

impl Scratch {
    pub async fn open(workers: usize) -> Result<Scratch, BenchError> {
        let folder = tempfile::Builder::new()
            .prefix("tidemill-bench-")
            .tempdir()
            .map_err(BenchError::Folder)?;
        let config = Config {
            data: folder.path().to_owned(),
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            kafka: tidemill_kafka::Config {
                listeners: Vec::new(),
                auto_create: None,
                limits: tidemill_kafka::Limits::default(),
            },
            registry: None,
            workers,
            record_bytes_max: 1 << 20,
            plugin_bytes_max: 64 << 20,
            groups: GroupConfig::default(),
            log_format: LogFormat::Text,
            log_level: "warn".to_owned(),
        };
        let host = Host::open(config).await.map_err(Box::new)?;
        Ok(Scratch { host, folder })
    }

    pub async fn create_topic(&self, name: &str, partitions: u32) -> Result<TopicName, BenchError> {
        let name =
            TopicName::new(name).map_err(|error| BenchError::Wrong { what: error.to_string() })?;
        self.host
            .log()
            .create_topic(&name, TopicConfig { partitions, ..TopicConfig::default() })
            .await?;
        Ok(name)
    }

    pub async fn apply(&self, text: &str) -> Result<(), BenchError> {
        let spec = PipelineSpec::parse(text)
            .map_err(|error| BenchError::Wrong { what: error.to_string() })?;
        Ok(self.host.apply(spec).await?)
    }

    /// Waits until a pipeline has read everything there is, as its trigger says.
    pub async fn wait_until_finished(
        &self,
        pipeline: &str,
        within: Duration,
    ) -> Result<(), BenchError> {
        let started = clock::now();
        while started.elapsed() < within {
            match self.host.engine().status(pipeline).map(|status| status.state) {
                Some(PipelineState::Finished) => return Ok(()),
                Some(PipelineState::Failed { reason }) => {
                    return Err(BenchError::Wrong {
                        what: format!("the pipeline failed: {reason}"),
                    });
                }
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
        Err(BenchError::TimedOut { within })
    }

    /// Stops the host and deletes its folder.
    pub async fn close(self) {
        self.host.close(STOP_TIMEOUT).await;
        drop(self.folder);
    }
}
