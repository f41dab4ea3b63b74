//! The way of a batch to the disk.
//!
//! **A batch is in the log whole or not at all**: a write that failed is cut off again, and
//! where that fails too the partition takes no more appends.

use std::io;
use std::sync::Arc;

use super::producers::{ProducerError, Verdict};
use super::{Health, Partition, State};
use crate::batch::{BatchError, ControlKind, EncodedBatch, RecordReader, control_batch};
use crate::config::{Flush, TimestampType, TopicConfig};
use crate::disk::DiskFile;
use crate::identity::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition};
use crate::segment::Active;

/// Where a batch is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// The leader epoch of the append.
    pub leader_epoch: LeaderEpoch,
    /// The time of the append, where the topic stamps it.
    pub append_time_ms: Option<i64>,
    /// The first offset of the partition that is still there.
    pub log_start: Offset,
    /// Whether the batch had been appended before (idempotent producers).
    pub duplicate: bool,
}

/// Why a batch was not appended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// There is no such topic or partition.
    #[error("there is no partition {at}")]
    UnknownPartition {
        /// What was asked for.
        at: TopicPartition,
    },
    /// The batch is larger than the topic allows.
    #[error("a batch of {bytes} bytes is too large for {at}, which takes {bytes_max}")]
    TooLarge {
        /// Where.
        at: TopicPartition,
        /// The batch.
        bytes: u64,
        /// The topic's `message_bytes_max`.
        bytes_max: u64,
    },
    /// In a compacted topic every record has a key.
    #[error("{at} is compacted, and record {index} of the batch has no key")]
    NoKey {
        /// Where.
        at: TopicPartition,
        /// The record.
        index: usize,
    },
    /// The topic is compacted, and the records cannot be read.
    #[error("{at} is compacted, but the records cannot be read")]
    Unreadable {
        /// Where.
        at: TopicPartition,
        /// Why.
        source: BatchError,
    },
    /// Batches of transactions, and control batches, come from the log itself.
    #[error("a transactional or control batch cannot be appended to {at} directly")]
    NotPlain {
        /// Where.
        at: TopicPartition,
    },
    /// The log's own topics are not for appends.
    #[error("{at} belongs to an internal topic")]
    Internal {
        /// Where.
        at: TopicPartition,
    },
    /// The producer was fenced, or sent its batches out of order.
    #[error("append to {at}")]
    Producer {
        /// Where.
        at: TopicPartition,
        /// Why.
        source: ProducerError,
    },
    /// There is no room. Nothing was written, and what is there is fine.
    #[error("append {bytes} bytes to {at}: the disk is full")]
    DiskFull {
        /// Where.
        at: TopicPartition,
        /// The batch.
        bytes: u64,
        /// What the disk said.
        source: Arc<io::Error>,
    },
    /// A write or a sync failed before, so it is unknown what is on disk.
    #[error("{at} takes no appends until restart, since an I/O error: {cause}")]
    Poisoned {
        /// Where.
        at: TopicPartition,
        /// The first error.
        cause: String,
    },
    /// The topic was deleted meanwhile.
    #[error("the topic of {at} has been deleted")]
    Deleted {
        /// Where.
        at: TopicPartition,
    },
}

impl AppendError {
    /// Whether the same append can succeed later, without a restart.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::DiskFull { .. })
    }

    /// What the person can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::UnknownPartition { .. } | Self::Deleted { .. } => "create the topic first",
            Self::TooLarge { .. } => "send smaller batches or raise message_bytes_max",
            Self::NoKey { .. } => "give every record a key, or let the topic delete by age",
            Self::Unreadable { source, .. } => source.hint(),
            Self::NotPlain { .. } => "begin a transaction and append through it",
            Self::Internal { .. } => "append to a topic of your own",
            Self::Producer { .. } => "start the producer again with a new epoch",
            Self::DiskFull { .. } => "free space or shorten the retention, then append again",
            Self::Poisoned { .. } => "check the disk, then restart the host",
        }
    }
}

/// A batch that is written but perhaps not durable.
#[derive(Clone, Copy, Debug)]
#[must_use = "a written batch is acknowledged only when it is durable"]
pub(crate) struct Written {
    pub appended: Appended,
    /// The batch is durable when everything before this is.
    pub end: Offset,
}

/// An append that is in the log, but not yet known to be durable.
#[derive(Clone)]
#[must_use = "a written batch is acknowledged only when it is durable"]
pub struct Appending {
    partition: Arc<Partition>,
    written: Written,
}

impl std::fmt::Debug for Appending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Appending").field("written", &self.written).finish_non_exhaustive()
    }
}

