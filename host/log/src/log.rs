//! The way in: open a data folder, then append, read and commit.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::watch;

use crate::batch::EncodedBatch;
use crate::config::{LogConfig, Setting, TopicConfig};
use crate::disk::DiskLock;
use crate::environment::Environment;
use crate::groups::{self, CommittedOffset, GroupError, Groups};
use crate::identity::{LeaderEpoch, Offset, ProducerId, TopicName, TopicPartition};
use crate::metrics::{Metrics, MetricsSnapshot};
use crate::open::{OpenError, Parts, internal, open_parts};
use crate::partition::{
    AppendError, Appended, Appending, DeleteError, Fetched, Isolation, Offsets, Partition,
    ReadError,
};
use crate::topics::{TopicDescription, TopicError, Topics};
use crate::transaction::{self, Coordinator, ProducerIds, Transaction, TransactionError};

/// What all parts of an open log share.
pub(crate) struct Core {
    pub environment: Environment,
    pub config: LogConfig,
    pub metrics: Arc<Metrics>,
    pub topics: Topics,
    pub coordinator: Coordinator,
    pub groups: Groups,
    pub producer_ids: ProducerIds,
    /// Held for writing while the log of transactions is written anew, for reading while what
    /// it tells changes.
    pub rewrites: tokio::sync::RwLock<()>,
    /// Ends compaction early.
    pub is_closing: AtomicBool,
    _lock: Box<dyn DiskLock>,
}

/// An open data folder.
///
/// Dropping it closes the folder at once; [`Log::close`] first makes everything durable.
pub struct Log {
    core: Arc<Core>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("config", &self.core.config).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the data folder `dir`, made where missing, and recovers it.
    ///
    /// # Errors
    /// [`OpenError`]; where it is damage, nothing was changed.
    pub async fn open(
        dir: &Path,
        environment: Environment,
        config: LogConfig,
    ) -> Result<Arc<Self>, OpenError> {
        config.validate()?;
        let started = environment.clock.elapsed();
        let metrics = Arc::new(Metrics::default());
        let blocking = environment.blocking;
        let parts = {
            let (dir, metrics) = (dir.to_path_buf(), metrics.clone());
            let (environment, config) = (environment.clone(), config.clone());
            let open = move || open_parts(&dir, &environment, &config, metrics);
            blocking.start(open).await?
        };
        let Parts { lock, topics, producer_ids } = parts;
        let now_ms = environment.clock.now_ms();
        let transactions = internal(&topics, transaction::TOPIC)?;
        let partitions = topics.partitions();
        let timeout_ms = config.transaction_timeout_ms;
        let recovered = Coordinator::recover(transactions, &partitions, timeout_ms, now_ms).await?;
        producer_ids.skip_to(recovered.producer_ids_end);
        let groups = Groups::load(internal(&topics, groups::TOPIC)?)?;
        let took_ms = environment.clock.elapsed().saturating_sub(started).as_millis();
        tracing::info!(dir = %dir.display(), partitions = partitions.len(), took_ms, "log opened");
        let core = Core {
            environment,
            config,
            metrics,
            topics,
            coordinator: recovered.coordinator,
            groups,
            producer_ids,
            rewrites: tokio::sync::RwLock::default(),
            is_closing: AtomicBool::new(false),
            _lock: lock,
        };
        Ok(Arc::new(Self { core: Arc::new(core) }))
    }

    /// Makes a topic. Durable on return.
    ///
    /// # Errors
    /// [`TopicError`]; nothing was made.
    /// # Cancel safety
    /// The topic may be made all the same.
    pub async fn create_topic(
        &self,
        name: &TopicName,
        config: TopicConfig,
    ) -> Result<(), TopicError> {
        not_internal(name)?;
        let name = name.clone();
        self.blocking(move |core| core.topics.create(&name, &config)).await
    }

    /// Deletes a topic, its records, and what groups know of it. Durable on return.
    ///
    /// # Errors
    /// [`TopicError`].
    /// # Cancel safety
    /// The topic may be deleted all the same.
    pub async fn delete_topic(&self, name: &TopicName) -> Result<(), TopicError> {
        not_internal(name)?;
        let doomed = name.clone();
        self.blocking(move |core| core.topics.delete(&doomed)).await?;
        let forget = self.core.groups.changes_without(name);
        if let Err(error) = self.change_offsets(forget).await {
            tracing::warn!(topic = %name, %error, "offsets of a deleted topic not forgotten");
        }
        Ok(())
    }

