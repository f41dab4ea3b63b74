//! Opens a data folder: its lock, its format, its topics.
//!
//! **One host at a time has a folder open**, and a folder of another version is refused.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Cleanup, ConfigError, LogConfig, TopicConfig};
use crate::disk::{Disk, DiskLock};
use crate::environment::{Blocking, Environment};
use crate::framed::{Format, FrameError};
use crate::groups;
use crate::identity::{NameError, Offset, PartitionId, TopicName, TopicPartition};
use crate::metrics::Metrics;
use crate::partition::{AppendError, Partition, ReadError, RecoveryError};
use crate::topics::{TopicError, Topics};
use crate::transaction::{self, ProducerIds};

const FORMAT: Format = Format { magic: *b"TMDATA\0\0", version: 1, oldest: 1, name: "data folder" };
const FORMAT_FILE: &str = "tidemill.data";
const LOCK_FILE: &str = "lock";

/// Why a data folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("the data folder `{}` is in use by another host", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
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
    /// A setting is out of bounds.
    #[error("settings of the log")]
    Config(#[from] ConfigError),
    /// A file of ours is damaged, or of an unknown kind or version.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A partition is damaged.
    #[error("open the partitions")]
    Recovery(#[from] RecoveryError),
    /// An internal topic could not be made.
    #[error("create the internal topics")]
    Topic(#[from] TopicError),
    /// An internal topic could not be read.
    #[error("read the internal topics")]
    Read(#[from] ReadError),
    /// The ends of transactions could not be written.
    #[error("finish the transactions that were left open")]
    Append(#[from] AppendError),
    /// Another version of Tidemill wrote the log of transactions.
    #[error("the record at offset {offset} of {} is not understood", transaction::TOPIC)]
    TransactionRecord {
        /// Its batch's offset.
        offset: Offset,
    },
}

impl OpenError {
    /// Whether opening can succeed later.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Locked { .. } | Self::Disk { .. } => true,
            Self::Frame(error) => error.is_retryable(),
            Self::Recovery(error) => error.is_retryable(),
            Self::Topic(error) => error.is_retryable(),
            Self::Read(error) => error.is_retryable(),
            Self::Append(error) => error.is_retryable(),
            Self::Config(_) | Self::TransactionRecord { .. } => false,
        }
    }

    /// What the person can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "stop the other host, or choose another folder with --data",
            Self::Disk { .. } => "check the folder's permissions and the disk's space",
            Self::Config(_) => "choose a value within the bounds",
            Self::Frame(error) => error.hint(),
            Self::Recovery(error) => error.hint(),
            Self::Topic(error) => error.hint(),
            Self::Read(error) => error.hint(),
            Self::Append(error) => error.hint(),
            Self::TransactionRecord { .. } => "start the version of Tidemill that wrote the folder",
        }
    }
}

fn disk_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_path_buf();
    move |source| OpenError::Disk { action, path, source }
}

/// What is opened before anything can be awaited.
pub(crate) struct Parts {
    pub lock: Box<dyn DiskLock>,
    pub topics: Topics,
    pub producer_ids: ProducerIds,
}

pub(crate) fn open_parts(
    dir: &Path,
    environment: &Environment,
    config: &LogConfig,
    metrics: Arc<Metrics>,
) -> Result<Parts, OpenError> {
    let disk = &*environment.disk;
    disk.create_dir_all(dir).map_err(disk_error("create the data folder", dir))?;
    let lock = take_lock(disk, dir)?;
    check_format(disk, dir)?;
    let threads_max = match environment.blocking {
        Blocking::Threads => config.recovery_threads as usize,
        Blocking::Inline => 1,
    };
    let topics = Topics::open(dir, environment.clone(), metrics, threads_max)?;
    for (name, cleanup) in
        [(transaction::TOPIC, Cleanup::DELETE), (groups::TOPIC, Cleanup::COMPACT)]
    {
        create_internal(&topics, name, cleanup, config.internal_bytes_max)?;
    }
    let producer_ids = ProducerIds::open(disk, dir)?;
    Ok(Parts { lock, topics, producer_ids })
}

/// Takes the folder's lock, which one host at a time can have.
pub(crate) fn take_lock(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn DiskLock>, OpenError> {
    let path = dir.join(LOCK_FILE);
    disk.lock(&path).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked { dir: dir.to_path_buf() },
        _ => disk_error("lock", &path)(error),
    })
}

/// Refuses a folder of another version; marks a new one.
fn check_format(disk: &dyn Disk, dir: &Path) -> Result<(), OpenError> {
    let path = dir.join(FORMAT_FILE);
    match FORMAT.read(disk, &path) {
        Err(error) if error.is_missing() => {
            sync_parents(disk, dir)?;
            FORMAT.replace(disk, &path, &[]).map_err(disk_error("write", &path))
        }
        read => Ok(read.map(drop)?),
    }
}

/// Makes the name of a new data folder durable, as far up as this process may.
fn sync_parents(disk: &dyn Disk, dir: &Path) -> Result<(), OpenError> {
    for parent in dir.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
        match disk.sync_dir(parent) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            synced => synced.map_err(disk_error("sync", parent))?,
        }
    }
    Ok(())
}

/// Refuses a folder that is no data folder, for those who only look.
pub(crate) fn require_format(disk: &dyn Disk, dir: &Path) -> Result<(), FrameError> {
    FORMAT.read(disk, &dir.join(FORMAT_FILE)).map(drop)
}

fn create_internal(
    topics: &Topics,
    name: &str,
    cleanup: Cleanup,
    bytes_max: u64,
) -> Result<(), OpenError> {
    let at = internal_at(name)?;
    // Kept small by being compacted or written anew, never by age. As in Kafka, the segments of
    // a compacted one are small, for the one that is written to is never compacted.
    let config = TopicConfig {
        retention_ms: None,
        cleanup,
        // Who reads it is here, and has seen everything.
        delete_retention_ms: 0,
        ..TopicConfig::default()
    };
    let part = (bytes_max / 8).clamp(TopicConfig::SEGMENT_BYTES_MIN, config.segment_bytes);
    let segment_bytes = if cleanup.compact { part } else { config.segment_bytes };
    let config = TopicConfig { segment_bytes, ..config };
    if topics.partition(&at).is_none() {
        return Ok(topics.create(&at.topic, &config)?);
    }
    // Made by an earlier version, perhaps.
    topics.configure(&at.topic, |current| {
        *current = config;
        Ok(())
    })?;
    Ok(())
}

pub(crate) fn internal(topics: &Topics, name: &str) -> Result<Arc<Partition>, OpenError> {
    let at = internal_at(name)?;
    topics.partition(&at).ok_or(OpenError::Read(ReadError::UnknownPartition { at }))
}

fn internal_at(name: &str) -> Result<TopicPartition, OpenError> {
    let invalid = |error: NameError| OpenError::Disk {
        action: "name",
        path: name.into(),
        source: io::Error::other(error),
    };
    Ok(TopicPartition::new(TopicName::new(name).map_err(invalid)?, PartitionId::new(0)))
}