impl Appending {
    /// Where the batch is.
    pub const fn appended(&self) -> &Appended {
        &self.written.appended
    }

    /// Waits until the batch is durable, where its topic says so.
    ///
    /// # Errors
    /// [`AppendError::Poisoned`]: the batch may be found in the log at the next start.
    /// # Cancel safety
    /// Cancel safe: [`crate::Log::maintain`] syncs what nobody waits for.
    pub async fn durable(self) -> Result<Appended, AppendError> {
        let Self { partition, written } = self;
        match partition.config().flush {
            Flush::Always => partition.wait_durable(written.end).await?,
            Flush::IntervalMs(interval) => partition.sync_when_due(interval),
        }
        Ok(written.appended)
    }
}

impl Partition {
    /// Writes `batch`, to be made durable next.
    pub(crate) fn begin_append(
        self: &Arc<Self>,
        batch: EncodedBatch,
    ) -> Result<Appending, AppendError> {
        let written = self.write(batch)?;
        Ok(Appending { partition: self.clone(), written })
    }

    /// Writes `batch` without waiting for the disk.
    pub(crate) fn write(&self, mut batch: EncodedBatch) -> Result<Written, AppendError> {
        let config = self.config();
        let now_ms = self.environment.clock.now_ms();
        self.check_size(&batch, &config)?;
        if config.cleanup.compact && !self.at.topic.is_internal() {
            self.check_keys(&batch)?;
        }
        let append_time_ms = match config.timestamp_type {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => {
                batch.stamp_append_time(now_ms);
                Some(now_ms)
            }
        };
        let mut state = self.state.lock();
        self.check_health(&state)?;
        let verdict = state.producers.check(batch.header());
        let verdict =
            verdict.map_err(|source| AppendError::Producer { at: self.at.clone(), source })?;
        let leader_epoch = state.facts.epoch();
        let log_start = state.facts.log_start;
        if let Verdict::Duplicate { base_offset, last_offset } = verdict {
            self.metrics.duplicate();
            let appended = Appended {
                base_offset,
                last_offset,
                leader_epoch,
                append_time_ms,
                log_start,
                duplicate: true,
            };
            return Ok(Written { appended, end: last_offset.plus(1) });
        }
        self.put(&mut state, &mut batch, &config, now_ms)?;
        let header = *batch.header();
        state.producers.appended(&header, now_ms);
        self.written(&mut state, &config);
        let appended = Appended {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            leader_epoch,
            append_time_ms,
            log_start,
            duplicate: false,
        };
        Ok(Written { appended, end: header.next_offset() })
    }

    /// Writes the marker that ends a transaction.
    ///
    /// Returns the offset up to which the log must be durable before readers see the end;
    /// `None` where they see it already.
    pub(crate) fn write_marker(
        &self,
        kind: ControlKind,
        producer_id: ProducerId,
        epoch: ProducerEpoch,
    ) -> Result<Marked, AppendError> {
        let config = self.config();
        let now_ms = self.environment.clock.now_ms();
        let mut batch = control_batch(kind, producer_id, epoch, now_ms);
        let mut state = self.state.lock();
        self.check_health(&state)?;
        self.put(&mut state, &mut batch, &config, now_ms)?;
        let header = *batch.header();
        let ended = state.producers.ended(&header);
        state.active.aborted.extend(ended.and_then(|ended| ended.aborted(kind)));
        // Everything before the marker can be read already, and recovery writes the marker
        // again should it be lost: nobody has to wait for the disk.
        let is_next = state.high_watermark == header.base_offset;
        if is_next && ended.is_some() {
            state.high_watermark = header.next_offset();
        }
        self.written(&mut state, &config);
        // A marker that ends nothing shows nothing: recovery would not write it again.
        let visible = is_next || ended.is_none();
        Ok(Marked { end: header.next_offset(), visible })
    }

    fn check_size(&self, batch: &EncodedBatch, config: &TopicConfig) -> Result<(), AppendError> {
        let bytes = batch.header().bytes as u64;
        let bytes_max = config.message_bytes_max;
        if bytes > bytes_max {
            return Err(AppendError::TooLarge { at: self.at.clone(), bytes, bytes_max });
        }
        Ok(())
    }

    /// Compaction must know what replaces what.
    fn check_keys(&self, batch: &EncodedBatch) -> Result<(), AppendError> {
        let unreadable = |source| AppendError::Unreadable { at: self.at.clone(), source };
        let batch = batch.as_batch().map_err(unreadable)?;
        let mut reader = RecordReader::default();
        for (index, record) in reader.records(&batch).map_err(unreadable)?.enumerate() {
            if record.map_err(unreadable)?.key.is_none() {
                return Err(AppendError::NoKey { at: self.at.clone(), index });
            }
        }
        Ok(())
    }

