//! What a committed batch leaves behind: which state files make up the state after it.
//! **A manifest names everything that a restart needs**; nothing is found by listing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidemill_plugin::Settings;

use crate::batch::plan::BatchPlan;

/// The version of the manifest's form that is written and read.
pub const MANIFEST_FORMAT: u32 = 1;

/// Whether a state file adds to those before it or stands for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// What one batch changed.
    Delta,
    /// All state after a batch.
    Snapshot,
}

/// One immutable state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// Whose state.
    pub operator: String,
    /// Which task's part of it.
    pub task: u32,
    /// The state is the one after this batch.
    pub batch: u64,
    /// What it holds.
    pub kind: FileKind,
    /// Where it is, below the checkpoints' location.
    pub path: String,
    /// Its length in bytes.
    pub length: u64,
    /// CRC-32 of all its bytes.
    pub crc32: u32,
}

/// The next record that a pipeline reads of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset of the first record that was not read.
    pub next: i64,
}

/// How far event time has come at one operator. Milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorWatermark {
    /// The watermark after the batch; absent before the first record.
    pub current_ms: Option<i64>,
    /// By input: the highest event time seen.
    pub inputs: BTreeMap<String, i64>,
}

/// The state of a pipeline after one batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_FORMAT`].
    pub format: u32,
    /// Whose.
    pub pipeline: String,
    /// The batch that made it.
    pub batch: u64,
    /// That batch's time, milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// Fixed for a pipeline's life.
    pub key_groups: u32,
    /// Over how many tasks the key groups are spread.
    pub tasks: u32,
    /// By operator.
    pub watermarks: BTreeMap<String, OperatorWatermark>,
    /// The committed positions once more, to be compared with the log's.
    pub offsets: Vec<SourceOffset>,
    /// By operator: the digest of the plugin that ran.
    pub plugins: BTreeMap<String, String>,
    /// By operator: every parameter that it ran with.
    #[serde(default)]
    pub params: BTreeMap<String, Settings>,
    /// What the batch read, and under which watermarks: with the state before it, all that is needed to run
    /// it once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<BatchPlan>,
    /// The pointer to the manifest of the batch before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// By operator: the version of its accumulators' form.
    pub state_versions: BTreeMap<String, u32>,
    /// By operator: the windows that its state is cut into; running totals are not there.
    #[serde(default)]
    pub windows: BTreeMap<String, String>,
    /// In the order in which they apply, operator by operator and task by task.
    pub state: Vec<StateFile>,
}

impl Manifest {
    /// The files of one task of one operator, oldest first.
    #[must_use]
    pub fn files_of(&self, operator: &str, task: u32) -> Vec<StateFile> {
        let mine = |file: &&StateFile| file.operator == operator && file.task == task;
        self.state.iter().filter(mine).cloned().collect()
    }
}
