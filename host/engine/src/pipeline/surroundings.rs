//! What a pipeline asks of the host.

use std::sync::Arc;

use crate::broker::Broker;
use crate::checkpoint::CheckpointStore;
use crate::clock::Clock;
use crate::pool::Lane;
use crate::sinks::FileSinks;

/// Shared by the parts of one pipeline.
#[derive(Clone)]
pub struct Surroundings {
    /// The log.
    pub broker: Arc<dyn Broker>,
    /// Keeps state files and manifests.
    pub store: Arc<CheckpointStore>,
    /// Writes to sinks outside the log.
    pub files: Arc<FileSinks>,
    /// Runs tasks.
    pub lane: Arc<Lane>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}
