//! Why a host could not be opened.

use std::path::PathBuf;

use tidemill_engine::checkpoint::CheckpointError;
use tidemill_log::OpenError as LogOpenError;
use tidemill_plugin::{LoadError, RegistryError, RuntimeError};

use super::pipeline_files::PipelineFileError;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("make the folder `{path}`", path = path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Kafka(#[from] tidemill_kafka::BindError),
    #[error(transparent)]
    Log(#[from] LogOpenError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("share plugins")]
    SharedRegistry(#[from] CheckpointError),
    #[error("load the ready plugin `{name}`")]
    Ready { name: &'static str, source: LoadError },
    #[error(transparent)]
    Pipelines(#[from] PipelineFileError),
}

impl OpenError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            OpenError::Folder { .. } => Some("--data names another folder".to_owned()),
            OpenError::Kafka(error) => Some(error.hint().to_owned()),
            OpenError::Log(error) => Some(error.hint().to_owned()),
            OpenError::Runtime(error) => error.hint(),
            OpenError::Registry(error) => error.hint(),
            OpenError::SharedRegistry(error) => error.hint(),
            OpenError::Ready { source, .. } => source.hint(),
            OpenError::Pipelines(error) => error.hint(),
        }
    }
}
