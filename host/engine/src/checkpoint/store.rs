//! Reads and writes the files of one pipeline's checkpoints.
//!
//! ```text
//! <pipeline>/state/<operator>/<task>/<batch, 20 digits>-<uuid>
//! <pipeline>/manifests/<batch, 20 digits>-<uuid>.json
//! <pipeline>/plans/<batch, 20 digits>.json
//! ```
//! **Files are created, never changed**, and what is read is compared with what was written.

use std::collections::HashSet;
use std::fmt;
use std::path::Path as FolderPath;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use parking_lot::Mutex;
use serde::Deserialize;
use uuid::Uuid;

use super::error::{CheckpointError, Damage};
use super::location::{Opened, open_folder, open_location};
use super::manifest::{FileKind, MANIFEST_FORMAT, Manifest, StateFile};
use super::pointer::Pointer;
use crate::spec::PipelineName;

/// Where unique names come from; the same ones again in a simulation.
pub type Ids = Arc<dyn Fn() -> Uuid + Send + Sync>;

/// One pipeline's part of a checkpoint location.
#[derive(Clone)]
pub struct CheckpointStore {
    store: Arc<dyn ObjectStore>,
    /// Everything else is relative to it.
    prefix: Path,
    location: String,
    pipeline: String,
    ids: Ids,
    /// Snapshots of this store that no manifest names yet.
    pub(super) pending: Arc<Mutex<HashSet<String>>>,
}

impl fmt::Debug for CheckpointStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckpointStore({} in {})", self.pipeline, self.location)
    }
}

/// The batches of the newest files there are, committed or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Newest {
    /// Of the manifests.
    pub manifest: Option<u64>,
    /// Of the plans.
    pub plan: Option<u64>,
}

impl CheckpointStore {
    /// Opens a location (`file://` or `s3://`; the folder `default_dir` where there is none).
    /// A folder is made if it is missing; a bucket is not asked until the first call.
    /// # Errors
    /// [`CheckpointError::Location`] or [`CheckpointError::Folder`].
    pub fn open(
        location: Option<&str>,
        default_dir: &FolderPath,
        pipeline: &PipelineName,
        ids: Ids,
    ) -> Result<Self, CheckpointError> {
        let opened = match location {
            Some(location) => open_location(location)?,
            None => open_folder(default_dir)?,
        };
        Ok(Self::over(opened, pipeline, ids))
    }

    /// Uses a store that is open already: one in memory, or a simulated one.
    #[must_use]
    pub fn with_store(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        pipeline: &PipelineName,
        ids: Ids,
    ) -> Self {
        let location = store.to_string();
        Self::over(Opened { store, prefix, location }, pipeline, ids)
    }

    fn over(opened: Opened, pipeline: &PipelineName, ids: Ids) -> Self {
        let Opened { store, prefix, location } = opened;
        let pipeline = pipeline.as_str().to_owned();
        Self { store, prefix, location, pipeline, ids, pending: Arc::default() }
    }

    /// A new unique name, for a run of the pipeline.
    #[must_use]
    pub fn new_id(&self) -> String {
        (self.ids)().to_string()
    }

    /// Where checkpoints are kept, as a person knows it.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Whether a file can be written, read and deleted here: asked before a pipeline starts.
    /// # Errors
    /// What a batch would fail with later, with a hint.
    pub async fn probe(&self) -> Result<(), CheckpointError> {
        let path = format!("{}/probe-{}", self.pipeline, (self.ids)());
        let bytes = Bytes::from_static(b"tidemill");
        self.create(&path, bytes.clone()).await?;
        let read = self.fetch(&path, bytes.len() as u64).await?;
        self.check_crc(&path, crc32fast::hash(&bytes), &read)?;
        let deleted = self.store.delete(&self.full(&path)?).await;
        deleted.map_err(|source| self.failed("delete", &path, source))
    }

    /// Writes the bytes of a finished [`StateWriter`](super::StateWriter). Durable on return.
    /// # Errors
    /// Nothing refers to the file, whatever was written of it.
    pub async fn write_state(
        &self,
        operator: &str,
        task: u32,
        batch: u64,
        kind: FileKind,
        bytes: Vec<u8>,
    ) -> Result<StateFile, CheckpointError> {
        let path = self.state_path(operator, task, batch);
        let (length, crc32) = (bytes.len() as u64, crc32fast::hash(&bytes));
        self.create(&path, bytes.into()).await?;
        Ok(StateFile { operator: operator.to_owned(), task, batch, kind, path, length, crc32 })
    }

