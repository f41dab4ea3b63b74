//! Changes single settings, and leaves the others alone.

use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use tidemill_log::{Setting, SettingKind, TopicConfig};

use super::super::refusal::{Refusal, refuse};
use super::super::{Call, ErrorCode};
use super::{Change, Resource, change, check_once, named, no_value};

/// What is done to a setting, numbered as in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
}

impl Operation {
    fn of_number(number: i8) -> Result<Self, Refusal> {
        match number {
            0 => Ok(Self::Set),
            1 => Ok(Self::Delete),
            2 => Ok(Self::Append),
            3 => Ok(Self::Subtract),
            other => refuse(ErrorCode::InvalidRequest, format!("Unknown operation type {other}")),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Delete => "DELETE",
            Self::Append => "APPEND",
            Self::Subtract => "SUBTRACT",
        }
    }
}

pub(in super::super) async fn handle(
    call: &Call<'_>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut responses = Vec::new();
    for wanted in request.resources {
        let altered = alter(call, &wanted, request.validate_only).await;
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(wanted.resource_type)
            .with_resource_name(wanted.resource_name);
        responses.push(match altered {
            Ok(()) => response,
            Err(refusal) => {
                response.with_error_code(refusal.code.code()).with_error_message(Some(refusal.text))
            }
        });
    }
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

async fn alter(
    call: &Call<'_>,
    wanted: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    let resource = Resource::find(call, wanted.resource_type, &wanted.resource_name)?;
    check_once(wanted.configs.iter().map(|entry| &entry.name))?;
    let changes = wanted.configs.iter().map(|entry| decide(&resource, entry));
    let changes = changes.collect::<Result<Vec<_>, _>>()?;
    change(call, resource, changes, validate_only).await
}

fn decide(resource: &Resource, entry: &AlterableConfig) -> Result<Change, Refusal> {
    let setting = named(resource, &entry.name)?;
    let operation = Operation::of_number(entry.config_operation)?;
    if operation == Operation::Delete {
        return Ok((setting, None));
    }
    let value = entry.value.as_deref().ok_or_else(|| no_value(&entry.name))?;
    let (Operation::Append | Operation::Subtract) = operation else {
        return Ok((setting, Some(value.to_owned())));
    };
    if setting.kind() != SettingKind::List {
        let text = format!(
            "Can't {} to key {} because its type is not LIST.",
            operation.name(),
            setting.name()
        );
        return refuse(ErrorCode::InvalidConfig, text);
    }
    let default = TopicConfig::default();
    let config = match resource {
        Resource::Topic(_, config) => config,
        Resource::Broker { .. } => &default,
    };
    Ok((setting, Some(combined(setting, config, operation, value))))
}

/// The words of a list with those of `value` added or taken away.
fn combined(setting: Setting, config: &TopicConfig, operation: Operation, value: &str) -> String {
    let current = setting.get(config);
    let mut words: Vec<&str> = current.split(',').collect();
    for word in value.split(',').map(str::trim) {
        match operation {
            Operation::Subtract => words.retain(|known| *known != word),
            _ if words.contains(&word) => {}
            _ => words.push(word),
        }
    }
    words.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_grow_and_shrink() {
        let mut config = TopicConfig::default();
        let setting = Setting::CleanupPolicy;
        let table = [
            (Operation::Append, "compact", "delete,compact"),
            (Operation::Append, "delete", "compact,delete"),
            (Operation::Subtract, "delete", "compact"),
            (Operation::Subtract, "compact", ""),
        ];
        for (operation, value, expected) in table {
            let words = combined(setting, &config, operation, value);
            assert_eq!(words, expected, "{operation:?} {value}");
            let set = setting.set(&mut config, Some(&words));
            assert_eq!(set.is_ok(), !words.is_empty(), "a topic has some policy");
        }
    }
}