    /// Changes a topic's settings, but for the number of its partitions. Durable on return.
    ///
    /// # Errors
    /// [`TopicError`]; nothing was changed.
    /// # Cancel safety
    /// The settings may be changed all the same.
    pub async fn configure_topic(
        &self,
        name: &TopicName,
        config: TopicConfig,
    ) -> Result<(), TopicError> {
        not_internal(name)?;
        let name = name.clone();
        let change = |current: &mut TopicConfig| {
            *current = config;
            Ok(())
        };
        self.blocking(move |core| core.topics.configure(&name, change)).await.map(drop)
    }

    /// Changes some of a topic's settings; without a value a setting gets its default back.
    /// All of them change or none. Durable on return; they count at once. Returns all settings.
    ///
    /// # Errors
    /// [`TopicError`]; nothing was changed.
    /// # Cancel safety
    /// The settings may be changed all the same.
    pub async fn alter_topic(
        &self,
        name: &TopicName,
        changes: Vec<(Setting, Option<String>)>,
    ) -> Result<TopicConfig, TopicError> {
        not_internal(name)?;
        let name = name.clone();
        self.blocking(move |core| {
            core.topics.configure(&name, |config| {
                let refused = |source| TopicError::Setting { name: name.clone(), source };
                let mut changes = changes.iter();
                changes.try_for_each(|(setting, value)| {
                    setting.set(config, value.as_deref()).map_err(refused)
                })
            })
        })
        .await
    }

    /// Gives a topic more partitions, `total` in all. Durable on return.
    ///
    /// Keys go to other partitions than before from then on, unless producers say where.
    /// # Errors
    /// [`TopicError`]; nothing was changed.
    /// # Cancel safety
    /// The partitions may be added all the same.
    pub async fn add_partitions(&self, name: &TopicName, total: u32) -> Result<(), TopicError> {
        not_internal(name)?;
        let name = name.clone();
        self.blocking(move |core| core.topics.add_partitions(&name, total)).await
    }

    /// The names of all topics, sorted, the log's own included.
    pub fn topics(&self) -> Vec<TopicName> {
        self.core.topics.names()
    }

    /// What there is to know of a topic.
    pub fn describe(&self, name: &TopicName) -> Option<TopicDescription> {
        self.core.topics.describe(name)
    }

    /// Appends `batch` and returns where it is.
    ///
    /// Durable on return (fdatasync), unless the topic relaxes that.
    /// # Errors
    /// [`AppendError`]. After [`AppendError::Poisoned`] the batch may be found in the log at
    /// the next start; after all others nothing was written.
    /// # Cancel safety
    /// Not cancel safe: the batch may be durable without being acknowledged.
    pub async fn append(
        &self,
        at: &TopicPartition,
        batch: EncodedBatch,
    ) -> Result<Appended, AppendError> {
        self.begin_append(at, batch)?.durable().await
    }

    /// Writes `batch` at the end of the log, in the order of the calls;
    /// [`Appending::durable`] waits for the disk. Several begun together share a sync.
    ///
    /// # Errors
    /// As [`Log::append`]; nothing was written.
    pub fn begin_append(
        &self,
        at: &TopicPartition,
        batch: EncodedBatch,
    ) -> Result<Appending, AppendError> {
        if at.topic.is_internal() {
            return Err(AppendError::Internal { at: at.clone() });
        }
        let attributes = batch.header().attributes;
        if attributes.is_control() || attributes.is_transactional() {
            return Err(AppendError::NotPlain { at: at.clone() });
        }
        let partition = self.core.topics.partition(at);
        let partition =
            partition.ok_or_else(|| AppendError::UnknownPartition { at: at.clone() })?;
        partition.begin_append(batch)
    }