    /// Writes a task's whole state, the one after `batch`. The file's name says `in_flight`, a batch that has not
    /// committed: others do not take it for garbage. This store does not before a manifest names it.
    /// # Errors
    /// Nothing refers to the file, whatever was written of it.
    pub async fn write_snapshot(
        &self,
        operator: &str,
        task: u32,
        batch: u64,
        in_flight: u64,
        bytes: Vec<u8>,
    ) -> Result<StateFile, CheckpointError> {
        let path = self.state_path(operator, task, in_flight);
        // Commits and collections go on beside this.
        self.pending.lock().insert(path.clone());
        let (length, crc32) = (bytes.len() as u64, crc32fast::hash(&bytes));
        self.create(&path, bytes.into()).await?;
        let (operator, kind) = (operator.to_owned(), FileKind::Snapshot);
        Ok(StateFile { operator, task, batch, kind, path, length, crc32 })
    }

    /// Writes a manifest. Durable on return, but nothing until the log's commit points at it.
    /// # Errors
    /// Nothing refers to the file, whatever was written of it.
    pub async fn publish(&self, manifest: &Manifest) -> Result<Pointer, CheckpointError> {
        let id = (self.ids)();
        let path = self.manifest_path(manifest.batch, id);
        let bytes = serde_json::to_vec_pretty(manifest)
            .map_err(|error| self.damaged(&path, Damage::Json(error)))?;
        let (length, crc32) = (bytes.len() as u64, crc32fast::hash(&bytes));
        self.create(&path, bytes.into()).await?;
        Ok(Pointer { batch: manifest.batch, id, length, crc32 })
    }

    /// Reads the manifest that a commit points at.
    /// # Errors
    /// Among others [`CheckpointError::Damaged`], [`CheckpointError::Format`] and
    /// [`CheckpointError::Foreign`], if the bytes are not those that were published.
    pub async fn load(&self, pointer: &Pointer) -> Result<Manifest, CheckpointError> {
        /// All that is known of a manifest of any format.
        #[derive(Deserialize)]
        struct AnyFormat {
            format: u64,
        }
        let path = self.manifest_path(pointer.batch, pointer.id);
        let bytes = self.fetch(&path, pointer.length).await?;
        self.check_crc(&path, pointer.crc32, &bytes)?;
        let json = |error| self.damaged(&path, Damage::Json(error));
        let AnyFormat { format } = serde_json::from_slice(&bytes).map_err(json)?;
        if format != u64::from(MANIFEST_FORMAT) {
            let location = self.location.clone();
            return Err(CheckpointError::Format {
                path,
                location,
                found: format,
                known: MANIFEST_FORMAT,
            });
        }
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(json)?;
        if manifest.pipeline != self.pipeline || manifest.batch != pointer.batch {
            return Err(CheckpointError::Foreign {
                location: self.location.clone(),
                found: format!("batch {} of pipeline `{}`", manifest.batch, manifest.pipeline),
                expected: format!("batch {} of pipeline `{}`", pointer.batch, self.pipeline),
                path,
            });
        }
        Ok(manifest)
    }

    /// Reads the bytes of a state file and compares length and checksum.
    /// # Errors
    /// [`CheckpointError::Damaged`] if they differ.
    pub async fn read(&self, file: &StateFile) -> Result<Bytes, CheckpointError> {
        let bytes = self.fetch(&file.path, file.length).await?;
        self.check_crc(&file.path, file.crc32, &bytes)?;
        Ok(bytes)
    }

    /// The newest manifest and plan there are. Lists; for starts only.
    /// # Errors
    /// [`CheckpointError::Store`].
    pub async fn newest(&self) -> Result<Newest, CheckpointError> {
        let mut newest = Newest::default();
        for (path, _) in self.list("manifests").await? {
            newest.manifest = newest.manifest.max(batch_of(&path));
        }
        for (path, _) in self.list("plans").await? {
            newest.plan = newest.plan.max(batch_of(&path));
        }
        Ok(newest)
    }

    /// Deletes everything of this pipeline, to start over. Can be repeated after a failure.
    /// # Errors
    /// [`CheckpointError::Store`]; some files may be gone.
    pub async fn delete_all(&self) -> Result<(), CheckpointError> {
        // Manifests first: none may be left that names a file which is gone.
        for folder in ["manifests", "plans", "state"] {
            let paths = self.list(folder).await?;
            self.delete(paths.into_iter().map(|(path, _)| path).collect()).await?;
        }
        Ok(())
    }

