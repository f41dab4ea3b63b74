//! Reads whole batches, as they were sent, up to what is stable.
//!
//! **What is returned has been checked**: damage on disk is an error with file and byte
//! position, never bad bytes.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::fetched::{Fetched, Isolation};
use super::walk::{Piece, Walk, Wanted, walk};
use super::{AbortedTransaction, Durable, Health, Offsets, Partition, State};
use crate::batch::{BatchError, Batches, RecordReader};
use crate::disk::DiskFile;
use crate::identity::{Offset, TopicPartition};
use crate::segment::{Damage, SegmentIndex, log_path};

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such topic or partition.
    #[error("there is no partition {at}")]
    UnknownPartition {
        /// What was asked for.
        at: TopicPartition,
    },
    /// Deleted already, or not written yet.
    #[error(
        "offset {from} of {at} is not between {} and {}",
        offsets.log_start,
        offsets.high_watermark
    )]
    OutOfRange {
        /// Where.
        at: TopicPartition,
        /// The offset asked for.
        from: Offset,
        /// What there is.
        offsets: Offsets,
    },
    /// The file contains something else than was written.
    #[error("`{}` is damaged at {damage}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where, and what.
        damage: Damage,
    },
    /// The disk said so.
    #[error("read `{}`", file.display())]
    Disk {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl ReadError {
    /// Whether the same read can succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Disk { .. })
    }

    /// What the person can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::UnknownPartition { .. } => "list the topics with `tidemill topic list`",
            Self::OutOfRange { .. } => "start from the earliest or the latest offset",
            Self::Damaged { .. } => {
                "look with `tidemill log verify`; restore the file from a backup"
            }
            Self::Disk { .. } => "check the disk",
        }
    }
}

/// A part of a segment file that can be read without the partition's lock.
struct Stretch {
    base: Offset,
    file: Arc<dyn DiskFile>,
    /// A batch starts here, at or before the one that is wanted.
    start: u64,
    /// That batch's offset.
    offset: Offset,
    /// By here the wanted batch has started.
    found_by: u64,
    /// Whole batches end here.
    end: u64,
    /// The offset that comes after the segment.
    next: Offset,
}

impl Partition {
    /// Whole batches from the one that contains `from`, at least one if there is any, else up
    /// to `bytes_max`.
    pub(crate) fn read(
        &self,
        from: Offset,
        bytes_max: usize,
        isolation: Isolation,
    ) -> Result<Fetched, ReadError> {
        let mut wanted_from = from;
        loop {
            let (offsets, stretch, facts) = self.locate(wanted_from, isolation)?;
            let Some(stretch) = stretch else {
                let (bytes, aborted) = (Bytes::new(), Vec::new());
                return Ok(Fetched { bytes, next: wanted_from, offsets, aborted });
            };
            let limit = limit(offsets, isolation);
            let wanted = Wanted { from: wanted_from, limit, bytes_max, facts: &facts };
            let Some((bytes, next)) = self.read_stretch(&stretch, &wanted)? else {
                // The rest of the segment was compacted away.
                wanted_from = stretch.next;
                continue;
            };
            self.metrics.read(bytes.len() as u64);
            let aborted = match isolation {
                Isolation::Committed => self.state.lock().aborted_between(from, next),
                Isolation::Uncommitted => Vec::new(),
            };
            return Ok(Fetched { bytes, next: next.max(from), offsets, aborted });
        }
    }

    /// The first record at or after `timestamp_ms`, and its own timestamp.
    pub(crate) fn offset_for_timestamp(
        &self,
        timestamp_ms: i64,
        isolation: Isolation,
    ) -> Result<Option<(Offset, i64)>, ReadError> {
        let mut from = match self.segment_for_time(timestamp_ms) {
            Some(from) => from,
            None => return Ok(None),
        };
        loop {
            let fetched = self.read(from, 1 << 20, isolation)?;
            if fetched.bytes.is_empty() {
                return Ok(None);
            }
            if let Some(found) = first_at_or_after(&fetched.bytes, timestamp_ms, from) {
                return Ok(Some(found));
            }
            from = fetched.next;
        }
    }

