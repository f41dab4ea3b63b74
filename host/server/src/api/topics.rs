//! Topics: list, create, describe, change, delete; and their oldest records.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tidemill_log::{
    DeleteError, Flush, Offset, PartitionId, Setting, SettingError, TopicConfig,
    TopicDescription as Described, TopicError, TopicName, TopicPartition,
};

use super::body::read_json;
use super::wire::{
    DeletedRecords, NewTopic, PartitionDescription, PartitionStart, TopicChange, TopicDescription,
    TopicList, TopicSetting, TopicSummary,
};
use super::{ApiError, Name, Params, Ready};

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
    let new: NewTopic = read_json(body, &headers, "topic").await?;
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

/// Changes settings, all or none of them, and then the number of partitions.
pub async fn change(
    Ready(host): Ready,
    Name(topic): Name,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<TopicDescription>, ApiError> {
    let change: TopicChange = read_json(body, &headers, "change").await?;
    let (name, _) = host.writable_topic(&topic)?;
    let named = |(name, value): (String, Option<String>)| Ok((Setting::of_name(&name)?, value));
    let settings = change.configs.into_iter().map(named).collect::<Result<Vec<_>, _>>();
    let settings = settings.map_err(|error| setting_error(&error))?;
    let log = host.log();
    log.alter_topic(&name, settings).await.map_err(|error| topic_error(&error))?;
    if let Some(partitions) = change.partitions {
        log.add_partitions(&name, partitions).await.map_err(|error| topic_error(&error))?;
    }
    let described = log.describe(&name).ok_or_else(|| ApiError::no_such_topic(name.as_str()))?;
    Ok(Json(description(described)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteQuery {
    before: Before,
    partition: Option<u32>,
}

/// Up to where records are deleted.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
enum Before {
    Latest,
    Offset(i64),
}

impl TryFrom<String> for Before {
    type Error = String;

    fn try_from(text: String) -> Result<Before, String> {
        match (text.as_str(), text.parse()) {
            ("latest", _) => Ok(Before::Latest),
            (_, Ok(offset)) if offset >= 0 => Ok(Before::Offset(offset)),
            _ => Err(format!("`{text}` is neither `latest` nor an offset")),
        }
    }
}

/// Deletes the records before an offset, in one partition or in all.
pub async fn delete_records(
    Ready(host): Ready,
    Name(topic): Name,
    Params(query): Params<DeleteQuery>,
) -> Result<Json<DeletedRecords>, ApiError> {
    let (name, count) = host.writable_topic(&topic)?;
    let chosen = match query.partition {
        None => 0..count,
        Some(partition) if partition < count => partition..partition + 1,
        Some(partition) => {
            let error = format!("topic `{name}` has no partition {partition}");
            return Err(ApiError::new(StatusCode::NOT_FOUND, error));
        }
    };
    let log = host.log();
    let mut partitions = Vec::new();
    for partition in chosen {
        let at = TopicPartition::new(name.clone(), PartitionId::new(partition));
        let before = match query.before {
            Before::Latest => Offset::new(i64::MAX),
            Before::Offset(offset) => Offset::new(offset),
        };
        let start = log.delete_records(&at, before).await;
        let log_start = start.map_err(|error| delete_error(&error))?.get();
        partitions.push(PartitionStart { partition, log_start });
    }
    Ok(Json(DeletedRecords { partitions }))
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
    for (name, value) in &new.configs {
        let set = Setting::of_name(name).and_then(|it| it.set(&mut config, Some(value)));
        set.map_err(|error| setting_error(&error))?;
    }
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
        configs: Setting::ALL.map(|setting| setting_of(setting, &topic.config)).into(),
        partitions: partitions.collect(),
    }
}

fn setting_of(setting: Setting, config: &TopicConfig) -> (String, TopicSetting) {
    let is_default = !setting.is_set(config);
    (setting.name().to_owned(), TopicSetting { value: setting.get(config), is_default })
}

fn setting_error(error: &SettingError) -> ApiError {
    ApiError::of(StatusCode::BAD_REQUEST, error).with_hint(error.hint())
}

fn delete_error(error: &DeleteError) -> ApiError {
    let status = match error {
        DeleteError::UnknownPartition { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    ApiError::of(status, error).with_hint(error.hint()).with_retry(error.is_retryable())
}

fn topic_error(error: &TopicError) -> ApiError {
    let status = match error {
        TopicError::Exists { .. } => StatusCode::CONFLICT,
        TopicError::Unknown { .. } => StatusCode::NOT_FOUND,
        TopicError::Config { .. } | TopicError::Setting { .. } | TopicError::Partitions { .. } => {
            StatusCode::BAD_REQUEST
        }
        TopicError::Internal { .. } => StatusCode::FORBIDDEN,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    ApiError::of(status, error).with_hint(error.hint()).with_retry(error.is_retryable())
}
