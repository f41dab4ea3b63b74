//! The moment between two batches at which other plugins take over.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Versions;
use crate::graph::Graph;

/// Asks a driver to run another graph of the same pipeline from its next boundary on.
pub struct Switch {
    /// What is to run.
    pub graph: Arc<Graph>,
    /// What it was made from.
    pub versions: Versions,
    /// Is told when the driver holds, or why it goes on with what it has.
    pub reached: oneshot::Sender<Result<Held, SwitchError>>,
}

/// A driver that holds.
pub struct Held {
    /// The first batch that the new graph would run.
    pub batch: u64,
    /// The pointer to the checkpoint of the last batch; nothing before the first one.
    pub checkpoint: Option<String>,
    /// Lets it pass; dropped, it goes on with what it had.
    pub pass: oneshot::Sender<()>,
}

/// Why a pipeline goes on with the versions that it had.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// The new version has no state to go on with.
    #[error("the state of operator `{operator}`: {reason}")]
    State {
        /// The operator.
        operator: String,
        /// Why not, with what to do about it.
        reason: String,
    },
    /// It ended or failed before it came to a boundary.
    #[error("the pipeline stopped before it came to the end of a batch")]
    Gone,
}

/// A pipeline that is between two batches, whether it runs or not. **It waits**: save what it is to run from
/// [`Boundary::batch`] on, then let it [pass](Boundary::pass). Dropped, nothing changes.
pub struct Boundary {
    /// The first batch of the new versions.
    pub batch: u64,
    /// The pointer to the checkpoint before it.
    pub checkpoint: Option<String>,
    /// What is to be saved.
    pub versions: Versions,
    decide: Option<Decide>,
}

/// Told whether the new versions take over.
type Decide = Box<dyn FnOnce(bool) + Send>;

impl std::fmt::Debug for Boundary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Boundary").field("batch", &self.batch).finish_non_exhaustive()
    }
}

impl Boundary {
    pub(crate) fn new(
        batch: u64,
        checkpoint: Option<String>,
        versions: Versions,
        decide: impl FnOnce(bool) + Send + 'static,
    ) -> Self {
        Self { batch, checkpoint, versions, decide: Some(Box::new(decide)) }
    }

    /// The new versions take over.
    pub fn pass(mut self) {
        if let Some(decide) = self.decide.take() {
            decide(true);
        }
    }
}

impl Drop for Boundary {
    fn drop(&mut self) {
        if let Some(decide) = self.decide.take() {
            decide(false);
        }
    }
}
