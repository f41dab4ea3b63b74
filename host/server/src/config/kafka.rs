//! Where Kafka clients are listened to, and how much they may ask.

use std::time::Duration;

use tidemill_kafka::{AutoCreate, Config, Limits};
use tidemill_log::TopicConfig;

use super::file::{KafkaFile, Size, Time};
use super::{ConfigError, in_range};

/// Where Kafka clients are listened to unless told otherwise: this machine alone.
const LISTENER_DEFAULT: &str = "127.0.0.1:9092";
/// Written instead of addresses: nowhere.
const NONE: &str = "none";
/// No timeout is longer.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Puts the layers together; `listeners` comes from flags and environment.
pub fn resolve(listeners: Option<Vec<String>>, file: KafkaFile) -> Result<Config, ConfigError> {
    let limits = limits(&file)?;
    let default = || vec![LISTENER_DEFAULT.to_owned()];
    let listeners = listeners.or(file.listeners).unwrap_or_else(default);
    let listeners = match listeners.as_slice() {
        [only] if only == NONE => Vec::new(),
        all => all.iter().map(|it| it.parse()).collect::<Result<_, _>>()?,
    };
    let partitions_max = u64::from(TopicConfig::PARTITIONS_MAX);
    let partitions = file.auto_create_partitions.map_or(1, u64::from);
    let partitions = in_range("kafka.auto_create_partitions", partitions, 1, partitions_max)?;
    let topic = TopicConfig {
        partitions: u32::try_from(partitions).unwrap_or(1),
        ..TopicConfig::default()
    };
    let auto_create = file.auto_create_topics.unwrap_or(true).then_some(AutoCreate { topic });
    Ok(Config { listeners, auto_create, limits })
}

fn limits(file: &KafkaFile) -> Result<Limits, ConfigError> {
    let default = Limits::default();
    let size = |key, value: Option<Size>, default: usize| {
        in_range(key, value.map_or(default as u64, Size::as_u64), 1 << 20, 1 << 30)
    };
    let count = |key, value: Option<u64>, default: usize, max| {
        in_range(key, value.unwrap_or(default as u64), 1, max)
    };
    let time = |key, value: Option<Time>, default: Duration| {
        let time = value.map_or(default, Time::get);
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        in_range(key, millis, 1, TIMEOUT_MAX.as_secs() * 1000).map(|_| time)
    };
    Ok(Limits {
        request_bytes_max: size(
            "kafka.request_bytes_max",
            file.request_bytes_max,
            default.request_bytes_max,
        )?,
        queued_bytes_max: size(
            "kafka.queued_bytes_max",
            file.queued_bytes_max,
            default.queued_bytes_max,
        )?,
        fetch_bytes_max: size(
            "kafka.fetch_bytes_max",
            file.fetch_bytes_max,
            default.fetch_bytes_max,
        )?,
        connections_max: count(
            "kafka.connections_max",
            file.connections_max,
            default.connections_max,
            1 << 20,
        )?,
        connections_per_address_max: count(
            "kafka.connections_per_address_max",
            file.connections_per_address_max,
            default.connections_per_address_max,
            1 << 20,
        )?,
        pipelined_requests_max: count(
            "kafka.pipelined_requests_max",
            file.pipelined_requests_max,
            default.pipelined_requests_max,
            1 << 16,
        )?,
        fetch_sessions_max: count(
            "kafka.fetch_sessions_max",
            file.fetch_sessions_max,
            default.fetch_sessions_max,
            1 << 20,
        )?,
        idle_timeout: time("kafka.idle_timeout (ms)", file.idle_timeout, default.idle_timeout)?,
        receive_timeout: time(
            "kafka.receive_timeout (ms)",
            file.receive_timeout,
            default.receive_timeout,
        )?,
        send_timeout: time("kafka.send_timeout (ms)", file.send_timeout, default.send_timeout)?,
        queue_timeout: time("kafka.queue_timeout (ms)", file.queue_timeout, default.queue_timeout)?,
        ..default
    })
}