    /// Reads whole batches, from the one that contains `from`: at least one if there is any,
    /// else up to `bytes_max`. May wait for the disk: call it where that does no harm.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(
        &self,
        at: &TopicPartition,
        from: Offset,
        bytes_max: usize,
        isolation: Isolation,
    ) -> Result<Fetched, ReadError> {
        self.readable(at)?.read(from, bytes_max, isolation)
    }

    /// Where the partition begins and how far it can be read.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn offsets(&self, at: &TopicPartition) -> Result<Offsets, ReadError> {
        Ok(self.readable(at)?.offsets())
    }

    /// The first record at or after `timestamp_ms`, and its own timestamp. May wait for the
    /// disk.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn offset_for_timestamp(
        &self,
        at: &TopicPartition,
        timestamp_ms: i64,
        isolation: Isolation,
    ) -> Result<Option<(Offset, i64)>, ReadError> {
        self.readable(at)?.offset_for_timestamp(timestamp_ms, isolation)
    }

    /// The epoch of the next append.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn leader_epoch(&self, at: &TopicPartition) -> Result<LeaderEpoch, ReadError> {
        Ok(self.readable(at)?.leader_epoch())
    }

    /// At least as many bytes as a reader would find from `from` on.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn bytes_from(&self, at: &TopicPartition, from: Offset) -> Result<u64, ReadError> {
        Ok(self.readable(at)?.bytes_from(from))
    }

    /// The epochs of the next appends to all partitions of a topic.
    pub fn leader_epochs(&self, name: &TopicName) -> Option<Vec<LeaderEpoch>> {
        self.core.topics.leader_epochs(name)
    }

    /// The epoch of the record at `offset`, present or to come.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn epoch_at(&self, at: &TopicPartition, offset: Offset) -> Result<LeaderEpoch, ReadError> {
        Ok(self.readable(at)?.epoch_at(offset))
    }

    /// The newest epoch up to `epoch` that has begun, and the offset after its last record:
    /// for those who want to know whether what they have read is still there. `None` for an
    /// epoch that is still to come.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn end_of_epoch(
        &self,
        at: &TopicPartition,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, ReadError> {
        Ok(self.readable(at)?.end_of_epoch(epoch))
    }

    /// The first record with the largest timestamp, and that. May wait for the disk.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn offset_of_max_timestamp(
        &self,
        at: &TopicPartition,
        isolation: Isolation,
    ) -> Result<Option<(Offset, i64)>, ReadError> {
        self.readable(at)?.offset_of_max_timestamp(isolation)
    }

    /// Wakes when one of the partition's offsets moves.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    pub fn subscribe(&self, at: &TopicPartition) -> Result<watch::Receiver<Offsets>, ReadError> {
        Ok(self.readable(at)?.subscribe())
    }

    fn readable(&self, at: &TopicPartition) -> Result<Arc<Partition>, ReadError> {
        let partition = self.core.topics.partition(at);
        partition.ok_or_else(|| ReadError::UnknownPartition { at: at.clone() })
    }

    /// A producer id that was never given out before.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn allocate_producer_id(&self) -> io::Result<ProducerId> {
        self.blocking(|core| core.producer_ids.allocate(&core.environment)).await
    }

    /// Begins a transaction. Earlier holders of `transactional_id` are fenced, and what they
    /// left open is aborted (or finished, past its commit point).
    ///
    /// # Errors
    /// [`TransactionError`].
    /// # Cancel safety
    /// Cancel safe: at worst an epoch is used up.
    pub async fn begin(&self, transactional_id: &str) -> Result<Transaction, TransactionError> {
        self.core.coordinator.begin(&self.core, transactional_id).await
    }

    /// The offsets that `group` has committed, by partition.
    pub fn committed(&self, group: &str) -> Vec<(TopicPartition, CommittedOffset)> {
        self.core.groups.committed(group)
    }

    /// The offset that `group` has committed in one partition.
    pub fn committed_at(&self, group: &str, at: &TopicPartition) -> Option<CommittedOffset> {
        self.core.groups.committed_at(group, at)
    }

    /// The names of all groups that have committed offsets.
    pub fn groups(&self) -> Vec<String> {
        self.core.groups.names()
    }

    /// Commits offsets outside of a transaction. Durable on return.
    ///
    /// # Errors
    /// [`GroupError`].
    /// # Cancel safety
    /// Not cancel safe: the offsets may count from the next start on.
    pub async fn commit_offsets(
        &self,
        group: &str,
        offsets: Vec<(TopicPartition, CommittedOffset)>,
    ) -> Result<(), GroupError> {
        let now_ms = self.core.environment.clock.now_ms();
        self.change_offsets(groups::check(group, offsets, now_ms)?).await
    }

    /// The partitions for which a transaction that is not over has offsets of `group`.
    pub fn pending_offsets(&self, group: &str) -> Vec<TopicPartition> {
        self.core.coordinator.pending_offsets(group)
    }

    /// Forgets what `group` has committed in `partitions`. Durable on return.
    ///
    /// When offsets are too old is for the group's coordinator to say: those of a pipeline
    /// never are.
    /// # Errors
    /// [`GroupError`].
    /// # Cancel safety
    /// Not cancel safe: the offsets may be forgotten from the next start on.
    pub async fn forget_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<(), GroupError> {
        self.change_offsets(self.core.groups.changes_without_offsets(group, partitions)).await
    }

    /// Saves what the coordinator wants to remember of `group` (Kafka: `GroupMetadataValue`,
    /// with its version in front), or forgets it. Durable on return.
    ///
    /// # Errors
    /// [`GroupError`].
    /// # Cancel safety
    /// Not cancel safe: it may count from the next start on.
    pub async fn save_group(&self, group: &str, state: Option<Bytes>) -> Result<(), GroupError> {
        self.change_offsets(vec![groups::check_state(group, state)?]).await
    }

    /// What was saved of each group.
    pub fn saved_groups(&self) -> Vec<(String, Bytes)> {
        self.core.groups.states()
    }

    /// Forgets all offsets of `group`, and what was saved of it. Durable on return.
    ///
    /// # Errors
    /// [`GroupError`].
    /// # Cancel safety
    /// Not cancel safe: the group may be forgotten from the next start on.
    pub async fn delete_group(&self, group: &str) -> Result<(), GroupError> {
        self.change_offsets(self.core.groups.changes_without_group(group)).await
    }

    async fn change_offsets(&self, changes: Vec<groups::Change>) -> Result<(), GroupError> {
        let now_ms = self.core.environment.clock.now_ms();
        Ok(self.core.groups.commit(changes, now_ms).await?)
    }

    /// Deletes the records of a partition before `before`, as far as it is stable, and returns
    /// where the partition begins then. Whole segments give their space back.
    ///
    /// # Errors
    /// [`DeleteError`].
    /// # Cancel safety
    /// The records may be deleted all the same.
    pub async fn delete_records(
        &self,
        at: &TopicPartition,
        before: Offset,
    ) -> Result<Offset, DeleteError> {
        let partition = self.core.topics.partition(at);
        let partition =
            partition.ok_or_else(|| DeleteError::UnknownPartition { at: at.clone() })?;
        partition.delete_before(before).await
    }

    /// Compacts the partitions for which that is due, the one with the most new records first;
    /// says how many. To be called every second or so, beside [`Log::maintain`]: it can take
    /// long.
    ///
    /// # Cancel safety
    /// Cancel safe: what has begun comes to its end, or is stopped by [`Log::close`].
    pub async fn compact(&self) -> usize {
        let mut due: Vec<_> = self.core.topics.partitions();
        let mut due: Vec<_> =
            due.drain(..).filter_map(|it| it.dirt().map(|dirt| (dirt, it))).collect();
        due.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let mut count = 0;
        for (_, partition) in due {
            let work = move |core: &Core| {
                let bytes_max = core.config.compaction_bytes_max;
                partition.compact(bytes_max, &core.is_closing)
            };
            count += usize::from(self.blocking(work).await.is_some());
        }
        count
    }

    /// Applies retention, syncs what is overdue, ends abandoned transactions, keeps the log of
    /// transactions small. To be called every second or so.
    pub async fn maintain(&self) {
        let core = &self.core;
        core.groups.tidy();
        core.coordinator.maintain(core).await;
        for partition in core.topics.partitions() {
            partition.maintain(core.config.producer_expiry_ms).await;
        }
        if let Err(error) = self.rewrite_internal().await {
            tracing::warn!(%error, "internal topic not rewritten");
        }
    }

    async fn rewrite_internal(&self) -> Result<(), DeleteError> {
        let core = &self.core;
        let is_large = |partition: &Partition| partition.bytes() > core.config.internal_bytes_max;
        if is_large(core.coordinator.log()) {
            let _alone = core.rewrites.write().await;
            core.coordinator.rewrite(core).await?;
        }
        Ok(())
    }

    /// Makes everything durable. The folder is free when the last handle is dropped.
    pub async fn close(&self) {
        let core = &self.core;
        core.is_closing.store(true, Ordering::Relaxed);
        if let Err(error) = core.coordinator.complete(core).await {
            tracing::warn!(%error, "completed transactions not noted");
        }
        for partition in core.topics.partitions() {
            partition.close().await;
        }
        tracing::info!("log closed");
    }

    /// What the log has done since it was opened.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.core.metrics.snapshot()
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Core) -> T + Send + 'static,
    ) -> T {
        let core = self.core.clone();
        self.core.environment.blocking.start(move || work(&core)).await
    }
}

fn not_internal(name: &TopicName) -> Result<(), TopicError> {
    if name.is_internal() { Err(TopicError::Internal { name: name.clone() }) } else { Ok(()) }
}
