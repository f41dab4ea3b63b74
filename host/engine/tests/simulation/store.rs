//! An object store on the simulated disk, so that a power loss hits checkpoints like everything else.
//!
//! Like a local folder with fsync: a file is written beside its place, synced, renamed, and its folder
//! is synced.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};
use tidemill_log::simulation::SimulatedDisk;
use tidemill_log::{Disk, OpenMode};

/// A folder of a simulated disk as an object store.
pub struct DiskStore {
    disk: Arc<SimulatedDisk>,
    folder: PathBuf,
    attempts: AtomicU64,
}

impl DiskStore {
    pub fn new(disk: Arc<SimulatedDisk>, folder: &str) -> Self {
        Self { disk, folder: PathBuf::from(folder), attempts: AtomicU64::new(0) }
    }

    /// Every file and its content.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = Vec::new();
        self.walk(&self.folder, &mut found).expect("a disk that is on");
        let read = |location: Path| {
            let file = self.disk.open(&self.path(&location), OpenMode::Read).expect("a file");
            let mut bytes = vec![0; usize::try_from(file.length().expect("a length")).unwrap()];
            file.read_at(&mut bytes, 0).expect("its bytes");
            (location.to_string(), bytes)
        };
        found.into_iter().map(read).collect()
    }

    fn path(&self, location: &Path) -> PathBuf {
        self.folder.join(location.as_ref())
    }

    fn create(&self, location: &Path, payload: &PutPayload) -> std::io::Result<()> {
        let path = self.path(location);
        let folder = path.parent().unwrap_or(&self.folder).to_owned();
        self.make_folders(&folder)?;
        if self.disk.open(&path, OpenMode::Read).is_ok() {
            return Err(std::io::ErrorKind::AlreadyExists.into());
        }
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let staged = folder.join(format!("staged#{attempt}"));
        let file = self.disk.open(&staged, OpenMode::Create)?;
        let mut position = 0;
        for part in payload {
            file.write_at(part, position)?;
            position += part.len() as u64;
        }
        file.sync_data()?;
        self.disk.rename(&staged, &path)?;
        self.disk.sync_dir(&folder)
    }

    /// Makes the folder durable from the root down.
    fn make_folders(&self, folder: &std::path::Path) -> std::io::Result<()> {
        if self.disk.list(folder).is_ok() {
            return Ok(());
        }
        self.disk.create_dir_all(folder)?;
        for parent in folder.ancestors().skip(1) {
            self.disk.sync_dir(parent)?;
        }
        Ok(())
    }

    fn meta(&self, location: &Path) -> Result<ObjectMeta> {
        let file = self
            .disk
            .open(&self.path(location), OpenMode::Read)
            .map_err(|error| failed(location, error))?;
        Ok(ObjectMeta {
            location: location.clone(),
            last_modified: Default::default(),
            size: file.length().map_err(|error| failed(location, error))?,
            e_tag: None,
            version: None,
        })
    }

    fn walk(&self, folder: &std::path::Path, found: &mut Vec<Path>) -> std::io::Result<()> {
        let entries = match self.disk.list(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = folder.join(&entry.name);
            if entry.is_dir {
                self.walk(&path, found)?;
            } else if !entry.name.contains('#') {
                let relative = path.strip_prefix(&self.folder).unwrap_or(&path);
                found.push(Path::from(relative.to_string_lossy().as_ref()));
            }
        }
        Ok(())
    }
}

fn failed(location: &Path, error: std::io::Error) -> Error {
    let path = location.to_string();
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound { path, source: error.into() },
        std::io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: error.into() },
        _ => Error::Generic { store: "simulated", source: error.into() },
    }
}

impl fmt::Display for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated")
    }
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated")
    }
}

#[async_trait]
impl ObjectStore for DiskStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        assert_eq!(options.mode, PutMode::Create, "the engine only ever creates files");
        self.create(location, &payload).map_err(|error| failed(location, error))?;
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("the engine writes files in one piece")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let meta = self.meta(location)?;
        let range = match &options.range {
            None => 0..meta.size,
            Some(GetRange::Bounded(range)) => range.start..range.end.min(meta.size),
            Some(other) => unreachable!("range {other:?}"),
        };
        let file = self
            .disk
            .open(&self.path(location), OpenMode::Read)
            .map_err(|error| failed(location, error))?;
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
        file.read_at(&mut bytes, range.start).map_err(|error| failed(location, error))?;
        let payload = GetResultPayload::Stream(stream::iter([Ok(Bytes::from(bytes))]).boxed());
        Ok(GetResult {
            payload,
            meta,
            range,
            attributes: Default::default(),
            extensions: Default::default(),
        })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (disk, folder) = (Arc::clone(&self.disk), self.folder.clone());
        let delete = move |location: Result<Path>| {
            let location = location?;
            let path = folder.join(location.as_ref());
            disk.remove_file(&path).map_err(|error| failed(&location, error))?;
            Ok(location)
        };
        locations.map(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let mut found = Vec::new();
        let folder = prefix.map_or_else(|| self.folder.clone(), |prefix| self.path(prefix));
        let metas = match self.walk(&folder, &mut found) {
            Ok(()) => found.iter().map(|location| self.meta(location)).collect(),
            Err(error) => vec![Err(failed(&Path::default(), error))],
        };
        stream::iter(metas).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        unreachable!("the engine lists whole folders")
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("the engine never copies files")
    }
}
