//! The sparse index of a segment: from offsets and timestamps to positions.
//!
//! An entry promises only that a batch starts at its position; readers walk on from there.

use crate::batch::Header;
use crate::identity::Offset;

/// One batch that starts where the entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// The batch's base offset, relative to the segment's.
    pub offset_delta: u32,
    /// Where the batch starts.
    pub position: u32,
    /// The largest timestamp of all batches before this one.
    pub earlier_max_ms: i64,
}

/// The entries of one segment, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentIndex {
    entries: Vec<IndexEntry>,
    max_timestamp_ms: i64,
}

impl Default for SegmentIndex {
    fn default() -> Self {
        Self { entries: Vec::new(), max_timestamp_ms: i64::MIN }
    }
}

impl SegmentIndex {
    pub(crate) fn from_parts(entries: Vec<IndexEntry>, max_timestamp_ms: i64) -> Self {
        Self { entries, max_timestamp_ms }
    }

    pub(crate) fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// The largest timestamp in the segment; the smallest number there is while it is empty.
    pub(crate) const fn max_timestamp_ms(&self) -> i64 {
        self.max_timestamp_ms
    }

    /// Whether every entry of this index is one of `complete`, which has one for each batch.
    pub(crate) fn is_part_of(&self, complete: &Self) -> bool {
        let is_known = |entry: &IndexEntry| {
            let found = complete.entries.binary_search_by_key(&entry.position, |it| it.position);
            found.is_ok_and(|index| complete.entries.get(index) == Some(entry))
        };
        self.max_timestamp_ms == complete.max_timestamp_ms && self.entries.iter().all(is_known)
    }

    /// Notes a batch at `position`; it becomes an entry once in `interval_bytes`.
    pub(crate) fn note(&mut self, base: Offset, header: &Header, position: u64, interval: u64) {
        let next = self.entries.last().map_or(0, |last| u64::from(last.position) + interval);
        let delta = u32::try_from(header.base_offset.get() - base.get());
        // Beyond 32 bits there are no entries; readers then walk further.
        if let (true, Ok(offset_delta), Ok(position)) =
            (position >= next || self.entries.is_empty(), delta, u32::try_from(position))
        {
            let earlier_max_ms = self.max_timestamp_ms;
            self.entries.push(IndexEntry { offset_delta, position, earlier_max_ms });
        }
        self.max_timestamp_ms = self.max_timestamp_ms.max(header.max_timestamp_ms);
    }

    /// Where to start walking for `offset`: a position, and the offset of the batch there.
    pub(crate) fn start_for(&self, base: Offset, offset: Offset) -> (u64, Offset) {
        let delta = offset.get().saturating_sub(base.get());
        let holds = |entry: &IndexEntry| i64::from(entry.offset_delta) <= delta;
        let after = self.entries.partition_point(holds);
        let entry = after.checked_sub(1).and_then(|index| self.entries.get(index));
        entry.map_or((0, base), |entry| {
            (entry.position.into(), base.plus(entry.offset_delta.into()))
        })
    }

    /// The offset to start walking from for the first record at or after `timestamp_ms`.
    pub(crate) fn offset_of_time(&self, base: Offset, timestamp_ms: i64) -> Offset {
        let after = self.entries.partition_point(|entry| entry.earlier_max_ms < timestamp_ms);
        let entry = after.checked_sub(1).and_then(|index| self.entries.get(index));
        entry.map_or(base, |entry| base.plus(entry.offset_delta.into()))
    }

    /// The position of the first entry after `position`: at most there ends the walk.
    pub(crate) fn position_after(&self, position: u64) -> Option<u64> {
        let after = self.entries.partition_point(|entry| u64::from(entry.position) <= position);
        self.entries.get(after).map(|entry| entry.position.into())
    }
}
