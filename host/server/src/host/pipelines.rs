//! Changes of pipelines: the engine and the files together.
//!
//! **What the API answered for survives a restart**: the engine takes a change first, because only it knows
//! whether a pipeline is right; then the file is written; then the answer is given. A crash in between leaves
//! what was wanted before, and nobody was told otherwise.

use std::collections::BTreeMap;

use tidemill_engine::engine::ApplyError;
use tidemill_engine::spec::{PipelineName, PipelineSpec};

use super::Host;
use super::pipeline_files::{PipelineFileError, Saved, Wanted};

/// Why a pipeline could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Engine(Box<ApplyError>),
    #[error(transparent)]
    File(#[from] PipelineFileError),
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
            PipelineError::Engine(_) => None,
            PipelineError::File(error) => error.hint(),
        }
    }
}

impl Host {
    /// Checks a pipeline and starts it, in place of the one with its name.
    pub async fn apply(&self, spec: PipelineSpec) -> Result<(), PipelineError> {
        let _one = self.changes.lock().await;
        let (name, text) = (spec.name.clone(), spec.source_text.clone());
        // Applying is how a person asks for what the references mean today.
        let plugins = self.engine.apply(spec, &BTreeMap::new()).await?;
        self.files.save(&name, &Saved { text, wanted: Wanted::Running, plugins })?;
        self.watch_batches(&name);
        Ok(())
    }

    /// Goes on at the last commit.
    pub async fn start_pipeline(&self, name: &str) -> Result<(), PipelineError> {
        let _one = self.changes.lock().await;
        self.engine.start_pipeline(name).await?;
        self.want(name, Wanted::Running)
    }

    /// Ends after the running batch.
    pub async fn stop_pipeline(&self, name: &str) -> Result<(), PipelineError> {
        let _one = self.changes.lock().await;
        self.engine.stop_pipeline(name).await?;
        self.want(name, Wanted::Stopped)
    }

    /// Forgets it. The engine goes first: a crash in between leaves a pipeline that starts afresh, and the
    /// person, who was not answered, can delete it again.
    pub async fn delete_pipeline(&self, name: &str) -> Result<(), PipelineError> {
        let _one = self.changes.lock().await;
        let spec =
            self.engine.spec(name).ok_or_else(|| ApplyError::Unknown { name: name.to_owned() })?;
        self.engine.delete_pipeline(name).await?;
        self.files.remove(&spec.name)?;
        self.batch_times.lock().forget(name);
        Ok(())
    }

    /// Starts every pipeline that is to run, with the plugins it ran with. One that cannot start stays known
    /// by its file.
    pub(super) async fn restore_pipelines(&self) -> Result<(), PipelineFileError> {
        for saved in self.files.load()? {
            let spec = match PipelineSpec::parse(&saved.text) {
                Ok(spec) => spec,
                Err(error) => {
                    tracing::error!(%error, "a saved pipeline is not valid any more; it is not started");
                    continue;
                }
            };
            let name = spec.name.clone();
            let restored = match saved.wanted {
                Wanted::Running => self.engine.apply(spec, &saved.plugins).await.map(drop),
                Wanted::Stopped => self.engine.add_stopped(spec, &saved.plugins).await,
            };
            match restored {
                Ok(()) => self.watch_batches(&name),
                Err(error) => {
                    let causes = crate::cli::causes(&error);
                    tracing::error!(pipeline = %name, %error, ?causes, "a saved pipeline cannot start");
                }
            }
        }
        Ok(())
    }

    fn want(&self, name: &str, wanted: Wanted) -> Result<(), PipelineError> {
        let Some(spec) = self.engine.spec(name) else { return Ok(()) };
        match self.files.get(&spec.name)? {
            Some(saved) if saved.wanted != wanted => {
                Ok(self.files.save(&spec.name, &Saved { wanted, ..saved })?)
            }
            _ => Ok(()),
        }
    }

    /// Counts the times of a pipeline's batches, until it is replaced or deleted.
    fn watch_batches(&self, name: &PipelineName) {
        let Some(mut batches) = self.engine.subscribe(name.as_str()) else { return };
        let times = std::sync::Arc::clone(&self.batch_times);
        let stop = self.upkeep.clone();
        tokio::spawn(async move {
            loop {
                use tokio::sync::broadcast::error::RecvError;
                let received = tokio::select! {
                    received = batches.recv() => received,
                    () = stop.cancelled() => return,
                };
                match received {
                    Ok(progress) => times
                        .lock()
                        .add(&progress.name, progress.duration_ms.trigger_execution / 1000.0),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }
}
