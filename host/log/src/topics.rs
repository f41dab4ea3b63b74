//! The topics of a log: made, listed, changed, deleted.
//!
//! **A topic is there whole or not at all**: it is laid out aside and moved into place.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, SettingError, TopicConfig};
use crate::disk::{Disk, remove_tree};
use crate::environment::Environment;
use crate::framed::{Format, FrameError};
use crate::identity::{LeaderEpoch, PartitionId, TopicName, TopicPartition};
use crate::metrics::Metrics;
use crate::partition::{Offsets, Opening, Partition, RecoveryError};

const FORMAT: Format =
    Format { magic: *b"TMTOPIC\0", version: 2, oldest: 1, name: "topic description" };
const FILE: &str = "topic.state";

/// Where topics are.
const FOLDER: &str = "topics";
/// Where they are laid out before.
const STAGING: &str = "staging";
/// Where they go before their files are removed.
const TRASH: &str = "trash";

/// What there is to know of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: TopicName,
    /// An id that no other topic has, not even a later one of the same name.
    pub id: u128,
    /// Its settings.
    pub config: TopicConfig,
    /// Its partitions in order: offsets and size in bytes.
    pub partitions: Vec<(Offsets, u64)>,
}

/// Why a topic could not be made, changed or deleted. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// There is one already.
    #[error("topic {name} exists already")]
    Exists {
        /// Its name.
        name: TopicName,
    },
    /// There is none.
    #[error("there is no topic {name}")]
    Unknown {
        /// The name asked for.
        name: TopicName,
    },
    /// The log's own topics cannot be changed.
    #[error("topic {name} is internal: names that begin with \"__\" belong to the log")]
    Internal {
        /// Its name.
        name: TopicName,
    },
    /// A setting is out of bounds.
    #[error("settings of topic {name}")]
    Config {
        /// Its name.
        name: TopicName,
        /// Which.
        source: ConfigError,
    },
    /// A setting that there is not, or a value that is none.
    #[error("settings of topic {name}")]
    Setting {
        /// Its name.
        name: TopicName,
        /// Which.
        source: SettingError,
    },
    /// Partitions can be added, but not taken away.
    #[error("topic {name} has {current} partitions; their number cannot be changed to {wanted}")]
    Partitions {
        /// Its name.
        name: TopicName,
        /// How many there are.
        current: u32,
        /// How many were asked for.
        wanted: u32,
    },
    /// The disk said so.
    #[error("{action} topic {name}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The topic.
        name: TopicName,
        /// The cause.
        source: io::Error,
    },
    /// A new topic could not be opened.
    #[error("open topic {name}")]
    Open {
        /// The topic.
        name: TopicName,
        /// The cause.
        source: RecoveryError,
    },
}

impl TopicError {
    /// Whether the same call can succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Disk { .. })
    }

    /// What the person can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "choose another name, or delete the topic first",
            Self::Unknown { .. } => "list the topics with `tidemill topic list`",
            Self::Internal { .. } => "choose a name that does not begin with \"__\"",
            Self::Config { .. } => "choose a value within the bounds",
            Self::Setting { .. } => "see `tidemill topic create --help` for what can be set",
            Self::Partitions { .. } => "make a new topic and copy the records",
            Self::Disk { .. } => "check the disk, its space and the folder's permissions",
            Self::Open { source, .. } => source.hint(),
        }
    }
}

/// What the file in a topic's folder says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// Hexadecimal: JSON's numbers are too small.
    id: String,
    config: TopicConfig,
}

struct Topic {
    id: u128,
    config: Arc<TopicConfig>,
    partitions: Vec<Arc<Partition>>,
}

/// All topics of a log.
pub(crate) struct Topics {
    dir: PathBuf,
    environment: Environment,
    metrics: Arc<Metrics>,
    by_name: RwLock<BTreeMap<TopicName, Topic>>,
    /// Held while a topic is made, changed or deleted.
    changes: parking_lot::Mutex<()>,
}

impl Topics {
    /// Opens all topics in `dir`, recovering `threads_max` partitions at the same time.
    pub(crate) fn open(
        dir: &Path,
        environment: Environment,
        metrics: Arc<Metrics>,
        threads_max: usize,
    ) -> Result<Self, RecoveryError> {
        let topics = Self {
            dir: dir.to_path_buf(),
            environment,
            metrics,
            by_name: RwLock::default(),
            changes: parking_lot::Mutex::default(),
        };
        topics.prepare_folders().map_err(|source| RecoveryError::Disk {
            action: "prepare",
            path: topics.dir.clone(),
            source,
        })?;
        let openings = topics.read_folders()?;
        topics.open_all(openings, threads_max)?;
        Ok(topics)
    }

