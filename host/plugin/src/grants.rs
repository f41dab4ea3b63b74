//! Capabilities that a pipeline gives to a plugin.

use serde::{Deserialize, Serialize};

/// What a plugin may import beside its types and virtual WASI. Nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// `tidemill:plugin/logging`.
    pub logging: bool,
    /// `tidemill:plugin/metrics`.
    pub metrics: bool,
}

impl Grants {
    /// No capability.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Every capability.
    #[must_use]
    pub fn all() -> Self {
        Self { logging: true, metrics: true }
    }

    /// The names that a pipeline file has for them.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let all = [(self.logging, "logging"), (self.metrics, "metrics")];
        all.into_iter().filter(|(granted, _)| *granted).map(|(_, name)| name).collect()
    }
}
