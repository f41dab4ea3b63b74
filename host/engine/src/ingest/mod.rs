//! In the making. The pipeline driver (`crate::pipeline`) calls exactly this.

use crate::batch::finish::BatchError;
use crate::pipeline::Surroundings;
use crate::spec::{PipelineName, PipelineSpec, SourceSpec};

/// The topic that a source which is not a topic is ingested into.
#[must_use]
pub fn topic_name(pipeline: &PipelineName, source: &str) -> String {
    format!("tidemill.{pipeline}.{source}")
}

/// The consumer group that holds an ingest's position.
#[must_use]
pub fn group_name(pipeline: &PipelineName, source: &str) -> String {
    format!("tidemill.ingest.{pipeline}.{source}")
}

/// One source's ingest, running.
pub struct Ingest;

impl Ingest {
    /// Starts it.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn start(_spec: &PipelineSpec, _source: &SourceSpec, _host: &Surroundings) -> Result<Self, BatchError> {
        Ok(Self)
    }

    /// Returns once everything present at the call is in the topic.
    ///
    /// # Errors
    /// What it failed with.
    pub async fn drain(&self) -> Result<(), BatchError> {
        Ok(())
    }

    /// What it failed with, if it did: the driver then fails the pipeline (or tries again).
    #[must_use]
    pub fn failure(&self) -> Option<BatchError> {
        None
    }

    /// Ends it after the transaction under way.
    pub async fn stop(self) {}
}
