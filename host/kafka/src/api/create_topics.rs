//! Makes topics. **A request that only asks whether it would work makes none.**

use std::collections::HashMap;

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;
use tidemill_log::{Setting, TopicConfig, TopicName};

use super::configs::Source;
use super::refusal::{Refusal, refuse};
use super::{Call, ErrorCode};

/// Kafka's way to leave a number to the broker.
const DEFAULT: i32 = -1;

pub(super) async fn handle(call: &Call<'_>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut named: HashMap<StrBytes, usize> = HashMap::new();
    for topic in &request.topics {
        *named.entry(topic.name.0.clone()).or_default() += 1;
    }
    let mut results = Vec::new();
    for topic in request.topics {
        let done = match named.insert(topic.name.0.clone(), 0) {
            Some(1) => create(call, &topic, request.validate_only).await,
            // Answered already.
            Some(0) | None => continue,
            Some(_) => refuse(ErrorCode::InvalidRequest, "Duplicate topic name."),
        };
        results.push(result(topic, done));
    }
    CreateTopicsResponse::default().with_topics(results)
}

async fn create(
    call: &Call<'_>,
    wanted: &CreatableTopic,
    validate_only: bool,
) -> Result<TopicConfig, Refusal> {
    let name = TopicName::new(&wanted.name)
        .map_err(|error| Refusal::new(ErrorCode::InvalidTopic, error.to_string()))?;
    if call.log().describe(&name).is_some() {
        let text = format!("Topic '{name}' already exists.");
        return refuse(ErrorCode::TopicAlreadyExists, text);
    }
    let config = config_of(call, wanted)?;
    if validate_only {
        config
            .validate()
            .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.to_string()))?;
        if name.is_internal() {
            return refuse(ErrorCode::InvalidTopic, format!("Topic '{name}' is reserved."));
        }
    } else {
        let created = call.log().create_topic(&name, config.clone()).await;
        created.map_err(|error| Refusal::of_topic(&error))?;
    }
    Ok(config)
}

fn config_of(call: &Call<'_>, wanted: &CreatableTopic) -> Result<TopicConfig, Refusal> {
    if !wanted.assignments.is_empty() {
        let text = "Replicas cannot be assigned: there is one broker, which has them all.";
        return refuse(ErrorCode::InvalidReplicaAssignment, text);
    }
    let default = call.broker.auto_create.as_ref().map_or(1, |auto| auto.topic.partitions);
    let partitions = match wanted.num_partitions {
        DEFAULT if call.version >= 4 => default,
        some => u32::try_from(some).ok().filter(|some| *some > 0).ok_or_else(|| {
            let text = "Number of partitions was set to an invalid non-positive value.";
            Refusal::new(ErrorCode::InvalidPartitions, text)
        })?,
    };
    if partitions > TopicConfig::PARTITIONS_MAX {
        let text = format!("Number of partitions is larger than {}.", TopicConfig::PARTITIONS_MAX);
        return refuse(ErrorCode::InvalidPartitions, text);
    }
    check_replication(wanted.replication_factor.into())?;
    let mut config = TopicConfig { partitions, ..TopicConfig::default() };
    for entry in &wanted.configs {
        let setting = Setting::of_name(&entry.name).map_err(|error| Refusal::of_setting(&error))?;
        let Some(value) = entry.value.as_deref() else {
            let text = format!("Null value not supported for topic configs: {setting}");
            return refuse(ErrorCode::InvalidConfig, text);
        };
        setting.set(&mut config, Some(value)).map_err(|error| Refusal::of_setting(&error))?;
    }
    Ok(config)
}

fn check_replication(factor: i32) -> Result<(), Refusal> {
    let text = match factor {
        1 | DEFAULT => return Ok(()),
        more if more > 1 => format!(
            "Unable to replicate the partition {more} time(s): The target replication factor of \
             {more} cannot be reached because only 1 broker(s) are registered."
        ),
        _ => "Replication factor must be larger than 0, or -1 to use the default value.".to_owned(),
    };
    refuse(ErrorCode::InvalidReplicationFactor, text)
}

fn result(topic: CreatableTopic, done: Result<TopicConfig, Refusal>) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(topic.name);
    match done {
        Ok(config) => result
            .with_num_partitions(i32::try_from(config.partitions).unwrap_or(i32::MAX))
            .with_replication_factor(1)
            .with_configs(Some(Setting::ALL.map(|setting| described(setting, &config)).to_vec())),
        Err(refusal) => result
            .with_error_code(refusal.code.code())
            .with_error_message(Some(refusal.text))
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_configs(Some(Vec::new())),
    }
}

fn described(setting: Setting, config: &TopicConfig) -> CreatableTopicConfigs {
    CreatableTopicConfigs::default()
        .with_name(StrBytes::from_static_str(setting.name()))
        .with_value(Some(StrBytes::from_string(setting.get(config))))
        .with_config_source(Source::of(setting, config).number())
}
