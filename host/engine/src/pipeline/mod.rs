//! One pipeline's life: restore, batch after batch, and after a failure again from the last commit.
//!
//! Two batches are under way at a time: while one is brought to its commit, the next is read and
//! mapped. **State, publishing and commits keep the order of the batches.**

mod batches;
mod orders;
mod summary;
mod replay;
mod report;
mod restore;
mod source_side;
mod surroundings;
mod tidy;

use std::sync::Arc;
use std::time::Duration;

use crate::batch::finish::BatchError;
use crate::causes::causes_of;
use crate::ingest::Ingest;
use crate::progress::PipelineState;
use crate::spec::{PipelineSpec, SourceInput};

pub use orders::Orders;
pub use replay::{Replay, ReplayError, Replayed, ReplayedRecord, ReplayedSink};
pub use report::{PROGRESS_KEPT_MAX, Report};
pub use surroundings::Surroundings;

pub use crate::batch::finish::plugins_of;

use batches::Batches;

/// The first pause before a failed pipeline starts again; it doubles up to [`RETRY_PAUSE_MAX`].
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest pause.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);
/// A pipeline that failed this often without a commit in between is not tried again.
const RETRIES_MAX: u32 = 20;

/// What the consumer groups of pipelines begin with. Such names are not for clients.
pub const GROUP_PREFIX: &str = "tidemill.";

/// The consumer group, and transactional id, of a pipeline.
#[must_use]
pub fn group_of(pipeline: &str) -> String {
    format!("{GROUP_PREFIX}{pipeline}")
}

/// The pipeline that a consumer group would belong to, by its name: the group of its positions,
/// or of a source that it copies.
#[must_use]
pub fn pipeline_of_group(group: &str) -> Option<&str> {
    let rest = group.strip_prefix(GROUP_PREFIX)?;
    // Neither pipelines nor sources have dots in their names.
    match rest.split_once('.') {
        None => Some(rest),
        Some(("ingest", source)) => source.split_once('.').map(|(pipeline, _)| pipeline),
        Some(_) => None,
    }
}

/// One pipeline, ready to run.
pub struct Pipeline {
    /// Its file.
    pub spec: Arc<PipelineSpec>,
    /// What it asks of the host.
    pub host: Surroundings,
    /// What it tells.
    pub report: Arc<Report>,
    /// What it is told.
    pub orders: Orders,
}

/// How an attempt ended without an error.
enum End {
    Stopped,
    Finished,
}

impl Pipeline {
    /// Runs until it is stopped, has finished, or has failed for good; the report says which.
    pub async fn run(mut self) {
        let mut pause = RETRY_PAUSE_MIN;
        let mut failures = 0;
        loop {
            let before = self.report.status().batches;
            let error = match self.attempt(failures).await {
                Ok(End::Stopped) => return self.report.set_state(PipelineState::Stopped),
                Ok(End::Finished) => return self.report.set_state(PipelineState::Finished),
                Err(error) => error,
            };
            if self.report.status().batches > before {
                (failures, pause) = (0, RETRY_PAUSE_MIN);
            }
            failures += 1;
            let reason = chain_of(&error);
            if !error.is_retryable() || failures > RETRIES_MAX {
                tracing::error!(pipeline = %self.spec.name, reason, "pipeline failed");
                return self.report.set_state(PipelineState::Failed { reason });
            }
            let pause_ms = pause.as_millis();
            tracing::warn!(pipeline = %self.spec.name, reason, pause_ms, "pipeline starts again from its last commit");
            self.report.set_state(PipelineState::Retrying { reason });
            let over = tokio::time::sleep(pause);
            tokio::pin!(over);
            loop {
                tokio::select! {
                    () = self.orders.given() => {}
                    () = &mut over => break,
                }
                if self.orders.is_stopped() {
                    return self.report.set_state(PipelineState::Stopped);
                }
                // There is no boundary here: whoever asked hears that, and starts the pipeline anew.
                drop(self.orders.take_switch());
            }
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
        }
    }

    /// `failures`: how often it has failed since its last commit.
    async fn attempt(&mut self, failures: u32) -> Result<End, BatchError> {
        self.report.set_state(PipelineState::Starting);
        let group = group_of(self.spec.name.as_str());
        // Fences an earlier run before anything is read that it could still change.
        let producer = self.host.broker.producer(&group).await?;
        let graph = Arc::clone(self.orders.graph());
        let restored =
            restore::restore(&graph, &group, self.spec.tasks, self.orders.versions(), &self.host)
                .await?;
        let ingests = self.start_ingests().await?;
        let batches = Batches::new(self, &graph, group, producer, restored, failures);
        let ended = batches.run(&ingests, &mut self.orders).await;
        for ingest in ingests {
            ingest.stop().await;
        }
        ended
    }

    async fn start_ingests(&self) -> Result<Vec<Ingest>, BatchError> {
        let outside = self
            .spec
            .sources
            .iter()
            .filter(|source| !matches!(source.input, SourceInput::Topic(_)));
        let mut ingests = Vec::new();
        for source in outside {
            let (broker, clock) = (Arc::clone(&self.host.broker), Arc::clone(&self.host.clock));
            ingests.push(Ingest::start(&self.spec.name, source, broker, clock).await?);
        }
        Ok(ingests)
    }
}

/// An error and its causes, outermost first, with what to do about it.
#[must_use]
pub fn chain_of(error: &BatchError) -> String {
    let text = causes_of(error);
    match error.hint() {
        Some(hint) => format!("{text}; {hint}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{group_of, pipeline_of_group};

    #[test]
    fn groups_lead_back_to_their_pipelines() {
        assert_eq!(pipeline_of_group(&group_of("page-latency")), Some("page-latency"));
        assert_eq!(pipeline_of_group("tidemill.ingest.page-latency.lines"), Some("page-latency"));
        for foreign in ["page-latency", "tidemill", "tidemill.a.b", "tidemill.ingest.a"] {
            assert_eq!(pipeline_of_group(foreign), None, "{foreign}");
        }
    }
}