    fn disk(&self) -> &dyn Disk {
        &*self.environment.disk
    }

    /// Makes the folders, and removes what was half made or half deleted.
    fn prepare_folders(&self) -> io::Result<()> {
        let disk = self.disk();
        disk.create_dir_all(&self.dir.join(FOLDER))?;
        for leftover in [STAGING, TRASH] {
            remove_tree(disk, &self.dir.join(leftover))?;
            disk.create_dir_all(&self.dir.join(leftover))?;
        }
        disk.sync_dir(&self.dir)
    }

    fn read_folders(&self) -> Result<Vec<Found>, RecoveryError> {
        let folder = self.dir.join(FOLDER);
        let listed = |source| RecoveryError::Disk { action: "list", path: folder.clone(), source };
        let mut found = Vec::new();
        for entry in self.disk().list(&folder).map_err(listed)? {
            let Ok(name) = TopicName::new(&entry.name) else {
                tracing::warn!(name = entry.name, "a folder that is no topic is left alone");
                continue;
            };
            let stored = read_stored(self.disk(), &folder.join(name.as_str()))?;
            found.push(Found { name, stored });
        }
        Ok(found)
    }

    fn open_all(&self, found: Vec<Found>, threads_max: usize) -> Result<(), RecoveryError> {
        for Found { name, stored: (id, config) } in found {
            let partitions = self.open_partitions(&name, &config, 0, threads_max, false)?;
            let topic = Topic { id, config: Arc::new(config), partitions };
            self.by_name.write().insert(name, topic);
        }
        Ok(())
    }

