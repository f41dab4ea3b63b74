//! The folders of a data folder.

use std::path::{Path, PathBuf};

use super::OpenError;

/// Where what is.
pub struct Layout {
    pub log: PathBuf,
    pub plugins: PathBuf,
    /// Compiled code: a cache, which may be deleted.
    pub compiled: PathBuf,
    pub checkpoints: PathBuf,
    pub pipelines: PathBuf,
}

impl Layout {
    /// Makes the data folder if it is not there. The folders in it are made by those who use them.
    pub fn make(data: &Path) -> Result<Layout, OpenError> {
        std::fs::create_dir_all(data)
            .map_err(|source| OpenError::Folder { path: data.to_owned(), source })?;
        // Absolute, because checkpoint locations are told to an object store.
        let data = data
            .canonicalize()
            .map_err(|source| OpenError::Folder { path: data.to_owned(), source })?;
        Ok(Layout {
            log: data.join("log"),
            plugins: data.join("plugins"),
            compiled: data.join("compiled"),
            checkpoints: data.join("checkpoints"),
            pipelines: data.join("pipelines"),
        })
    }

    /// The log's folder, for commands that look into it without a host.
    pub fn log_of(data: &Path) -> PathBuf {
        let inner = data.join("log");
        if inner.is_dir() { inner } else { data.to_owned() }
    }
}
