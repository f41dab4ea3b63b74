//! The settings of topics and of the broker: told and changed under Kafka's names.
//!
//! **What would mean nothing here is refused by name.**

pub(super) mod alter;
pub(super) mod alter_incrementally;
pub(super) mod describe;

use kafka_protocol::protocol::StrBytes;
use tidemill_log::{Setting, TopicConfig, TopicName};

use super::refusal::{Refusal, refuse};
use super::{Call, ErrorCode};
use crate::broker::NODE_ID;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// What settings belong to.
enum Resource {
    Topic(TopicName, TopicConfig),
    /// This broker, or all brokers by default.
    Broker {
        is_default: bool,
    },
}

impl Resource {
    fn find(call: &Call<'_>, kind: i8, name: &str) -> Result<Self, Refusal> {
        match kind {
            TOPIC => {
                let known = TopicName::new(name)
                    .map_err(|error| Refusal::new(ErrorCode::InvalidTopic, error.to_string()))?;
                let described = call.log().describe(&known).ok_or_else(Refusal::unknown_topic)?;
                Ok(Self::Topic(known, described.config))
            }
            BROKER if name.is_empty() => Ok(Self::Broker { is_default: true }),
            BROKER if name == NODE_ID.to_string() => Ok(Self::Broker { is_default: false }),
            BROKER => refuse(
                ErrorCode::InvalidRequest,
                format!(
                    "Unexpected broker id, expected {NODE_ID} or empty string, but received {name}"
                ),
            ),
            other => {
                refuse(ErrorCode::InvalidRequest, format!("Unsupported resource type: {other}"))
            }
        }
    }
}

/// Where a value comes from, numbered as in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Topic,
    Default,
}

impl Source {
    pub(super) fn of(setting: Setting, config: &TopicConfig) -> Self {
        if setting.is_set(config) { Self::Topic } else { Self::Default }
    }

    pub(super) const fn number(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::Default => 5,
        }
    }
}

/// What the broker calls the default of a topic's setting.
const fn broker_name(setting: Setting) -> &'static str {
    match setting {
        Setting::CleanupPolicy => "log.cleanup.policy",
        Setting::CompressionType => "compression.type",
        Setting::DeleteRetentionMs => "log.cleaner.delete.retention.ms",
        Setting::FlushMessages => "log.flush.interval.messages",
        Setting::FlushMs => "log.flush.interval.ms",
        Setting::IndexIntervalBytes => "log.index.interval.bytes",
        Setting::MaxMessageBytes => "message.max.bytes",
        Setting::MessageTimestampType => "log.message.timestamp.type",
        Setting::MinCleanableDirtyRatio => "log.cleaner.min.cleanable.ratio",
        Setting::MinCompactionLagMs => "log.cleaner.min.compaction.lag.ms",
        Setting::RetentionBytes => "log.retention.bytes",
        Setting::RetentionMs => "log.retention.ms",
        Setting::SegmentBytes => "log.segment.bytes",
        Setting::SegmentMs => "log.roll.ms",
    }
}

/// What a client wants of one setting.
type Change = (Setting, Option<String>);

/// Makes the changes, or says only whether they could be made.
async fn change(
    call: &Call<'_>,
    resource: Resource,
    changes: Vec<Change>,
    validate_only: bool,
) -> Result<(), Refusal> {
    let Resource::Topic(name, mut config) = resource else { return refuse_broker(&changes) };
    if validate_only {
        for (setting, value) in &changes {
            let set = setting.set(&mut config, value.as_deref());
            set.map_err(|error| Refusal::of_setting(&error))?;
        }
        return Ok(());
    }
    let altered = call.log().alter_topic(&name, changes).await;
    altered.map(drop).map_err(|error| Refusal::of_topic(&error))
}

fn refuse_broker(changes: &[Change]) -> Result<(), Refusal> {
    let names: Vec<_> = changes.iter().map(|(setting, _)| setting.name()).collect();
    let text = format!("Cannot update these configs dynamically: {}", names.join(", "));
    refuse(ErrorCode::InvalidRequest, text)
}

/// The setting that a client names, for the kind of resource that it belongs to.
fn named(resource: &Resource, name: &str) -> Result<Setting, Refusal> {
    match resource {
        Resource::Topic(..) => Setting::of_name(name).map_err(|it| Refusal::of_setting(&it)),
        Resource::Broker { .. } => {
            let mut all = Setting::ALL.into_iter();
            all.find(|setting| broker_name(*setting) == name).ok_or_else(|| {
                let text = format!("Cannot update these configs dynamically: {name}");
                Refusal::new(ErrorCode::InvalidRequest, text)
            })
        }
    }
}

fn no_value(name: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, format!("Null value not supported for : {name}"))
}

/// Refuses a request that names a setting twice.
fn check_once<'a>(names: impl Iterator<Item = &'a StrBytes>) -> Result<(), Refusal> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return refuse(ErrorCode::InvalidRequest, "Error due to duplicate config keys");
        }
    }
    Ok(())
}
