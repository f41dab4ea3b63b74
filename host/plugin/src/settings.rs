//! What a pipeline tells an operator's plugin, and whether that fits the plugin's description.
//!
//! **A plugin is configured with every declared parameter, once, in its declared kind**: unknown,
//! missing and mistyped settings are found here, before any guest code runs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::description::Parameter;

/// The kind of value that a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    /// UTF-8 text.
    Text,
    /// A signed 64-bit integer.
    Integer,
    /// A 64-bit float.
    Number,
    /// True or false.
    Boolean,
}

impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        })
    }
}

/// The value of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SettingValue {
    /// True or false.
    Boolean(bool),
    /// A signed 64-bit integer.
    Integer(i64),
    /// A 64-bit float.
    Number(f64),
    /// UTF-8 text.
    Text(String),
}

impl SettingValue {
    /// The value's own kind.
    #[must_use]
    pub fn kind(&self) -> ParameterKind {
        match self {
            Self::Text(_) => ParameterKind::Text,
            Self::Integer(_) => ParameterKind::Integer,
            Self::Number(_) => ParameterKind::Number,
            Self::Boolean(_) => ParameterKind::Boolean,
        }
    }

    /// The value as `kind`: a whole number stands for a number too, nothing else is converted.
    fn as_kind(&self, kind: ParameterKind) -> Option<Self> {
        match (self, kind) {
            // Exact up to 2^53, as in every language that a pipeline file could be written in.
            (Self::Integer(whole), ParameterKind::Number) => Some(Self::Number(*whole as f64)),
            (value, kind) if value.kind() == kind => Some(value.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Boolean(value) => value.fmt(f),
        }
    }
}

impl From<&str> for SettingValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for SettingValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for SettingValue {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<bool> for SettingValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

/// Settings by name, as a pipeline gives them (its `params`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(BTreeMap<String, SettingValue>);

impl Settings {
    /// No settings: every parameter has its default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These settings with `name` set to `value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<SettingValue>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Sets `name` to `value`.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<SettingValue>) {
        self.0.insert(name.into(), value.into());
    }

    /// These settings, and where `above` says something, that.
    #[must_use]
    pub fn with_all(mut self, above: &Self) -> Self {
        self.0.extend(above.0.clone());
        self
    }

    /// The settings in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SettingValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Every parameter with its value, in declared order.
    ///
    /// # Errors
    /// The first setting that does not fit.
    pub(crate) fn resolve<'p>(
        &self,
        parameters: &'p [Parameter],
    ) -> Result<Vec<(&'p str, SettingValue)>, SettingsError> {
        for name in self.0.keys() {
            if !parameters.iter().any(|parameter| parameter.name == *name) {
                return Err(SettingsError::unknown(name, parameters));
            }
        }
        parameters.iter().map(|parameter| self.value_of(parameter)).collect()
    }

    fn value_of<'p>(
        &self,
        parameter: &'p Parameter,
    ) -> Result<(&'p str, SettingValue), SettingsError> {
        let value = match (self.0.get(&parameter.name), &parameter.default) {
            (Some(given), _) => {
                given.as_kind(parameter.kind).ok_or_else(|| SettingsError::WrongKind {
                    name: parameter.name.clone(),
                    expected: parameter.kind,
                    given: given.clone(),
                })?
            }
            (None, Some(default)) => default.clone(),
            (None, None) => {
                return Err(SettingsError::Missing {
                    name: parameter.name.clone(),
                    kind: parameter.kind,
                    doc: parameter.doc.clone(),
                });
            }
        };
        Ok((&parameter.name, value))
    }
}

impl<N: Into<String>, V: Into<SettingValue>> FromIterator<(N, V)> for Settings {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(settings: I) -> Self {
        Self(settings.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// A setting that does not fit the plugin's parameters.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The plugin has no such parameter.
    #[error("there is no parameter `{name}`")]
    Unknown {
        /// The setting's name.
        name: String,
        /// The parameter whose name is closest to it.
        nearest: Option<String>,
        /// All parameters.
        known: Vec<String>,
    },
    /// A parameter without default is not set.
    #[error("the parameter `{name}` ({kind}) is not set and has no default")]
    Missing {
        /// The parameter.
        name: String,
        /// Its kind.
        kind: ParameterKind,
        /// What the plugin says about it.
        doc: String,
    },
    /// The value is of another kind.
    #[error("the parameter `{name}` takes a value of kind {expected}, not {given}")]
    WrongKind {
        /// The parameter.
        name: String,
        /// Its kind.
        expected: ParameterKind,
        /// The value that was given.
        given: SettingValue,
    },
}

/// A name that shares less than this with the nearest one is no misspelling of it.
const SIMILARITY_MIN: f64 = 0.6;

impl SettingsError {
    fn unknown(name: &str, parameters: &[Parameter]) -> Self {
        let nearest = parameters
            .iter()
            .map(|parameter| {
                (strsim::normalized_damerau_levenshtein(name, &parameter.name), parameter)
            })
            .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, parameter)| parameter.name.clone());
        Self::Unknown {
            name: name.to_owned(),
            nearest,
            known: parameters.iter().map(|parameter| parameter.name.clone()).collect(),
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?"))
            }
            Self::Unknown { known, .. } if known.is_empty() => {
                Some("this plugin takes no parameters".to_owned())
            }
            Self::Unknown { known, .. } => Some(format!("its parameters are {}", known.join(", "))),
            Self::Missing { doc, .. } if doc.is_empty() => None,
            Self::Missing { doc, .. } => Some(doc.clone()),
            Self::WrongKind { expected: ParameterKind::Text, .. } => {
                Some("put the value in quotes".to_owned())
            }
            Self::WrongKind { given: SettingValue::Text(_), .. } => {
                Some("leave the quotes out".to_owned())
            }
            Self::WrongKind { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Vec<Parameter> {
        let parameter = |name: &str, kind, default| Parameter {
            name: name.to_owned(),
            kind,
            default,
            doc: format!("what {name} does"),
        };
        vec![
            parameter("lower_case", ParameterKind::Boolean, Some(false.into())),
            parameter("factor", ParameterKind::Number, None),
        ]
    }

    #[test]
    fn defaults_are_filled_in_and_whole_numbers_are_numbers() {
        let parameters = parameters();
        let resolved = Settings::new().with("factor", 2_i64).resolve(&parameters);
        assert_eq!(
            resolved,
            Ok(vec![("lower_case", false.into()), ("factor", SettingValue::Number(2.0))])
        );
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest() {
        let error = Settings::new().with("lowercase", true).resolve(&parameters()).unwrap_err();
        assert_eq!(error.to_string(), "there is no parameter `lowercase`");
        assert_eq!(error.hint().as_deref(), Some("did you mean `lower_case`?"));
        let error = Settings::new().with("zzz", true).resolve(&parameters()).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("its parameters are lower_case, factor"));
    }

    #[test]
    fn missing_and_mistyped_settings_are_named() {
        let error = Settings::new().resolve(&parameters()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the parameter `factor` (number) is not set and has no default"
        );
        assert_eq!(error.hint().as_deref(), Some("what factor does"));
        let settings = Settings::new().with("factor", "2");
        let error = settings.resolve(&parameters()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the parameter `factor` takes a value of kind number, not \"2\""
        );
        assert_eq!(error.hint().as_deref(), Some("leave the quotes out"));
    }
}
