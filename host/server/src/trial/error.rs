//! Why a trial could not be held.

use std::path::PathBuf;

use tidemill_plugin::{ConfigureError, LoadError, RuntimeError};

use crate::project::ProjectError;

/// Why a trial could not be held. What a trial finds is no error.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error("read `{}`", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("`{}` is not valid", path.display())]
    Cases { path: PathBuf, source: Box<toml::de::Error> },
    #[error("`{}` is no plugin that can be loaded", path.display())]
    Load { path: PathBuf, source: Box<LoadError> },
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("the plugin cannot be started")]
    Configure(#[from] ConfigureError),
}

impl TrialError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            TrialError::Project(error) => error.hint(),
            TrialError::Load { source, .. } => source.hint(),
            TrialError::Runtime(error) => error.hint(),
            TrialError::Configure(ConfigureError::Settings { cause, .. }) => {
                let why = cause.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                Some(format!(
                    "`--param NAME=VALUE`, or `params` at the head of cases.toml, sets one{why}"
                ))
            }
            TrialError::Configure(error) => error.hint(),
            TrialError::Cases { .. } => Some(
                "a case has a `name`, `input` and `output`; the guide of your language shows one"
                    .to_owned(),
            ),
            TrialError::Read { .. } => None,
        }
    }
}
