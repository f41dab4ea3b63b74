//! One name and version of a plugin, and the file that says so.

use semver::Version;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::NAME_SUFFIX;
use crate::clock;
use crate::description::{self, DescriptionError};
use crate::digest::Digest;
use crate::plugin::Plugin;

/// First line: magic, version of the format, CRC-32 of what follows.
const MAGIC: &str = "tidemill-plugin-entry";
const VERSION: &str = "1";

/// What a name and version of a plugin point to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryEntry {
    /// The plugin's own name.
    pub name: String,
    /// The plugin's own version.
    pub version: Version,
    /// Which component that is.
    pub digest: Digest,
    /// The plugin's kind, as named in the contract.
    pub world: String,
    /// One line for people.
    pub summary: String,
    /// The component's size.
    pub component_bytes: u64,
    /// When it was pushed, milliseconds since 1970-01-01 UTC.
    pub pushed_ms: u64,
}

/// How an entry's file is damaged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryFault {
    /// It is not such a file.
    #[error("it does not start with `{MAGIC}`")]
    Magic,
    /// It is of another version of the format.
    #[error("its format has version `{version}`; this host reads {VERSION}")]
    Version {
        /// The version.
        version: String,
    },
    /// Its checksum does not fit.
    #[error("its CRC-32 does not fit its content")]
    Checksum,
    /// Its content is not an entry.
    #[error("its content is no entry: {reason}")]
    Content {
        /// What the parser says.
        reason: String,
    },
}

/// What a plugin is called in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginName {
    name: String,
    version: Version,
}

impl PluginName {
    /// The plugin's own.
    #[must_use]
    pub fn of(plugin: &Plugin) -> Self {
        let description = plugin.description();
        Self { name: description.name.clone(), version: description.version.clone() }
    }

    /// The same with other parts, where they are given.
    ///
    /// # Errors
    /// A name that is not lower case words joined by `-`, or a version that is no semantic one.
    pub fn with(self, name: Option<&str>, version: Option<&str>) -> Result<Self, DescriptionError> {
        let name = match name {
            Some(name) => description::parse_name(name)?,
            None => self.name,
        };
        let version = match version {
            Some(version) => description::parse_version(version)?,
            None => self.version,
        };
        Ok(Self { name, version })
    }
}

impl RegistryEntry {
    pub(super) fn of(plugin: &Plugin, name: &PluginName) -> Self {
        let description = plugin.description();
        Self {
            name: name.name.clone(),
            version: name.version.clone(),
            digest: plugin.digest(),
            world: plugin.world().to_string(),
            summary: description.summary.clone(),
            component_bytes: plugin.component_bytes() as u64,
            pushed_ms: clock::unix_ms(),
        }
    }

    pub(super) fn is_called_like(&self, other: &Self) -> bool {
        (&self.name, &self.version) == (&other.name, &other.version)
    }

    pub(super) fn file_name(&self) -> String {
        // Both were checked when the plugin was loaded: neither has a `/` nor starts with a dot.
        format!("{}@{}{NAME_SUFFIX}", self.name, self.version)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // A struct of texts and numbers always has a JSON form.
        let content = serde_json::to_string_pretty(self).unwrap_or_default();
        let checksum = crc32fast::hash(content.as_bytes());
        format!("{MAGIC} {VERSION} {checksum:08x}\n{content}").into_bytes()
    }

    pub(super) fn decode(file: &[u8]) -> Result<Self, EntryFault> {
        let text = str::from_utf8(file).map_err(|_| EntryFault::Checksum)?;
        let (head, content) = text.split_once('\n').ok_or(EntryFault::Magic)?;
        let mut words = head.split(' ');
        if words.next() != Some(MAGIC) {
            return Err(EntryFault::Magic);
        }
        let version = words.next().unwrap_or_default();
        if version != VERSION {
            return Err(EntryFault::Version { version: version.chars().take(20).collect() });
        }
        let checksum = words.next().and_then(|word| u32::from_str_radix(word, 16).ok());
        if checksum != Some(crc32fast::hash(content.as_bytes())) {
            return Err(EntryFault::Checksum);
        }
        serde_json::from_str(content)
            .map_err(|error| EntryFault::Content { reason: error.to_string() })
    }
}
