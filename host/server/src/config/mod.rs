//! A host's configuration: file, then environment, then flags, each above the one before.
//!
//! **Parsed once.** What comes out is valid as a whole and is passed on explicitly; nothing reads the
//! environment later.

mod file;
mod kafka;
mod groups;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use humantime::format_duration;

pub use file::FileConfig;
use tidemill_kafka::ListenerError;
use tidemill_kafka::coordinator::GroupConfig;

/// Where the API listens unless told otherwise: reachable from this machine alone.
const HTTP_DEFAULT: &str = "127.0.0.1:8080";
/// Workers at most: each has a stack and a share of the plugins' instances.
const WORKERS_MAX: usize = 1024;
/// With the batch that it is collected into, within what a topic takes by default (16 MiB).
const RECORD_BYTES_CEILING: u64 = 8 << 20;

/// The form of the log lines on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What flags and environment said. `None`: nothing.
#[derive(Debug, Default, Clone)]
pub struct Overrides {
    pub data: Option<PathBuf>,
    pub http: Option<String>,
    pub kafka: Option<Vec<String>>,
    pub registry: Option<String>,
    pub workers: Option<usize>,
    pub log_format: Option<LogFormat>,
    pub log_level: Option<String>,
}

/// A host's configuration, valid as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Everything durable is below this folder.
    pub data: PathBuf,
    pub http: SocketAddr,
    /// Where Kafka clients are listened to, and how much they may ask.
    pub kafka: tidemill_kafka::Config,
    /// Where plugins are pushed to, for other hosts too: a URL. `None`: the data folder.
    pub registry: Option<String>,
    /// Threads that run batches.
    pub workers: usize,
    /// A longer record is refused.
    pub record_bytes_max: usize,
    /// A larger component is refused.
    pub plugin_bytes_max: usize,
    /// How consumer groups are looked after.
    pub groups: GroupConfig,
    pub log_format: LogFormat,
    /// As in `RUST_LOG`: `info`, or `warn,tidemill_engine=debug`.
    pub log_level: String,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("read the configuration `{path}`", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: not a valid configuration\n{problem}", path = path.display())]
    File { path: PathBuf, problem: String },
    #[error("no data folder is named")]
    NoData,
    #[error("`{value}` is no address to listen on")]
    Address { value: String },
    #[error(transparent)]
    Listener(#[from] ListenerError),
    #[error("`{key}` is {value}; it must be between {min} and {max}")]
    Range { key: &'static str, value: u64, min: u64, max: u64 },
    #[error("`{key}` is {}; it must be between {} and {}", format_duration(*value), format_duration(*min), format_duration(*max))]
    Duration { key: &'static str, value: Duration, min: Duration, max: Duration },
    #[error("`{value}` is no filter for the log")]
    Filter { value: String, source: tracing_subscriber::filter::ParseError },
}

impl ConfigError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            ConfigError::Read { .. } => "--config and TIDEMILL_CONFIG name the file; it may be left out".to_owned(),
            ConfigError::File { .. } => {
                "keys are: data, http, kafka, workers, record_bytes_max, plugin_bytes_max, log_format, log_level, [groups], [kafka], [registry]".to_owned()
            }
            ConfigError::NoData => "--data DIR, TIDEMILL_DATA, or `data` in the configuration file".to_owned(),
            ConfigError::Address { .. } => format!("an IP address and a port, such as {HTTP_DEFAULT}; port 0 takes a free one"),
            ConfigError::Listener(error) => error.hint().to_owned(),
            ConfigError::Range { .. } | ConfigError::Duration { .. } => "leave it out for the default".to_owned(),
            ConfigError::Filter { .. } => "such as `info` or `warn,tidemill_engine=debug`".to_owned(),
        }
    }
}

