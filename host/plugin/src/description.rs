//! What a plugin says about itself, checked.
//! **Every text in a [`Description`] is short, printable and of the form that its place demands.**

use std::collections::BTreeSet;

use semver::Version;
use serde::Serialize;
use thiserror::Error;

use crate::settings::{ParameterKind, SettingValue};

const NAME_BYTES_MAX: usize = 64;
const TEXT_CHARS_MAX: usize = 1_000;
const PARAMETERS_MAX: usize = 100;
const PORTS_MAX: usize = 64;

/// The parts of a record that a plugin looks at. The host leaves the others out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Parts {
    /// The record's key.
    pub keys: bool,
    /// The record's value.
    pub values: bool,
    /// The record's headers.
    pub headers: bool,
    /// The record's event time.
    pub timestamps: bool,
}

/// A parameter that a pipeline may set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameter {
    /// Lower case, words joined by `_`.
    pub name: String,
    /// The kind of its value.
    pub kind: ParameterKind,
    /// Absent: a pipeline must set it.
    pub default: Option<SettingValue>,
    /// For people.
    pub doc: String,
}

/// What a plugin says about itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// Lower case, words joined by `-`.
    pub name: String,
    /// The plugin's own version; the digest is what identifies it.
    pub version: Version,
    /// One line for people.
    pub summary: String,
    /// What a pipeline may set, in the plugin's order.
    pub parameters: Vec<Parameter>,
    /// The parts of a record that the plugin looks at.
    pub reads: Parts,
    /// Names of the output ports; at least one.
    pub ports: Vec<String>,
    /// Rises when accumulators or states are written in another form than before.
    pub state_version: u32,
}

/// A description that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// A name is not of the form that its place demands.
    #[error("the {of} `{name}` is not lower-case words joined by `{joiner}`")]
    Name {
        /// What it names.
        of: &'static str,
        /// The name, cut off where it is long.
        name: String,
        /// What joins words there.
        joiner: char,
    },
    /// The version is no semantic version.
    #[error("the version `{version}` is not a semantic version such as 1.2.3")]
    Version {
        /// The version as given.
        version: String,
    },
    /// Two parameters or ports have one name.
    #[error("there are two {of}s called `{name}`")]
    Twice {
        /// What it names.
        of: &'static str,
        /// The name.
        name: String,
    },
    /// More parameters or ports than allowed.
    #[error("there are {count} {of}s, above the limit of {max}")]
    TooMany {
        /// What there are too many of.
        of: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A default is of another kind than its parameter.
    #[error("the default of the parameter `{name}` is {default}, which is not of kind {kind}")]
    Default {
        /// The parameter.
        name: String,
        /// Its kind.
        kind: ParameterKind,
        /// The default.
        default: String,
    },
}

impl Description {
    /// Checks every part, and shortens texts for people.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub(crate) fn checked(mut self) -> Result<Self, DescriptionError> {
        check_name("name", &self.name, '-')?;
        check_count("parameter", self.parameters.len(), PARAMETERS_MAX)?;
        check_count("port", self.ports.len(), PORTS_MAX)?;
        check_unique("parameter", self.parameters.iter().map(|p| p.name.as_str()))?;
        check_unique("port", self.ports.iter().map(String::as_str))?;
        for parameter in &mut self.parameters {
            check_name("parameter", &parameter.name, '_')?;
            check_default(parameter)?;
            parameter.doc = printable(&parameter.doc);
        }
        for port in &self.ports {
            check_name("port", port, '-')?;
        }
        self.summary = printable(&self.summary);
        if self.ports.is_empty() {
            self.ports.push("out".to_owned());
        }
        Ok(self)
    }
}

/// Parses a plugin's version.
pub(crate) fn parse_version(version: &str) -> Result<Version, DescriptionError> {
    let refused = || DescriptionError::Version { version: printable(version) };
    // Ends up in file names; semver allows any length.
    if version.len() > NAME_BYTES_MAX {
        return Err(refused());
    }
    Version::parse(version).map_err(|_| refused())
}

/// Checks a plugin's name.
pub(crate) fn parse_name(name: &str) -> Result<String, DescriptionError> {
    check_name("name", name, '-').map(|()| name.to_owned())
}

fn check_name(of: &'static str, name: &str, joiner: char) -> Result<(), DescriptionError> {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    if name.len() <= NAME_BYTES_MAX && starts_well && name.split(joiner).all(word) {
        return Ok(());
    }
    let name = name.chars().take(NAME_BYTES_MAX).filter(|c| !c.is_control()).collect();
    Err(DescriptionError::Name { of, name, joiner })
}

fn check_count(of: &'static str, count: usize, max: usize) -> Result<(), DescriptionError> {
    if count > max { Err(DescriptionError::TooMany { of, count, max }) } else { Ok(()) }
}

fn check_unique<'a>(
    of: &'static str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), DescriptionError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(DescriptionError::Twice { of, name: printable(name) });
        }
    }
    Ok(())
}

fn check_default(parameter: &Parameter) -> Result<(), DescriptionError> {
    match &parameter.default {
        Some(default) if default.kind() != parameter.kind => Err(DescriptionError::Default {
            name: parameter.name.clone(),
            kind: parameter.kind,
            default: printable(&default.to_string()),
        }),
        _ => Ok(()),
    }
}

/// A guest's text as it may be shown on a terminal: bounded, without control characters.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    text.chars().take(TEXT_CHARS_MAX).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        Description {
            name: "split-words".to_owned(),
            version: Version::new(1, 0, 0),
            summary: "splits\u{1b}[31m".to_owned(),
            parameters: vec![Parameter {
                name: "lower_case".to_owned(),
                kind: ParameterKind::Boolean,
                default: Some(false.into()),
                doc: String::new(),
            }],
            reads: Parts::default(),
            ports: Vec::new(),
            state_version: 0,
        }
    }

    #[test]
    fn a_good_description_gets_its_default_port_and_no_control_characters() {
        let checked = description().checked().unwrap();
        assert_eq!(checked.ports, ["out"]);
        assert_eq!(checked.summary, "splits [31m");
    }

    #[test]
    fn each_broken_rule_is_named() {
        type Damage = fn(&mut Description);
        let cases: [(Damage, &str); 7] = [
            (|d| d.name = "../x".into(), "the name `../x` is not lower-case words joined by `-`"),
            (|d| d.name = "a-".into(), "the name `a-` is not lower-case words joined by `-`"),
            (|d| d.name = "x".repeat(65), "the name `"),
            (|d| d.ports = vec!["a".into(), "a".into()], "there are two ports called `a`"),
            (|d| d.ports = vec!["a".into(); 65], "there are 65 ports, above the limit of 64"),
            (|d| d.parameters[0].name = "a-b".into(), "the parameter `a-b` is not"),
            (
                |d| d.parameters[0].default = Some(1_i64.into()),
                "the default of the parameter `lower_case` is 1, which is not of kind boolean",
            ),
        ];
        for (damage, message) in cases {
            let mut damaged = description();
            damage(&mut damaged);
            let error = damaged.checked().unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        assert!(parse_version("1.2").is_err());
        assert!(parse_version(&format!("1.2.3-{}", "a".repeat(100))).is_err());
    }
}
