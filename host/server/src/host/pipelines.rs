//! Changes of pipelines: the engine and the files together.
//!
//! **What the API answered for survives a restart**: the engine takes a change first, because only it knows
//! whether a pipeline is right; then the file is written; then the answer is given. A crash in between leaves
//! what was wanted before, and nobody was told otherwise.

use std::sync::Arc;

use tidemill_engine::engine::ApplyError;
use tidemill_engine::pipeline::ReplayError;
use tidemill_engine::spec::{PipelineSpec, SpecError};
use tidemill_engine::upgrade::Versions;
use tokio::sync::broadcast::error::RecvError;

use super::Host;
use super::pipeline_files::{PipelineFileError, Saved, Wanted};
use super::plugins::PluginError;

/// Why a pipeline could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Engine(Box<ApplyError>),
    #[error("there is no such pipeline")]
    Unknown,
    #[error(transparent)]
    Spec(Box<SpecError>),
    #[error(transparent)]
    File(#[from] PipelineFileError),
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error(transparent)]
    Replay(#[from] Box<ReplayError>),
    #[error("the pipeline has no operator `{operator}`")]
    NoOperator { operator: String, known: Vec<String> },
    #[error("the pipeline has several operators")]
    WhichOperator { known: Vec<String> },
    #[error("operator `{operator}` runs that already, with the same parameters")]
    Unchanged { operator: String },
    #[error("no other version is tried at operator `{operator}`")]
    NoCanary { operator: String },
    #[error("operator `{operator}` has run nothing else since the pipeline was applied")]
    NothingBefore { operator: String },
}

impl From<ApplyError> for PipelineError {
    fn from(error: ApplyError) -> PipelineError {
        PipelineError::Engine(Box::new(error))
    }
}

impl PipelineError {
    /// What to try. The engine's own hints are in its messages, beside the line they are about.
    pub fn hint(&self) -> Option<String> {
        match self {
            PipelineError::Engine(_) | PipelineError::Spec(_) | PipelineError::Unknown => None,
            PipelineError::File(error) => error.hint(),
            PipelineError::Plugin(error) => error.hint(),
            PipelineError::Replay(error) => error.hint(),
            PipelineError::NoOperator { known, .. } | PipelineError::WhichOperator { known } => {
                Some(format!("name one of them: {}", known.join(", ")))
            }
            PipelineError::Unchanged { .. } | PipelineError::NothingBefore { .. } => None,
            PipelineError::NoCanary { .. } => {
                Some("`tidemill pipeline upgrade … --canary 100-batches` tries one".to_owned())
            }
        }
    }
}

impl Host {
    /// Checks a pipeline and starts it, in place of the one with its name.
    pub async fn apply(&self, spec: PipelineSpec) -> Result<(), PipelineError> {
        let _one = self.changes.lock().await;
        let (name, text) = (spec.name.to_string(), spec.source_text.clone());
        // Applying is how a person asks for what the references mean today.
        let plugins = self.engine.apply(spec, &Versions::default()).await?;
        self.files.save(&name, &Saved::applied(text, Wanted::Running, plugins))?;
        self.broken.lock().remove(&name);
        self.watch_batches(&name);
        Ok(())
    }

    /// Goes on at the last commit.
    pub async fn start_pipeline(&self, name: &str) -> Result<(), PipelineError> {
        let _one = self.changes.lock().await;
        if self.is_broken(name) {
            self.mend(name).await?;
        }
        self.engine.start_pipeline(name).await?;
        self.watch_batches(name);
        self.want(name, Wanted::Running)
    }

    /// Ends after the running batch.
    pub async fn stop_pipeline(&self, name: &str) -> Result<(), PipelineError> {
        let _one = self.changes.lock().await;
        if !self.is_broken(name) {
            self.engine.stop_pipeline(name).await?;
        }
        self.want(name, Wanted::Stopped)
    }

    /// Forgets it. The engine goes first: a crash in between leaves a pipeline that starts afresh, and the
    /// person, who was not answered, can delete it again. Of a broken one the engine knows nothing: its
    /// checkpoints stay.
    pub async fn delete_pipeline(&self, name: &str) -> Result<(), PipelineError> {
        let _one = self.changes.lock().await;
        if self.broken.lock().remove(name).is_none() {
            self.engine.delete_pipeline(name).await?;
        }
        self.files.remove(name)?;
        self.batch_times.lock().forget(name);
        Ok(())
    }

    fn want(&self, name: &str, wanted: Wanted) -> Result<(), PipelineError> {
        match self.files.get(name)? {
            Some(saved) if saved.wanted != wanted => {
                Ok(self.files.save(name, &Saved { wanted, ..saved })?)
            }
            _ => Ok(()),
        }
    }

    /// Counts the times of a pipeline's batches from now on; an earlier watch of it ends.
    pub(super) fn watch_batches(&self, name: &str) {
        let Some(mut batches) = self.engine.subscribe(name) else { return };
        let times = Arc::clone(&self.batch_times);
        let watch = tokio::spawn(async move {
            loop {
                match batches.recv().await {
                    Ok(progress) => {
                        let seconds = progress.duration_ms.trigger_execution / 1000.0;
                        times.lock().add(&progress.name, seconds);
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        if let Some(earlier) = self.watches.lock().insert(name.to_owned(), watch.abort_handle()) {
            earlier.abort();
        }
    }
}
