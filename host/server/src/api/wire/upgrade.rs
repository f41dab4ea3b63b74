//! What is asked of a pipeline's versions: upgrades, trials, rollbacks and replays.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tidemill_plugin::Settings;

/// Asks for another version of an operator's plugin.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpgradeRequest {
    /// `name`, `name@version` or `sha256:…`; absent: what runs, with other parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Parameters that change; absent: they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Settings>,
    /// Tries it first, for so long; absent: it takes over at the next batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryLength>,
    #[serde(default)]
    pub on_difference: OnDifference,
}

/// How long a version is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CanaryLength {
    Batches(u64),
    ForMs(i64),
}

/// What the first difference does to a trial.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum OnDifference {
    /// It is counted, and the trial goes on.
    #[default]
    Report,
    /// It ends the trial.
    Stop,
}

/// What a rollback does with state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum StateChoice {
    /// The version before goes on with the state as it is, through its `migrate` where the forms differ.
    #[default]
    Keep,
    /// The state from before the upgrade: what later batches did to it is left out.
    Before,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackRequest {
    #[serde(default)]
    pub state: StateChoice,
}

/// What runs from a batch on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upgraded {
    pub pipeline: String,
    pub operator: String,
    /// The first batch.
    pub batch: u64,
    /// `name@version`.
    pub plugin: String,
    pub digest: String,
    /// What is tried beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<String>,
}

/// Asks for a batch to be run once more.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayRequest {
    pub batch: u64,
    /// Whose plugin `with` is instead of; may be absent where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
}
