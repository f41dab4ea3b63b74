//! Which plugins a pipeline runs, apart from what its file says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidemill_plugin::Settings;

/// What one operator runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The plugin's digest, `sha256:…`.
    pub plugin: String,
    /// All its parameters, where they are not the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Settings>,
}

/// What one operator is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryPin {
    /// The version that is tried.
    pub pin: Pin,
    /// The first difference ends the comparison.
    pub stop_on_difference: bool,
}

/// Which plugins a pipeline runs, apart from what its file says. All by operator.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Versions {
    /// What runs instead of what the file's references mean today.
    pub pins: BTreeMap<String, Pin>,
    /// What is called beside it.
    pub canaries: BTreeMap<String, CanaryPin>,
    /// Pointers to checkpoints that a rollback may go back to: they are not garbage.
    pub kept: Vec<String>,
    /// Whose state is taken from an earlier checkpoint.
    pub restores: BTreeMap<String, Restore>,
}

/// An operator goes back to the state of an earlier checkpoint. What later batches did to it is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The pointer to the checkpoint.
    pub checkpoint: String,
    /// The first batch that runs on it; once that has committed, this is history. Absent: the next one, which is
    /// known at the boundary.
    pub batch: Option<u64>,
}

impl Pin {
    /// A plugin with the file's parameters.
    #[must_use]
    pub fn of(digest: impl Into<String>) -> Self {
        Self { plugin: digest.into(), params: None }
    }
}

impl Versions {
    /// As they are at the boundary before `batch`: what is to be restored is restored there, and what was
    /// restored for earlier batches is history.
    #[must_use]
    pub fn at(mut self, batch: u64) -> Self {
        self.restores.retain(|_, restore| restore.batch.is_none_or(|of| of == batch));
        self.restores.values_mut().for_each(|restore| restore.batch = Some(batch));
        self
    }

    /// The earlier state that an operator begins `batch` with, instead of the one after the batch before.
    #[must_use]
    pub fn restored(&self, operator: &str, batch: u64) -> Option<&Restore> {
        self.restores.get(operator).filter(|restore| restore.batch == Some(batch))
    }

    /// Every digest that is named.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        let tried = self.canaries.values().map(|canary| &canary.pin);
        self.pins.values().chain(tried).map(|pin| pin.plugin.as_str())
    }
}