    pub(super) fn check_health(&self, state: &State) -> Result<(), AppendError> {
        match &state.health {
            Health::Healthy => Ok(()),
            Health::Poisoned { cause } => {
                Err(AppendError::Poisoned { at: self.at.clone(), cause: cause.clone() })
            }
            Health::Deleted => Err(AppendError::Deleted { at: self.at.clone() }),
        }
    }

    /// Places `batch` at the end of the log and writes it.
    fn put(
        &self,
        state: &mut State,
        batch: &mut EncodedBatch,
        config: &TopicConfig,
        now_ms: i64,
    ) -> Result<(), AppendError> {
        let bytes = batch.header().bytes as u64;
        if segment_is_full(&state.active, bytes, config, now_ms) {
            self.roll(state).map_err(|source| self.write_failed(state, bytes, source))?;
        }
        batch.place(state.end, state.facts.epoch());
        let position = state.active.bytes;
        let file = state.active.file(&*self.environment.disk, &self.dir);
        let file = file.map_err(|source| self.write_failed(state, bytes, source))?;
        if let Err(error) = file.write_at(batch.bytes(), position) {
            return Err(self.undo(state, &*file, bytes, error));
        }
        let header = *batch.header();
        let active = &mut state.active;
        active.crc.update(batch.bytes());
        active.index.note(active.base, &header, position, config.index_interval_bytes);
        active.started_ms.get_or_insert(now_ms);
        active.bytes += bytes;
        state.end = header.next_offset();
        self.metrics.appended(bytes, header.record_count.unsigned_abs().into());
        Ok(())
    }

    /// Cuts off what a failed write may have left.
    fn undo(
        &self,
        state: &mut State,
        file: &dyn DiskFile,
        bytes: u64,
        error: io::Error,
    ) -> AppendError {
        if let Err(cut) = file.set_length(state.active.bytes) {
            self.poison(state, &format!("write: {error}; undo: {cut}"));
        } else if !is_full(&error) {
            self.poison(state, &format!("write: {error}"));
        }
        match self.check_health(state) {
            Err(poisoned) => poisoned,
            Ok(()) => self.write_failed(state, bytes, error),
        }
    }

    /// **What is answered as poisoned is poisoned**: who waits for it would wait for ever.
    fn write_failed(&self, state: &mut State, bytes: u64, source: io::Error) -> AppendError {
        let at = self.at.clone();
        if is_full(&source) {
            return AppendError::DiskFull { at, bytes, source: Arc::new(source) };
        }
        let cause = source.to_string();
        self.poison(state, &cause);
        AppendError::Poisoned { at, cause }
    }

    /// Closes the active segment and begins the next. Nothing is synced here: the next round
    /// of syncing does that, off this path.
    pub(super) fn roll(&self, state: &mut State) -> io::Result<()> {
        if state.active.bytes == 0 {
            return Ok(());
        }
        let file = state.active.file(&*self.environment.disk, &self.dir)?;
        let fresh = match Active::create(&*self.environment.disk, &self.dir, state.end) {
            Ok(fresh) => fresh,
            Err(error) => {
                if !is_full(&error) {
                    self.poison(state, &format!("create segment: {error}"));
                }
                return Err(error);
            }
        };
        let active = std::mem::replace(&mut state.active, fresh);
        let closed = Arc::new(active.close(state.end, file.clone()));
        state.unsynced.push(file);
        state.names_unsynced = true;
        state.unsealed.push((closed.clone(), state.producers.clone()));
        state.segments.push(closed);
        Ok(())
    }

    /// After a write: what can be read now?
    fn written(&self, state: &mut State, config: &TopicConfig) {
        if matches!(config.flush, Flush::IntervalMs(_)) {
            state.high_watermark = state.end;
        }
        self.publish(state);
    }
}

/// A marker that is written but perhaps not durable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marked {
    /// The marker is durable when everything before this is.
    pub end: Offset,
    /// Whether readers see it already.
    pub visible: bool,
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether the next batch, of `bytes` bytes, needs a new segment.
fn segment_is_full(active: &Active, bytes: u64, config: &TopicConfig, now_ms: i64) -> bool {
    if active.bytes == 0 {
        return false;
    }
    let age_ms = active.started_ms.map_or(0, |started| now_ms.saturating_sub(started));
    active.bytes + bytes > config.segment_bytes
        || u64::try_from(age_ms).is_ok_and(|age_ms| age_ms >= config.segment_ms)
}
