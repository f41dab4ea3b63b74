//! Why a part of an admin request was refused, as clients are told.

use kafka_protocol::protocol::StrBytes;
use tidemill_log::{SettingError, TopicError};

use super::ErrorCode;

/// A code, and a text for the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: ErrorCode,
    pub text: StrBytes,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self { code, text: StrBytes::from_string(text.into()) }
    }

    /// In Kafka's words where it has some.
    pub(super) fn of_setting(error: &SettingError) -> Self {
        let text = match error {
            SettingError::Unknown { name } => format!("Unknown topic config name: {name}"),
            SettingError::Value { .. } => error.to_string(),
        };
        Self::new(ErrorCode::InvalidConfig, text)
    }

    pub(super) fn of_topic(error: &TopicError) -> Self {
        let text = match error {
            TopicError::Setting { source, .. } => return Self::of_setting(source),
            TopicError::Config { source, .. } => source.to_string(),
            TopicError::Unknown { .. } => UNKNOWN.to_owned(),
            TopicError::Exists { name } => format!("Topic '{name}' already exists."),
            other => other.to_string(),
        };
        Self::new(ErrorCode::of_topic(error), text)
    }

    pub(super) fn unknown_topic() -> Self {
        Self::new(ErrorCode::UnknownTopicOrPartition, UNKNOWN)
    }
}

const UNKNOWN: &str = "This server does not host this topic-partition.";

pub(super) fn refuse<T>(code: ErrorCode, text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, text))
}
