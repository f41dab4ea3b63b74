//! The file as TOML has it: shapes only. Names and values are checked by [`super::check`].
//! **Unknown keys are refused**, for a typo must not silently mean a default.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPipeline {
    pub name: Spanned<String>,
    pub batch_interval: Option<Spanned<String>>,
    pub trigger: Option<Spanned<String>>,
    pub on_end: Option<Spanned<String>>,
    pub tasks: Option<Spanned<i64>>,
    #[serde(default)]
    pub limits: RawBatchLimits,
    #[serde(default)]
    pub checkpoints: RawCheckpoints,
    #[serde(default, rename = "source")]
    pub sources: Vec<RawSource>,
    #[serde(default, rename = "operator")]
    pub operators: Vec<RawOperator>,
    #[serde(default, rename = "sink")]
    pub sinks: Vec<RawSink>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCheckpoints {
    pub location: Option<Spanned<String>>,
    pub keep: Option<Spanned<i64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBatchLimits {
    pub rate_max: Option<Spanned<f64>>,
    pub batch_bytes_max: Option<Spanned<Quantity>>,
    pub batch_records_max: Option<Spanned<i64>>,
    pub back_pressure: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    pub name: Spanned<String>,
    pub topic: Option<Spanned<String>>,
    pub files: Option<Spanned<String>>,
    pub socket: Option<Spanned<String>>,
    pub start: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOperator {
    pub name: Spanned<String>,
    pub plugin: Spanned<String>,
    pub input: OneOrMore,
    #[serde(default)]
    pub params: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    #[serde(default)]
    pub limits: RawOperatorLimits,
    #[serde(default)]
    pub grants: Vec<Spanned<String>>,
    pub on_error: Option<Spanned<RawOnError>>,
    pub poison_max: Option<Spanned<String>>,
    pub window: Option<Spanned<RawWindow>>,
}

/// `"skip"` or `{ dead_letter = "topic" }`.
#[derive(Debug)]
pub(super) enum RawOnError {
    Word(String),
    DeadLetter { topic: String },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOperatorLimits {
    pub memory: Option<Spanned<Quantity>>,
    pub call: Option<Spanned<String>>,
    pub output_bytes: Option<Spanned<Quantity>>,
    pub instances: Option<Spanned<i64>>,
    pub log_lines_per_second: Option<Spanned<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWindow {
    pub size: Spanned<String>,
    pub slide: Option<Spanned<String>>,
    pub time: Option<Spanned<String>>,
    pub delay: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSink {
    pub name: Spanned<String>,
    pub input: OneOrMore,
    pub topic: Option<Spanned<String>>,
    pub partitions: Option<Spanned<i64>>,
    pub print: Option<Spanned<bool>>,
    pub files: Option<Spanned<String>>,
}

/// `"a"` or `["a", "b"]`.
#[derive(Debug)]
pub(super) struct OneOrMore(pub Vec<Spanned<String>>);

/// Bytes: `"64MiB"`, or a number.
#[derive(Debug)]
pub(super) enum Quantity {
    Text(String),
    Number(i64),
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An untagged enum would lose the spans: so the outer span of a lone string is taken,
        // and its shape looked at behind it.
        let spanned: Spanned<StringOrList> = Spanned::deserialize(deserializer)?;
        let span = spanned.span();
        Ok(match spanned.into_inner() {
            StringOrList::One(name) => Self(vec![Spanned::new(span, name)]),
            StringOrList::Many(names) => Self(names),
        })
    }
}

enum StringOrList {
    One(String),
    Many(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for StringOrList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = StringOrList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a list of names")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(StringOrList::One(name.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(StringOrList::Many(names))
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

impl<'de> Deserialize<'de> for RawOnError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const KEYS: &[&str] = &["dead_letter"];
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = RawOnError;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"fail\", \"skip\", \"dead-letter\" or { dead_letter = \"TOPIC\" }")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(RawOnError::Word(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut topic = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key != KEYS[0] {
                        return Err(de::Error::unknown_field(&key, KEYS));
                    }
                    topic = Some(map.next_value()?);
                }
                let topic = topic.ok_or_else(|| de::Error::missing_field(KEYS[0]))?;
                Ok(RawOnError::DeadLetter { topic })
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl Visitor<'_> for Shape {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes such as \"64MiB\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Quantity::Text(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Quantity::Number(number))
            }
        }
        deserializer.deserialize_any(Shape)
    }
}