    /// The first record with the largest timestamp, and that.
    pub(crate) fn offset_of_max_timestamp(
        &self,
        isolation: Isolation,
    ) -> Result<Option<(Offset, i64)>, ReadError> {
        let max_ms = {
            let state = self.state.lock();
            let closed = state.segments.iter().map(|segment| segment.max_timestamp_ms).max();
            closed.unwrap_or(i64::MIN).max(state.active.index.max_timestamp_ms())
        };
        // What is not stable yet, or was cut off a segment's front, may be the newest.
        match self.offset_for_timestamp(max_ms, isolation)? {
            Some(found) => Ok(Some(found)),
            None => self.newest_by_reading(isolation),
        }
    }

    fn newest_by_reading(&self, isolation: Isolation) -> Result<Option<(Offset, i64)>, ReadError> {
        let mut from = self.offsets().log_start;
        let mut newest: Option<(Offset, i64)> = None;
        loop {
            let fetched = self.read(from, 1 << 20, isolation)?;
            if fetched.bytes.is_empty() {
                return Ok(newest);
            }
            for batch in Batches::new(&fetched.bytes).flatten() {
                let max_ms = batch.header().max_timestamp_ms;
                if newest.is_none_or(|(_, newest_ms)| newest_ms < max_ms) {
                    newest = first_at_or_after(batch.bytes(), max_ms, from).or(newest);
                }
            }
            from = fetched.next;
        }
    }

    /// Where to look for `timestamp_ms`; `None` where every record is older.
    fn segment_for_time(&self, timestamp_ms: i64) -> Option<Offset> {
        let state = self.state.lock();
        let closed = state.segments.iter();
        let segment = closed.clone().find(|segment| segment.max_timestamp_ms >= timestamp_ms);
        let start = match segment {
            Some(segment) => {
                let index = segment.index();
                index.map_or(segment.base, |index| index.offset_of_time(segment.base, timestamp_ms))
            }
            None if state.active.index.max_timestamp_ms() >= timestamp_ms => {
                state.active.index.offset_of_time(state.active.base, timestamp_ms)
            }
            None => return None,
        };
        Some(start.max(state.facts.log_start))
    }

    fn locate(
        &self,
        from: Offset,
        isolation: Isolation,
    ) -> Result<(Offsets, Option<Stretch>, Durable), ReadError> {
        let mut state = self.state.lock();
        let offsets = state.offsets();
        let facts = state.facts.clone();
        if state.health == Health::Deleted {
            return Err(ReadError::UnknownPartition { at: self.at.clone() });
        }
        if from < offsets.log_start || from > offsets.high_watermark {
            return Err(ReadError::OutOfRange { at: self.at.clone(), from, offsets });
        }
        if from >= limit(offsets, isolation) {
            return Ok((offsets, None, facts));
        }
        if from >= state.active.base {
            let file = state.active.file(&*self.environment.disk, &self.dir);
            let failed =
                |source| ReadError::Disk { file: log_path(&self.dir, state.active.base), source };
            let file = file.map_err(failed)?;
            let active = &state.active;
            let span = (active.base, state.end);
            let stretch = stretch(span, file, &active.index, active.bytes, from);
            return Ok((offsets, Some(stretch), facts));
        }
        let after = state.segments.partition_point(|segment| segment.base <= from);
        let segment = after.checked_sub(1).and_then(|index| state.segments.get(index)).cloned();
        // The file may have to be opened: not under the lock.
        drop(state);
        let Some(segment) = segment else {
            return Err(ReadError::OutOfRange { at: self.at.clone(), from, offsets });
        };
        match segment.load(&*self.environment.disk, &self.dir) {
            Ok(loaded) => {
                let (span, bytes) = ((segment.base, segment.next), segment.bytes);
                let stretch = stretch(span, loaded.file, &loaded.index, bytes, from);
                Ok((offsets, Some(stretch), facts))
            }
            // Retention was faster.
            Err(_) if self.offsets().log_start > from => {
                let offsets = self.offsets();
                Err(ReadError::OutOfRange { at: self.at.clone(), from, offsets })
            }
            Err(source) => Err(ReadError::Disk { file: log_path(&self.dir, segment.base), source }),
        }
    }

