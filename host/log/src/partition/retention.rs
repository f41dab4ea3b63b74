//! Deletes what is too old or too much, and keeps a partition tidy.
//!
//! **The new start is durable before a file goes**, so that a crash leaves no gap.

use std::io;
use std::sync::Arc;

use super::{AppendError, Health, Partition, State};
use crate::config::{Flush, TopicConfig};
use crate::identity::{Offset, TopicPartition};
use crate::segment::{Segment, log_path, seal_path};

/// What retention needs to know of a closed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    next: Offset,
    bytes: u64,
    max_timestamp_ms: i64,
}

/// Decides where the log should start: pure.
///
/// `closed` are the closed segments from the oldest on, `active_bytes` what follows them;
/// nothing at or after `stable` is deleted.
fn decide_start(
    closed: &[Candidate],
    active_bytes: u64,
    stable: Offset,
    config: &TopicConfig,
    now_ms: i64,
) -> Option<Offset> {
    let mut left = closed.iter().map(|segment| segment.bytes).sum::<u64>() + active_bytes;
    let oldest_ms = config.retention_ms.map(|age| now_ms.saturating_sub_unsigned(age));
    let mut start = None;
    for segment in closed.iter().take_while(|segment| segment.next <= stable) {
        let too_old = oldest_ms.is_some_and(|oldest| segment.max_timestamp_ms < oldest);
        // Only as long as what is left is still enough.
        let too_much = config.retention_bytes.is_some_and(|max| left - segment.bytes >= max);
        if !too_old && !too_much {
            break;
        }
        left -= segment.bytes;
        start = Some(segment.next);
    }
    start
}

/// Why records were not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// What is before the start cannot be made durable.
    #[error("make the records durable")]
    Append(#[from] AppendError),
    /// The disk said so.
    #[error("delete records")]
    Disk(#[from] io::Error),
    /// There is no such topic or partition.
    #[error("there is no partition {at}")]
    UnknownPartition {
        /// What was asked for.
        at: TopicPartition,
    },
}

impl DeleteError {
    /// Whether the same call can succeed later.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Append(error) => error.is_retryable(),
            Self::Disk(_) => true,
            Self::UnknownPartition { .. } => false,
        }
    }

    /// What the person can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Append(error) => error.hint(),
            Self::Disk(_) => "check the disk",
            Self::UnknownPartition { .. } => "list the topics with `tidemill topic list`",
        }
    }
}

/// What nobody waits for is synced after so long: markers, appends whose callers have gone, and what
/// was written while the topic was relaxed.
const ABANDONED_MS: u64 = 500;

impl Partition {
    /// Applies retention, syncs what is overdue, closes files that nobody reads.
    pub(crate) async fn maintain(self: &Arc<Self>, producer_expiry_ms: u64) {
        match self.config().flush {
            Flush::IntervalMs(interval) => self.sync_when_due(interval),
            Flush::Always if self.has_unsynced() => self.sync_when_due(ABANDONED_MS),
            Flush::Always => {}
        }
        let now_ms = self.environment.clock.now_ms();
        if let Err(error) = self.apply_retention(now_ms).await {
            tracing::warn!(partition = %self.at, %error, "retention not applied");
        }
        let durable = self.tidy(now_ms.saturating_sub_unsigned(producer_expiry_ms));
        if self.mark.lock().is_behind(durable) {
            let partition = self.clone();
            let work = move || {
                if let Err(error) = partition.sync_mark() {
                    tracing::warn!(partition = %partition.at, %error, "durable mark not synced");
                }
            };
            self.environment.blocking.start(work).await;
        }
    }

    /// Forgets old producers and closes files that nobody has used since the last call;
    /// returns what is durable.
    fn tidy(&self, expired_ms: i64) -> Offset {
        let mut state = self.state.lock();
        state.producers.expire(expired_ms);
        state.segments.iter().for_each(|segment| segment.rest());
        let is_synced = state.durable == state.end && !state.names_unsynced;
        if is_synced && state.unsynced.is_empty() && state.health == Health::Healthy {
            state.active.rest();
            if state.active.open_file().is_none() {
                self.mark.lock().rest();
            }
        }
        state.durable
    }

    async fn apply_retention(self: &Arc<Self>, now_ms: i64) -> Result<(), DeleteError> {
        let config = self.config();
        let decided = {
            let mut state = self.state.lock();
            if state.health != Health::Healthy {
                return Ok(());
            }
            if active_is_expired(&state, &config, now_ms) {
                self.roll(&mut state)?;
            }
            if state.segments.is_empty() || !config.cleanup.delete {
                return Ok(());
            }
            let closed: Vec<_> = state.segments.iter().map(|segment| candidate(segment)).collect();
            decide_start(&closed, state.active.bytes, state.last_stable(), &config, now_ms)
        };
        match decided {
            Some(start) => self.delete_before(start).await.map(drop),
            None => Ok(()),
        }
    }

