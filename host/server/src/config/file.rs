//! The configuration file as written: TOML, every key optional, unknown ones refused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::groups::FileGroups;
use super::{ConfigError, LogFormat};

/// What a configuration file may say.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    pub data: Option<PathBuf>,
    pub http: Option<String>,
    pub kafka: Option<KafkaFile>,
    pub workers: Option<usize>,
    pub record_bytes_max: Option<Size>,
    pub plugin_bytes_max: Option<Size>,
    pub log_format: Option<LogFormat>,
    pub log_level: Option<String>,
    #[serde(default)]
    pub groups: FileGroups,
    #[serde(default)]
    pub registry: FileRegistry,
}

/// What it may say about plugins.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRegistry {
    pub location: Option<String>,
}

/// What it may say about Kafka clients.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaFile {
    pub listeners: Option<Vec<String>>,
    pub auto_create_topics: Option<bool>,
    pub auto_create_partitions: Option<u32>,
    pub request_bytes_max: Option<Size>,
    pub queued_bytes_max: Option<Size>,
    pub fetch_bytes_max: Option<Size>,
    pub connections_max: Option<u64>,
    pub connections_per_address_max: Option<u64>,
    pub pipelined_requests_max: Option<u64>,
    pub fetch_sessions_max: Option<u64>,
    pub idle_timeout: Option<Time>,
    pub receive_timeout: Option<Time>,
    pub send_timeout: Option<Time>,
    pub queue_timeout: Option<Time>,
}

/// A length of time, such as `10m` or `500ms`.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Time(Duration);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(written: String) -> Result<Time, String> {
        let parsed = humantime::parse_duration(&written);
        parsed.map(Time).map_err(|_| format!("`{written}` is no time such as \"10m\" or \"500ms\""))
    }
}

impl Time {
    pub fn get(self) -> Duration {
        self.0
    }
}

/// A size in bytes, as a number or as `64MiB`.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(try_from = "SizeText")]
pub struct Size(u64);

#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "a size such as 1048576 or \"1MiB\"")]
enum SizeText {
    Number(u64),
    Text(String),
}

impl TryFrom<SizeText> for Size {
    type Error = String;

    fn try_from(written: SizeText) -> Result<Size, String> {
        match written {
            SizeText::Number(bytes) => Ok(Size(bytes)),
            SizeText::Text(text) => {
                text.parse::<bytesize::ByteSize>().map(|size| Size(size.as_u64()))
            }
        }
    }
}

impl Size {
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl FileConfig {
    /// Reads and parses; whether the values fit is for [`super::Config::resolve`] to say.
    pub fn read(path: &Path) -> Result<FileConfig, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| ConfigError::File {
            path: path.to_owned(),
            problem: error.to_string().trim_end().to_owned(),
        })
    }
}