    /// Opens the partitions of a topic from number `first` on.
    fn open_partitions(
        &self,
        name: &TopicName,
        config: &TopicConfig,
        first: u32,
        threads_max: usize,
        is_new: bool,
    ) -> Result<Vec<Arc<Partition>>, RecoveryError> {
        let config = Arc::new(config.clone());
        let opening = |index: u32| Opening {
            at: TopicPartition::new(name.clone(), PartitionId::new(index)),
            dir: self.topic_dir(name).join(index.to_string()),
            environment: self.environment.clone(),
            metrics: self.metrics.clone(),
            config: config.clone(),
            is_new,
        };
        let all: Vec<u32> = (first..config.partitions).collect();
        if threads_max <= 1 {
            return all.into_iter().map(|index| Partition::open(opening(index))).collect();
        }
        let mut partitions = Vec::with_capacity(all.len());
        for some in all.chunks(threads_max) {
            let opened: Vec<_> = std::thread::scope(|scope| {
                let opening = &opening;
                let threads: Vec<_> = some
                    .iter()
                    .map(|&index| scope.spawn(move || Partition::open(opening(index))))
                    .collect();
                threads.into_iter().map(|thread| thread.join()).collect()
            });
            for partition in opened {
                match partition {
                    Ok(partition) => partitions.push(partition?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        }
        Ok(partitions)
    }

    fn topic_dir(&self, name: &TopicName) -> PathBuf {
        self.dir.join(FOLDER).join(name.as_str())
    }

    /// Makes a topic. Durable on return.
    pub(crate) fn create(&self, name: &TopicName, config: &TopicConfig) -> Result<(), TopicError> {
        config.validate().map_err(|source| TopicError::Config { name: name.clone(), source })?;
        let _one_at_a_time = self.changes.lock();
        if self.by_name.read().contains_key(name) {
            return Err(TopicError::Exists { name: name.clone() });
        }
        let id = self.new_id();
        self.lay_out(name, id, config).map_err(disk_error("create", name))?;
        let partitions = self
            .open_partitions(name, config, 0, 1, true)
            .map_err(|source| TopicError::Open { name: name.clone(), source })?;
        let topic = Topic { id, config: Arc::new(config.clone()), partitions };
        self.by_name.write().insert(name.clone(), topic);
        tracing::info!(topic = %name, partitions = config.partitions, "topic created");
        Ok(())
    }

    fn new_id(&self) -> u128 {
        let random = &self.environment.random;
        u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())
    }

    fn lay_out(&self, name: &TopicName, id: u128, config: &TopicConfig) -> io::Result<()> {
        let disk = self.disk();
        let staging = self.dir.join(STAGING);
        let staged = staging.join(name.as_str());
        // An earlier attempt may have met a full disk.
        remove_tree(disk, &staged)?;
        for index in 0..config.partitions {
            Partition::lay_out(disk, &staged.join(index.to_string()))?;
        }
        write_stored(disk, &staged, id, config)?;
        disk.rename(&staged, &self.topic_dir(name))?;
        // The rename is one change: it is durable here and there at once.
        disk.sync_dir(&self.dir.join(FOLDER))
    }

    /// Deletes a topic. Durable on return.
    pub(crate) fn delete(&self, name: &TopicName) -> Result<(), TopicError> {
        let _one_at_a_time = self.changes.lock();
        if !self.by_name.read().contains_key(name) {
            return Err(TopicError::Unknown { name: name.clone() });
        }
        let disk = self.disk();
        let trash = self.dir.join(TRASH);
        let doomed = trash.join(format!("{name}-{:032x}", self.new_id()));
        let failed = disk_error("delete", name);
        if let Err(error) = disk.rename(&self.topic_dir(name), &doomed) {
            return Err(failed(error));
        }
        let synced = disk.sync_dir(&self.dir.join(FOLDER));
        if let Some(topic) = self.by_name.write().remove(name) {
            topic.partitions.iter().for_each(|partition| partition.mark_deleted());
        }
        synced.map_err(failed)?;
        // What cannot be removed now is removed at the next start.
        if let Err(error) = remove_tree(disk, &doomed) {
            tracing::warn!(topic = %name, %error, "files of a deleted topic not removed");
        }
        tracing::info!(topic = %name, "topic deleted");
        Ok(())
    }

    /// Changes a topic's settings, but for the number of its partitions. Durable on return.
    ///
    /// `change` gets them as they are.
    pub(crate) fn configure(
        &self,
        name: &TopicName,
        change: impl FnOnce(&mut TopicConfig) -> Result<(), TopicError>,
    ) -> Result<TopicConfig, TopicError> {
        let _one_at_a_time = self.changes.lock();
        let (id, current) = self.known(name)?;
        let mut config = (*current).clone();
        change(&mut config)?;
        config.validate().map_err(|source| TopicError::Config { name: name.clone(), source })?;
        if current.partitions != config.partitions {
            let (current, wanted) = (current.partitions, config.partitions);
            return Err(TopicError::Partitions { name: name.clone(), current, wanted });
        }
        if *current != config {
            self.reconfigure(name, id, &config, Vec::new())?;
        }
        Ok(config)
    }

    /// Gives a topic more partitions, `total` in all. Durable on return.
    ///
    /// **The new number is written last**: after a crash before it there are folders that
    /// nobody has written to, and the next attempt makes them anew.
    pub(crate) fn add_partitions(&self, name: &TopicName, total: u32) -> Result<(), TopicError> {
        let _one_at_a_time = self.changes.lock();
        let (id, current) = self.known(name)?;
        if total <= current.partitions {
            let current = current.partitions;
            return Err(TopicError::Partitions { name: name.clone(), current, wanted: total });
        }
        let config = TopicConfig { partitions: total, ..(*current).clone() };
        config.validate().map_err(|source| TopicError::Config { name: name.clone(), source })?;
        let added = current.partitions..total;
        let laid_out = added.clone().try_for_each(|index| {
            let dir = self.topic_dir(name).join(index.to_string());
            remove_tree(self.disk(), &dir)?;
            Partition::lay_out(self.disk(), &dir)
        });
        let failed = disk_error("add partitions to", name);
        laid_out.and_then(|()| self.disk().sync_dir(&self.topic_dir(name))).map_err(failed)?;
        let partitions = self
            .open_partitions(name, &config, added.start, 1, true)
            .map_err(|source| TopicError::Open { name: name.clone(), source })?;
        self.reconfigure(name, id, &config, partitions)?;
        tracing::info!(topic = %name, partitions = total, "partitions added");
        Ok(())
    }

    fn known(&self, name: &TopicName) -> Result<(u128, Arc<TopicConfig>), TopicError> {
        let topics = self.by_name.read();
        let topic = topics.get(name);
        let topic = topic.ok_or_else(|| TopicError::Unknown { name: name.clone() })?;
        Ok((topic.id, topic.config.clone()))
    }

    /// Writes the settings, then lets them count.
    fn reconfigure(
        &self,
        name: &TopicName,
        id: u128,
        config: &TopicConfig,
        added: Vec<Arc<Partition>>,
    ) -> Result<(), TopicError> {
        write_stored(self.disk(), &self.topic_dir(name), id, config)
            .map_err(disk_error("configure", name))?;
        let config = Arc::new(config.clone());
        if let Some(topic) = self.by_name.write().get_mut(name) {
            topic.partitions.iter().for_each(|partition| partition.configure(config.clone()));
            topic.partitions.extend(added);
            topic.config = config;
        }
        Ok(())
    }

    /// The partition, if there is one.
    pub(crate) fn partition(&self, at: &TopicPartition) -> Option<Arc<Partition>> {
        let index = usize::try_from(at.partition.get()).ok()?;
        self.by_name.read().get(&at.topic)?.partitions.get(index).cloned()
    }

    /// All partitions of all topics.
    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.by_name.read().values().flat_map(|topic| topic.partitions.clone()).collect()
    }

    /// The names of all topics.
    pub(crate) fn names(&self) -> Vec<TopicName> {
        self.by_name.read().keys().cloned().collect()
    }

    /// The epochs of the next appends to all partitions of a topic.
    pub(crate) fn leader_epochs(&self, name: &TopicName) -> Option<Vec<LeaderEpoch>> {
        let topics = self.by_name.read();
        Some(topics.get(name)?.partitions.iter().map(|it| it.leader_epoch()).collect())
    }

    /// What there is to know of a topic.
    pub(crate) fn describe(&self, name: &TopicName) -> Option<TopicDescription> {
        let topics = self.by_name.read();
        let topic = topics.get(name)?;
        let partitions = topic.partitions.iter();
        Some(TopicDescription {
            name: name.clone(),
            id: topic.id,
            config: (*topic.config).clone(),
            partitions: partitions.map(|it| (it.offsets(), it.bytes())).collect(),
        })
    }
}

/// A topic's folder, read.
struct Found {
    name: TopicName,
    stored: (u128, TopicConfig),
}

/// The folders of the partitions in a data folder, for those who only look.
pub(crate) fn partition_dirs(
    disk: &dyn Disk,
    dir: &Path,
) -> Result<Vec<(TopicPartition, PathBuf)>, RecoveryError> {
    let folder = dir.join(FOLDER);
    let listed = |source| RecoveryError::Disk { action: "list", path: folder.clone(), source };
    let mut all = Vec::new();
    for entry in disk.list(&folder).map_err(listed)? {
        let Ok(name) = TopicName::new(&entry.name) else { continue };
        let topic = folder.join(name.as_str());
        let (_, config) = read_stored(disk, &topic)?;
        for index in 0..config.partitions {
            let at = TopicPartition::new(name.clone(), PartitionId::new(index));
            all.push((at, topic.join(index.to_string())));
        }
    }
    Ok(all)
}

fn read_stored(disk: &dyn Disk, topic: &Path) -> Result<(u128, TopicConfig), FrameError> {
    let path = topic.join(FILE);
    let payload = FORMAT.read(disk, &path)?;
    let damaged = |what: String| FrameError::Damaged {
        name: FORMAT.name,
        path: path.clone(),
        position: 20,
        what,
    };
    let stored: Stored = serde_json::from_slice(&payload).map_err(|it| damaged(it.to_string()))?;
    let id = u128::from_str_radix(&stored.id, 16).map_err(|it| damaged(it.to_string()))?;
    stored.config.validate().map_err(|it| damaged(it.to_string()))?;
    Ok((id, stored.config))
}

fn write_stored(disk: &dyn Disk, topic: &Path, id: u128, config: &TopicConfig) -> io::Result<()> {
    let stored = Stored { id: format!("{id:032x}"), config: config.clone() };
    FORMAT.replace(disk, &topic.join(FILE), &serde_json::to_vec(&stored)?)
}

fn disk_error(action: &'static str, name: &TopicName) -> impl FnOnce(io::Error) -> TopicError {
    let name = name.clone();
    move |source| TopicError::Disk { action, name, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Cleanup;
    use crate::simulation::Simulation;

    #[test]
    fn a_description_of_the_first_version_is_read() {
        let environment = Simulation::new(1).environment();
        let (disk, dir) = (&*environment.disk, Path::new("/t"));
        disk.create_dir_all(dir).unwrap();
        let first = r#"{"id":"0000000000000000000000000000002a","config":{"partitions":3,
            "flush":{"interval-ms":250},"segment_bytes":1024,"segment_ms":5,"retention_ms":null,
            "retention_bytes":9,"message_bytes_max":200,"index_interval_bytes":7,
            "timestamp_type":"log-append-time"}}"#;
        let format = Format { version: 1, ..FORMAT };
        format.replace(disk, &dir.join(FILE), first.as_bytes()).unwrap();
        let (id, config) = read_stored(disk, dir).unwrap();
        assert_eq!((id, config.partitions, config.retention_bytes), (42, 3, Some(9)));
        assert_eq!(config.cleanup, Cleanup::DELETE);
        write_stored(disk, dir, id, &config).unwrap();
        assert_eq!(read_stored(disk, dir).unwrap(), (id, config));
    }
}
