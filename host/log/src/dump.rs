//! Lists the batches of a data folder that no host has open.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::batch::{Batch, BatchError, HEADER_BYTES, Header};
use crate::disk::{Disk, DiskFile, DiskLock, OpenMode};
use crate::environment::Environment;
use crate::framed::FrameError;
use crate::identity::TopicPartition;
use crate::open::{OpenError, require_format, take_lock};
use crate::partition::RecoveryError;
use crate::segment::{base_of, log_path};
use crate::topics::partition_dirs;

/// Why a data folder could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// A host has it open.
    #[error(transparent)]
    Locked(#[from] OpenError),
    /// It is no data folder, or of another version.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Its topics cannot be listed.
    #[error(transparent)]
    Topics(#[from] RecoveryError),
    /// The disk said so.
    #[error("{action} `{}`", path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl DumpError {
    pub(crate) fn disk(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Disk { action, path: path.to_path_buf(), source }
    }

    /// Whether looking can succeed later.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Locked(error) => error.is_retryable(),
            Self::Frame(error) => error.is_retryable(),
            Self::Topics(error) => error.is_retryable(),
            Self::Disk { .. } => true,
        }
    }

    /// What the person can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Locked(error) => error.hint(),
            Self::Frame(error) => error.hint(),
            Self::Topics(error) => error.hint(),
            Self::Disk { .. } => "check the folder's permissions and the disk",
        }
    }
}

/// One batch, where it is, and whether it is good.
#[derive(Clone, Debug)]
pub struct DumpedBatch {
    /// The partition.
    pub at: TopicPartition,
    /// The segment.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub position: u64,
    /// Header and records. What is damaged ends the segment.
    pub batch: Result<Bytes, BatchError>,
}

impl DumpedBatch {
    /// The batch, to look at its header and records.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn as_batch(&self) -> Result<Batch<'_>, BatchError> {
        match &self.batch {
            Ok(bytes) => Batch::parse_front(bytes),
            Err(error) => Err(error.clone()),
        }
    }
}

/// All batches of a data folder, by topic, partition and position.
///
/// Holds the folder's lock: no host can open it meanwhile.
pub struct Dump {
    environment: Environment,
    _lock: Box<dyn DiskLock>,
    /// What is still to be read, the next one last.
    segments: Vec<(TopicPartition, PathBuf)>,
    open: Option<OpenSegment>,
}

struct OpenSegment {
    at: TopicPartition,
    path: PathBuf,
    file: std::sync::Arc<dyn DiskFile>,
    position: u64,
    length: u64,
}

impl Dump {
    /// Opens the data folder `dir`.
    ///
    /// # Errors
    /// [`DumpError`].
    pub fn open(dir: &Path, environment: Environment) -> Result<Self, DumpError> {
        let disk = &*environment.disk;
        require_format(disk, dir)?;
        let lock = take_lock(disk, dir)?;
        let mut segments = Vec::new();
        for (at, folder) in partition_dirs(disk, dir)? {
            let entries = disk.list(&folder);
            let entries = entries.map_err(|error| DumpError::disk("list", &folder, error))?;
            let bases = entries.iter().filter_map(|entry| base_of(&entry.name));
            segments.extend(bases.map(|base| (at.clone(), log_path(&folder, base))));
        }
        segments.reverse();
        Ok(Self { environment, _lock: lock, segments, open: None })
    }

    fn read_next(&mut self) -> Result<Option<DumpedBatch>, DumpError> {
        loop {
            if let Some(segment) = self.open.as_mut().filter(|it| it.position < it.length) {
                return segment.read_batch().map(Some);
            }
            let Some((at, path)) = self.segments.pop() else { return Ok(None) };
            self.open = Some(OpenSegment::open(&*self.environment.disk, at, path)?);
        }
    }
}

impl Iterator for Dump {
    type Item = Result<DumpedBatch, DumpError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.read_next().transpose();
        if let Some(Err(_)) = next {
            self.segments.clear();
            self.open = None;
        }
        next
    }
}

impl OpenSegment {
    fn open(disk: &dyn Disk, at: TopicPartition, path: PathBuf) -> Result<Self, DumpError> {
        let failed = |error| DumpError::disk("read", &path, error);
        let file = disk.open(&path, OpenMode::Read).map_err(failed)?;
        let length = file.length().map_err(failed)?;
        Ok(Self { at, path, file, position: 0, length })
    }

    fn read_batch(&mut self) -> Result<DumpedBatch, DumpError> {
        let position = self.position;
        let batch =
            self.batch_at(position).map_err(|it| DumpError::disk("read", &self.path, it))?;
        self.position = match &batch {
            Ok(bytes) => position + bytes.len() as u64,
            Err(_) => self.length,
        };
        let (at, file) = (self.at.clone(), self.path.clone());
        Ok(DumpedBatch { at, file, position, batch })
    }

    fn batch_at(&self, position: u64) -> io::Result<Result<Bytes, BatchError>> {
        let header = match Header::parse(&self.bytes_at(position, HEADER_BYTES)?) {
            Ok(header) => header,
            Err(error) => return Ok(Err(error)),
        };
        let bytes = self.bytes_at(position, header.bytes)?;
        let verified = Batch::parse_front(&bytes).and_then(|batch| batch.verify());
        Ok(verified.map(|()| bytes))
    }

    /// Not more than the file has, whatever a header claims.
    fn bytes_at(&self, position: u64, count: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.length - position).unwrap_or(usize::MAX);
        let mut bytes = vec![0; count.min(left)];
        let read = self.file.read_at(&mut bytes, position)?;
        bytes.truncate(read);
        Ok(bytes.into())
    }
}
