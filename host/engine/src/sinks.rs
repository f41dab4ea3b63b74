//! Sinks of files: one immutable file for each batch and task, in a folder or a bucket.
//!
//! A batch's files are written before its commit, from a plan that was made durable before it ran.
//! **A file's name says pipeline, sink, batch and task, and a file once written is never changed**:
//! the same batch run again after a crash finds its files there and leaves them.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use parking_lot::Mutex;

use crate::batch::sink::SinkOutputs;
use crate::checkpoint::{CheckpointError, Opened, open_location};

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkFileError {
    /// The location is no folder and no bucket.
    #[error("open the location `{location}`")]
    Location {
        /// As in the pipeline file.
        location: String,
        /// Why not.
        #[source]
        source: CheckpointError,
    },
    /// The store refused it.
    #[error("write `{path}`")]
    Write {
        /// The file.
        path: String,
        /// Why not.
        #[source]
        source: object_store::Error,
    },
    /// There is a file of that name with other content.
    #[error("`{path}` is there already, and is not what this batch writes")]
    Foreign {
        /// The file.
        path: String,
    },
}

impl SinkFileError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Location { source, .. } => source.hint(),
            Self::Write { .. } => None,
            Self::Foreign { .. } => Some(
                "an earlier pipeline of this name, or another plugin, wrote it: move it away, or name another location"
                    .to_owned(),
            ),
        }
    }

    /// Whether trying again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Location { source, .. } => source.is_retryable(),
            Self::Write { .. } => true,
            Self::Foreign { .. } => false,
        }
    }
}

type Store = (Arc<dyn ObjectStore>, Path);

/// The folders and buckets that sinks write to, opened once.
#[derive(Default)]
pub struct FileSinks {
    opened: Mutex<HashMap<String, Store>>,
}

impl FileSinks {
    /// Opens `location`, to find out early what is wrong with it.
    ///
    /// # Errors
    /// It is no folder that can be made, and no bucket.
    pub fn open(&self, location: &str) -> Result<(), SinkFileError> {
        self.store(location).map(drop)
    }

    /// Lets `location` stand for a store that is open already, such as a simulated one.
    pub fn provide(&self, location: &str, store: Arc<dyn ObjectStore>) {
        self.opened.lock().insert(location.to_owned(), (store, Path::default()));
    }

    /// Writes what the tasks of a batch have for one sink.
    ///
    /// # Errors
    /// The store refuses; some of the files may be there.
    pub async fn write(
        &self,
        location: &str,
        pipeline: &str,
        sink: &str,
        batch: u64,
        outputs: &[(u32, SinkOutputs)],
    ) -> Result<(), SinkFileError> {
        let (store, prefix) = self.store(location)?;
        for (task, output) in outputs.iter().filter(|(_, output)| output.records > 0) {
            let name = format!("{pipeline}/{sink}/batch-{batch:020}-task-{task:05}.ndjson");
            let path: Path = prefix.parts().chain(Path::from(name).parts()).collect();
            let payload = PutPayload::from_bytes(output.bytes.clone());
            match store.put_opts(&path, payload, PutOptions::from(PutMode::Create)).await {
                Ok(_) => {}
                Err(object_store::Error::AlreadyExists { .. }) => {
                    check_same(&*store, &path, &output.bytes).await?
                }
                Err(source) => return Err(SinkFileError::Write { path: path.to_string(), source }),
            }
        }
        Ok(())
    }

    fn store(&self, location: &str) -> Result<Store, SinkFileError> {
        let mut opened = self.opened.lock();
        if let Some(store) = opened.get(location) {
            return Ok(store.clone());
        }
        let Opened { store, prefix, .. } = open_location(location)
            .map_err(|source| SinkFileError::Location { location: location.to_owned(), source })?;
        opened.insert(location.to_owned(), (Arc::clone(&store), prefix.clone()));
        Ok((store, prefix))
    }
}

/// A file that is there already must be the one that this batch wrote before a crash.
async fn check_same(
    store: &dyn ObjectStore,
    path: &Path,
    bytes: &Bytes,
) -> Result<(), SinkFileError> {
    let failed = |source| SinkFileError::Write { path: path.to_string(), source };
    let found = store.get(path).await.map_err(failed)?;
    if found.meta.size == bytes.len() as u64 && found.bytes().await.map_err(failed)? == *bytes {
        return Ok(());
    }
    Err(SinkFileError::Foreign { path: path.to_string() })
}