    /// `None` where the segment ends before what is wanted, which was compacted away.
    fn read_stretch(
        &self,
        stretch: &Stretch,
        wanted: &Wanted<'_>,
    ) -> Result<Option<(Bytes, Offset)>, ReadError> {
        let ahead = stretch.found_by - stretch.start;
        let (mut position, mut offset) = (stretch.start, stretch.offset);
        let mut bytes =
            self.fill(stretch, position, ahead.saturating_add(wanted.bytes_max as u64))?;
        loop {
            let walked = walk(&Piece { bytes: &bytes, position, offset }, wanted);
            match walked.map_err(|damage| self.damaged(stretch, damage))? {
                Walk::Found { first, end, next } => {
                    let bytes = Bytes::from(bytes).slice(first..end);
                    return Ok(Some((bytes, next)));
                }
                Walk::Short { at, needed, offset: short } => {
                    position += at as u64;
                    offset = short;
                    if position == stretch.end && offset < wanted.facts.cleaned_to {
                        return Ok(None);
                    }
                    // One batch is larger than what was asked for: it alone, then.
                    bytes = self.fill(stretch, position, needed as u64)?;
                    let present = bytes.len();
                    if present < needed {
                        let kind = BatchError::Truncated { needed, present }.into();
                        return Err(self.damaged(stretch, Damage { position, offset, kind }));
                    }
                }
            }
        }
    }

    fn fill(&self, stretch: &Stretch, start: u64, wanted: u64) -> Result<Vec<u8>, ReadError> {
        let length = wanted.min(stretch.end.saturating_sub(start));
        let read = stretch.file.read(usize::try_from(length).unwrap_or(0), start);
        read.map_err(|source| ReadError::Disk { file: log_path(&self.dir, stretch.base), source })
    }

    fn damaged(&self, stretch: &Stretch, damage: Damage) -> ReadError {
        ReadError::Damaged { file: log_path(&self.dir, stretch.base), damage }
    }
}

impl State {
    /// The aborted transactions with records in `from..next`.
    pub(super) fn aborted_between(&self, from: Offset, next: Offset) -> Vec<AbortedTransaction> {
        // The marker may be in a later segment than the records.
        let closed = self.segments.iter().filter(|segment| segment.next > from);
        let all = closed.flat_map(|segment| &segment.aborted).chain(&self.active.aborted);
        let overlapping =
            all.filter(|aborted| aborted.first_offset < next && aborted.last_offset >= from);
        let mut found: Vec<_> = overlapping.copied().collect();
        found.sort_unstable_by_key(|aborted| aborted.first_offset);
        found
    }
}

fn limit(offsets: Offsets, isolation: Isolation) -> Offset {
    match isolation {
        Isolation::Uncommitted => offsets.high_watermark,
        Isolation::Committed => offsets.last_stable,
    }
}

fn stretch(
    (base, next): (Offset, Offset),
    file: Arc<dyn DiskFile>,
    index: &SegmentIndex,
    end: u64,
    from: Offset,
) -> Stretch {
    let (start, offset) = index.start_for(base, from);
    let found_by = index.position_after(start).unwrap_or(end);
    Stretch { base, file, start, offset, found_by, end, next }
}

/// The first record that counts for `timestamp_ms`. A batch that cannot be unpacked counts as a
/// whole: that is as near as it gets.
fn first_at_or_after(bytes: &[u8], timestamp_ms: i64, from: Offset) -> Option<(Offset, i64)> {
    let mut reader = RecordReader::default();
    for batch in Batches::new(bytes).flatten() {
        let header = batch.header();
        if header.max_timestamp_ms < timestamp_ms || header.attributes.is_control() {
            continue;
        }
        let Ok(records) = reader.records(&batch) else {
            return Some((header.base_offset.max(from), header.max_timestamp_ms));
        };
        let found = records
            .flatten()
            .find(|record| record.timestamp_ms >= timestamp_ms && record.offset >= from);
        if let Some(record) = found {
            return Some((record.offset, record.timestamp_ms));
        }
    }
    None
}
