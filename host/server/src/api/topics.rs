//! Topics: list, create, describe, delete.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use tidemill_log::{Flush, TopicConfig, TopicDescription as Described, TopicError, TopicName};

use super::body::read_all;
use super::wire::{NewTopic, PartitionDescription, TopicDescription, TopicList, TopicSummary};
use super::{ApiError, DOCUMENT_BYTES_MAX, Name, Ready};

pub async fn list(Ready(host): Ready) -> Json<TopicList> {
    let log = host.log();
    let names = log.topics().into_iter().filter(|name| !name.is_internal());
    Json(TopicList { topics: names.filter_map(|name| log.describe(&name)).map(summary).collect() })
}

pub async fn create(
    Ready(host): Ready,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<TopicDescription>), ApiError> {
    let body = read_all(body, &headers, DOCUMENT_BYTES_MAX).await?;
    let new: NewTopic = serde_json::from_slice(&body)
        .map_err(|error| ApiError::bad_request(format!("the body is no topic: {error}")))?;
    let name = valid_name(&new.name)?;
    let config = config_of(&new)?;
    let log = host.log();
    log.create_topic(&name, config).await.map_err(|error| topic_error(&error))?;
    let described = log.describe(&name).ok_or_else(|| ApiError::no_such_topic(name.as_str()))?;
    Ok((StatusCode::CREATED, Json(description(described))))
}

pub async fn describe(
    Ready(host): Ready,
    Name(topic): Name,
) -> Result<Json<TopicDescription>, ApiError> {
    let name = valid_name(&topic)?;
    let described =
        host.log().describe(&name).ok_or_else(|| ApiError::no_such_topic(name.as_str()))?;
    Ok(Json(description(described)))
}

pub async fn delete(Ready(host): Ready, Name(topic): Name) -> Result<StatusCode, ApiError> {
    let (name, _) = host.writable_topic(&topic)?;
    host.log().delete_topic(&name).await.map_err(|error| topic_error(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// A name by Kafka's rules that is not one of the log's own.
fn valid_name(text: &str) -> Result<TopicName, ApiError> {
    let name =
        TopicName::new(text).map_err(|error| ApiError::of(StatusCode::BAD_REQUEST, &error))?;
    if name.is_internal() {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            format!("`{name}` is one of the log's own topics"),
        ));
    }
    Ok(name)
}

fn config_of(new: &NewTopic) -> Result<TopicConfig, ApiError> {
    let mut config = TopicConfig { retention_bytes: new.retention_bytes, ..TopicConfig::default() };
    config.partitions = new.partitions.unwrap_or(config.partitions);
    config.flush = new.flush_interval_ms.map_or(config.flush, Flush::IntervalMs);
    config.retention_ms = match new.retention_ms {
        None => config.retention_ms,
        Some(-1) => None,
        Some(age) => Some(u64::try_from(age).map_err(|_| {
            ApiError::bad_request(format!("`retentionMs` is {age}; -1 means for ever"))
        })?),
    };
    config.validate().map_err(|error| ApiError::of(StatusCode::BAD_REQUEST, &error))?;
    Ok(config)
}

fn summary(topic: Described) -> TopicSummary {
    let counted = topic
        .partitions
        .iter()
        .map(|(offsets, _)| offsets.high_watermark.get() - offsets.log_start.get());
    TopicSummary {
        name: topic.name.to_string(),
        partitions: topic.config.partitions,
        records: counted.sum::<i64>().unsigned_abs(),
    }
}

fn description(topic: Described) -> TopicDescription {
    let partitions =
        (0..).zip(&topic.partitions).map(|(partition, (offsets, bytes))| PartitionDescription {
            partition,
            bytes: *bytes,
            log_start: offsets.log_start.get(),
            high_watermark: offsets.high_watermark.get(),
            last_stable: offsets.last_stable.get(),
        });
    TopicDescription {
        name: topic.name.to_string(),
        retention_ms: topic.config.retention_ms,
        retention_bytes: topic.config.retention_bytes,
        flush_interval_ms: match topic.config.flush {
            Flush::Always => None,
            Flush::IntervalMs(interval) => Some(interval),
        },
        partitions: partitions.collect(),
    }
}

fn topic_error(error: &TopicError) -> ApiError {
    let status = match error {
        TopicError::Exists { .. } => StatusCode::CONFLICT,
        TopicError::Unknown { .. } => StatusCode::NOT_FOUND,
        TopicError::Config { .. } => StatusCode::BAD_REQUEST,
        TopicError::Internal { .. } => StatusCode::FORBIDDEN,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    ApiError::of(status, error).with_hint(error.hint()).with_retry(error.is_retryable())
}