impl Config {
    /// Puts the layers together and checks the whole.
    pub fn resolve(file: Option<&Path>, overrides: Overrides) -> Result<Config, ConfigError> {
        let file = file.map(FileConfig::read).transpose()?.unwrap_or_default();
        let http = overrides.http.or(file.http).unwrap_or_else(|| HTTP_DEFAULT.to_owned());
        let log_level = overrides.log_level.or(file.log_level).unwrap_or_else(|| "info".to_owned());
        let workers = overrides.workers.or(file.workers).unwrap_or_else(cores);
        let record_bytes_max = file.record_bytes_max.map_or(1 << 20, |size| size.as_u64());
        let plugin_bytes_max = file.plugin_bytes_max.map_or(64 << 20, |size| size.as_u64());
        tracing_subscriber::EnvFilter::try_new(&log_level)
            .map_err(|source| ConfigError::Filter { value: log_level.clone(), source })?;
        Ok(Config {
            data: overrides.data.or(file.data).ok_or(ConfigError::NoData)?,
            http: http.parse().map_err(|_| ConfigError::Address { value: http })?,
            kafka: kafka::resolve(overrides.kafka, file.kafka.unwrap_or_default())?,
            registry: overrides.registry.or(file.registry.location),
            workers: in_range("workers", workers as u64, 1, WORKERS_MAX as u64)?,
            record_bytes_max: in_range(
                "record_bytes_max",
                record_bytes_max,
                1 << 10,
                RECORD_BYTES_CEILING,
            )?,
            plugin_bytes_max: in_range("plugin_bytes_max", plugin_bytes_max, 1 << 10, 1 << 30)?,
            groups: file.groups.into_config()?,
            log_format: overrides.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            log_level,
        })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get()).min(WORKERS_MAX)
}

fn in_range(key: &'static str, value: u64, min: u64, max: u64) -> Result<usize, ConfigError> {
    match usize::try_from(value) {
        Ok(size) if (min..=max).contains(&value) => Ok(size),
        _ => Err(ConfigError::Range { key, value, min, max }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(file: &str, overrides: Overrides) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.toml");
        std::fs::write(&path, file).unwrap();
        Config::resolve(Some(&path), overrides)
    }

    #[test]
    fn flags_stand_above_the_file() {
        let file = "data = '/file'\nhttp = '127.0.0.1:1'\nworkers = 3\nrecord_bytes_max = '2MiB'\nlog_format = 'json'";
        let overrides = Overrides { http: Some("127.0.0.1:2".into()), ..Overrides::default() };
        let config = resolve(file, overrides).unwrap();
        assert_eq!(config.data, PathBuf::from("/file"));
        assert_eq!(config.http.port(), 2);
        assert_eq!((config.workers, config.record_bytes_max), (3, 2 << 20));
        assert_eq!(config.log_format, LogFormat::Json);
    }

    #[test]
    fn without_a_word_it_listens_to_this_machine_alone() {
        let config =
            Config::resolve(None, Overrides { data: Some("d".into()), ..Overrides::default() })
                .unwrap();
        assert!(config.http.ip().is_loopback());
        assert!(config.workers > 0);
    }

    #[test]
    fn kafka_listens_where_it_is_told() {
        let listeners = |config: &Config| {
            config.kafka.listeners.iter().map(|it| it.address.to_string()).collect::<Vec<_>>()
        };
        let data = || Overrides { data: Some("d".into()), ..Overrides::default() };
        assert_eq!(listeners(&resolve("", data()).unwrap()), ["127.0.0.1:9092"]);
        let file = "[kafka]\nlisteners = ['[::1]:1', '127.0.0.1:2=b.example:3']\nauto_create_topics = false\nidle_timeout = '5s'\nrequest_bytes_max = '8MiB'";
        let config = resolve(file, data()).unwrap();
        assert_eq!(listeners(&config), ["[::1]:1", "127.0.0.1:2"]);
        assert_eq!(config.kafka.auto_create, None);
        assert_eq!(config.kafka.limits.idle_timeout.as_secs(), 5);
        assert_eq!(config.kafka.limits.request_bytes_max, 8 << 20);
        let none = Overrides { kafka: Some(vec!["none".into()]), ..data() };
        assert!(listeners(&resolve(file, none).unwrap()).is_empty());
        assert!(matches!(
            resolve("[kafka]\nconnections_max = 0", data()),
            Err(ConfigError::Range { key: "kafka.connections_max", .. })
        ));
        assert!(matches!(
            resolve("[kafka]\nlisteners = ['here']", data()),
            Err(ConfigError::Listener(_))
        ));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let data = || Overrides { data: Some("d".into()), ..Overrides::default() };
        assert!(matches!(Config::resolve(None, Overrides::default()), Err(ConfigError::NoData)));
        assert!(matches!(
            resolve("workers = 0", data()),
            Err(ConfigError::Range { key: "workers", .. })
        ));
        assert!(matches!(resolve("http = 'here'", data()), Err(ConfigError::Address { .. })));
        assert!(matches!(resolve("log_level = 'a=b=c'", data()), Err(ConfigError::Filter { .. })));
    }

    #[test]
    fn an_unknown_key_is_shown_where_it_stands() {
        let error = resolve("data = 'd'\nworker = 2\n", Overrides::default()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("line 2")
                && text.contains("worker = 2")
                && text.contains("unknown field `worker`"),
            "{text}"
        );
    }
}