    /// Creates a file. Durable on return.
    pub(super) async fn create(&self, path: &str, bytes: Bytes) -> Result<(), CheckpointError> {
        let options = PutOptions::from(PutMode::Create);
        let put = self.store.put_opts(&self.full(path)?, bytes.clone().into(), options).await;
        match put {
            Ok(_) => Ok(()),
            // The store's client tries again by itself, and may meet its own first attempt, of
            // which only the answer was lost.
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) if self.fetch(path, bytes.len() as u64).await.is_ok_and(|found| found == bytes) => {
                Ok(())
            }
            Err(object_store::Error::AlreadyExists { .. }) => Err(CheckpointError::Exists {
                path: path.to_owned(),
                location: self.location.clone(),
            }),
            Err(source) => Err(self.failed("write", path, source)),
        }
    }

    /// Reads a file of a known length.
    async fn fetch(&self, path: &str, expected: u64) -> Result<Bytes, CheckpointError> {
        let failed = |source| self.failed("read", path, source);
        let found = self.store.get(&self.full(path)?).await.map_err(failed)?;
        // Asked before the bytes are: a file that grew may not fit into memory.
        if found.meta.size != expected {
            return Err(self.damaged(path, Damage::Length { expected, found: found.meta.size }));
        }
        let bytes = found.bytes().await.map_err(failed)?;
        if bytes.len() as u64 != expected {
            return Err(self.damaged(path, Damage::Length { expected, found: bytes.len() as u64 }));
        }
        Ok(bytes)
    }

    /// Reads a file of any length up to a bound; `None` where there is none.
    pub(super) async fn fetch_if_there(
        &self,
        path: &str,
        bytes_max: u64,
    ) -> Result<Option<Bytes>, CheckpointError> {
        let failed = |source| self.failed("read", path, source);
        let found = match self.store.get(&self.full(path)?).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if found.meta.size > bytes_max {
            let damage = Damage::Length { expected: bytes_max, found: found.meta.size };
            return Err(self.damaged(path, damage));
        }
        found.bytes().await.map(Some).map_err(failed)
    }

    /// Paths and lengths of all files in one of the pipeline's folders, in order.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, CheckpointError> {
        let relative = format!("{}/{folder}", self.pipeline);
        let mut listed = self.store.list(Some(&self.full(&relative)?));
        let mut paths = Vec::new();
        while let Some(found) = listed.next().await {
            let found = found.map_err(|source| self.failed("list", &relative, source))?;
            let below = found.location.prefix_match(&self.prefix);
            let path = below.map(|parts| Path::from_iter(parts).to_string());
            paths.extend(path.map(|path| (path, found.size)));
        }
        paths.sort_unstable();
        Ok(paths)
    }

    /// Deletes files. One that is gone already counts as deleted.
    pub(super) async fn delete(&self, paths: Vec<String>) -> Result<(), CheckpointError> {
        let full: Vec<Path> = paths.iter().map(|path| self.full(path)).collect::<Result<_, _>>()?;
        let paths = futures::stream::iter(full.into_iter().map(Ok)).boxed();
        let mut deleted = self.store.delete_stream(paths);
        while let Some(result) = deleted.next().await {
            match result {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => return Err(self.failed("delete from", &self.pipeline, source)),
            }
        }
        Ok(())
    }

    /// The path of a new state file.
    pub(super) fn state_path(&self, operator: &str, task: u32, batch: u64) -> String {
        format!("{}/state/{operator}/{task}/{batch:020}-{}", self.pipeline, (self.ids)())
    }

    pub(super) fn manifest_path(&self, batch: u64, id: Uuid) -> String {
        format!("{}/manifests/{batch:020}-{id}.json", self.pipeline)
    }

    pub(super) fn plan_path(&self, batch: u64) -> String {
        format!("{}/plans/{batch:020}.json", self.pipeline)
    }

    pub(super) fn check_crc(
        &self,
        path: &str,
        expected: u32,
        bytes: &[u8],
    ) -> Result<(), CheckpointError> {
        let found = crc32fast::hash(bytes);
        if found == expected {
            Ok(())
        } else {
            Err(self.damaged(path, Damage::Crc { expected, found }))
        }
    }

    pub(super) fn damaged(&self, path: &str, source: Damage) -> CheckpointError {
        CheckpointError::Damaged { path: path.to_owned(), location: self.location.clone(), source }
    }

    fn failed(
        &self,
        action: &'static str,
        path: &str,
        source: object_store::Error,
    ) -> CheckpointError {
        let (path, location) = (path.to_owned(), self.location.clone());
        CheckpointError::Store { action, path, location, source: Box::new(source) }
    }

    /// A path may come from a manifest: one that would lead out of the location is refused.
    fn full(&self, path: &str) -> Result<Path, CheckpointError> {
        let parsed = Path::parse(path);
        let parsed = parsed.map_err(|error| self.failed("use", path, error.into()))?;
        Ok(self.prefix.parts().chain(parsed.parts()).collect())
    }
}

/// The batch in a file's name; `None` for a file that is none of ours.
pub(super) fn batch_of(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next()?;
    let (digits, rest) = name.split_at_checked(20)?;
    let ours = rest.is_empty() || rest.starts_with('-') || rest == ".json";
    (ours && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}