    /// Deletes all records before `start`, as far as they are stable; returns where the log
    /// starts then.
    ///
    /// Everything is made durable first: what recovery must write again, such as the marker of
    /// a transaction, it can tell only from the records before.
    pub(crate) async fn delete_before(
        self: &Arc<Self>,
        start: Offset,
    ) -> Result<Offset, DeleteError> {
        let start = start.min(self.offsets().last_stable);
        self.wait_durable(self.end()).await?;
        let partition = self.clone();
        self.environment.blocking.start(move || partition.start_at(start)).await?;
        Ok(self.offsets().log_start)
    }

    fn start_at(&self, start: Offset) -> io::Result<()> {
        let _one_at_a_time = self.start_moves.lock();
        self.finish_swap()?;
        let mut facts = self.state.lock().facts.clone();
        if start <= facts.log_start {
            return Ok(());
        }
        facts.log_start = start;
        facts.write(&*self.environment.disk, &self.dir)?;
        let gone = {
            let mut state = self.state.lock();
            state.facts = facts;
            let kept = state.segments.partition_point(|segment| segment.next <= start);
            let gone: Vec<_> = state.segments.drain(..kept).collect();
            state.unsealed.retain(|(segment, _)| segment.next > start);
            self.publish(&state);
            gone
        };
        for segment in &gone {
            self.remove(segment)?;
        }
        tracing::info!(partition = %self.at, log_start = %start, segments = gone.len(), "old records deleted");
        Ok(())
    }

    /// Gives back the space before `start`, in internal topics, where what counts was written
    /// again from `start` on.
    pub(crate) async fn forget_before(self: &Arc<Self>, start: Offset) -> Result<(), DeleteError> {
        let partition = self.clone();
        // So that the segment can be deleted as a file.
        let roll = move || {
            let mut state = partition.state.lock();
            match state.health {
                Health::Healthy => partition.roll(&mut state),
                _ => Ok(()),
            }
        };
        self.environment.blocking.start(roll).await?;
        self.delete_before(start).await.map(drop)
    }

    fn remove(&self, segment: &Segment) -> io::Result<()> {
        let disk = &*self.environment.disk;
        for path in [seal_path(&self.dir, segment.base), log_path(&self.dir, segment.base)] {
            match disk.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes no more appends or reads: the topic is being deleted.
    pub(crate) fn mark_deleted(&self) {
        let mut state = self.state.lock();
        state.health = Health::Deleted;
        self.publish(&state);
    }

    /// Syncs everything and notes it, for a quick start next time.
    pub(crate) async fn close(self: &Arc<Self>) {
        let end = self.end();
        if let Err(error) = self.wait_durable(end).await {
            tracing::warn!(partition = %self.at, %error, "partition closed without a sync");
            return;
        }
        let partition = self.clone();
        let synced = self.environment.blocking.start(move || partition.sync_mark()).await;
        if let Err(error) = synced {
            tracing::warn!(partition = %self.at, %error, "durable mark not synced");
        }
    }
}

fn candidate(segment: &Segment) -> Candidate {
    Candidate {
        next: segment.next,
        bytes: segment.bytes,
        max_timestamp_ms: segment.max_timestamp_ms,
    }
}

/// Whether even the newest record is older than the topic keeps, or the segment too old.
fn active_is_expired(state: &State, config: &TopicConfig, now_ms: i64) -> bool {
    let active = &state.active;
    let Some(started_ms) = active.started_ms.filter(|_| active.bytes > 0) else { return false };
    let older = |than_ms: u64, moment_ms: i64| {
        now_ms.saturating_sub(moment_ms) > i64::try_from(than_ms).unwrap_or(i64::MAX)
    };
    let age = config.retention_ms.filter(|_| config.cleanup.delete);
    let all_old = age.is_some_and(|age| older(age, active.index.max_timestamp_ms()));
    all_old || older(config.segment_ms, started_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> Vec<Candidate> {
        let candidate = |next, max_timestamp_ms| Candidate {
            next: Offset::new(next),
            bytes: 100,
            max_timestamp_ms,
        };
        vec![candidate(10, 1_000), candidate(20, 2_000), candidate(30, 3_000)]
    }

    #[test]
    fn start_is_decided_by_age_size_and_stability() {
        let table = [
            // (retention_ms, retention_bytes, stable, expected)
            (None, None, 30, None),
            (Some(2_500), None, 30, Some(20)),
            (Some(100), None, 30, Some(30)),
            (Some(100), None, 25, Some(20)),
            (Some(100), None, 5, None),
            (None, Some(350), 30, None),
            (None, Some(250), 30, Some(10)),
            (None, Some(50), 30, Some(30)),
            (Some(4_500), Some(150), 30, Some(20)),
        ];
        for (retention_ms, retention_bytes, stable, expected) in table {
            let config = TopicConfig { retention_ms, retention_bytes, ..TopicConfig::default() };
            let start = decide_start(&closed(), 50, Offset::new(stable), &config, 5_000);
            let expected = expected.map(Offset::new);
            assert_eq!(start, expected, "{retention_ms:?} {retention_bytes:?} {stable}");
        }
    }
}
