//! Pipelines that come back with their host.
//!
//! **One that cannot come back is shown as failed, with the reason**, never silently left out: its plugin may be
//! gone, or its file not valid for this version.

use std::collections::BTreeMap;

use tidemill_engine::engine::ApplyError;
use tidemill_engine::progress::{PipelineState, PipelineStatus};
use tidemill_engine::spec::{PipelineSpec, SpecError};
use tidemill_engine::upgrade::Versions;

use super::Host;
use super::pipeline_files::{PipelineFileError, Saved, Wanted};
use super::pipelines::PipelineError;
use crate::cli::chain;

/// Why a saved pipeline did not come back.
#[derive(Debug, thiserror::Error)]
enum RestoreError {
    #[error("its file is not valid any more: {0}")]
    Spec(SpecError),
    #[error(transparent)]
    Engine(Box<ApplyError>),
}

impl Host {
    /// Starts every pipeline that is to run, with the plugins it ran with.
    pub(super) async fn restore_pipelines(&self) -> Result<(), PipelineFileError> {
        for (name, saved) in self.files.load()? {
            match self.restore(&saved).await {
                Ok(()) => self.watch_batches(&name),
                Err(error) => {
                    let reason = chain(&error);
                    tracing::error!(pipeline = name, reason, "a saved pipeline cannot start");
                    self.broken.lock().insert(name, reason);
                }
            }
        }
        Ok(())
    }

    async fn restore(&self, saved: &Saved) -> Result<(), RestoreError> {
        let spec = PipelineSpec::parse(&saved.text).map_err(RestoreError::Spec)?;
        let restored = match saved.wanted {
            Wanted::Running => self.engine.apply(spec, &saved.versions()).await.map(drop),
            Wanted::Stopped => self.engine.add_stopped(spec, &saved.versions()).await,
        };
        restored.map_err(|error| RestoreError::Engine(Box::new(error)))
    }

    /// Tries again with what its references mean today: its own plugins may be what is gone.
    pub(super) async fn mend(&self, name: &str) -> Result<(), PipelineError> {
        let saved = self.files.get(name)?.ok_or(PipelineError::Unknown)?;
        let spec = PipelineSpec::parse(&saved.text)
            .map_err(|error| PipelineError::Spec(Box::new(error)))?;
        let plugins = self.engine.apply(spec, &Versions::default()).await?;
        self.files.save(name, &Saved::applied(saved.text, saved.wanted, plugins))?;
        self.broken.lock().remove(name);
        Ok(())
    }

    pub(super) fn is_broken(&self, name: &str) -> bool {
        self.broken.lock().contains_key(name)
    }

    /// Every pipeline, by name, also those that did not come back.
    pub fn pipelines(&self) -> Vec<PipelineStatus> {
        let mut all = self.engine.list();
        all.extend(self.broken.lock().iter().map(|(name, reason)| failed(name, reason)));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// One pipeline.
    pub fn pipeline(&self, name: &str) -> Option<PipelineStatus> {
        let broken = self.broken.lock().get(name).map(|reason| failed(name, reason));
        broken.or_else(|| self.engine.status(name))
    }
}

fn failed(name: &str, reason: &str) -> PipelineStatus {
    PipelineStatus {
        name: name.to_owned(),
        state: PipelineState::Failed { reason: reason.to_owned() },
        batch_id: None,
        batches: 0,
        input_rows: 0,
        output_rows: 0,
        late_rows: 0,
        lag: 0,
        batch_ms: BTreeMap::new(),
        operators: Vec::new(),
        canaries: Vec::new(),
        last_progress: None,
    }
}
