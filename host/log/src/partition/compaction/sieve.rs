//! Decides what is left of each batch: pure, but for what it remembers of transactions.
//!
//! **The newest record of a key stays**, unless it is a tombstone whose time is over. Records
//! of aborted transactions go, and a marker once none of its transaction's records is left.

use std::collections::HashSet;

use super::super::AbortedTransaction;
use super::key_map::KeyMap;
use crate::batch::{Batch, BatchError, ControlKind, Record, RecordReader, rewrite};
use crate::identity::{Offset, ProducerId};

/// What is left of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    All,
    Some(bytes::Bytes),
    Nothing,
}

/// Where a batch stays that has no records left, as a shell.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    /// The last offsets of each producer's last batch, which tells the next sequence.
    pub last_of_producers: &'a HashSet<Offset>,
    /// The offset after the last batch, so that the log has no hole at its end.
    pub last: Offset,
}

impl Places<'_> {
    /// What is left of a batch that loses its records.
    fn shell(self, batch: &Batch<'_>) -> Result<Left, BatchError> {
        let header = batch.header();
        let is_needed = header.next_offset() == self.last
            || self.last_of_producers.contains(&header.last_offset());
        if !is_needed {
            return Ok(Left::Nothing);
        }
        // A marker is its own shell.
        if header.attributes.is_control() || header.record_count == 0 {
            return Ok(Left::All);
        }
        Ok(Left::Some(rewrite(batch, &[], None)?))
    }
}

/// Sees all batches of a partition in order, from its first one on.
pub(super) struct Sieve<'a> {
    pub keys: &'a KeyMap,
    /// Records from here on all stay.
    pub end: Offset,
    pub log_start: Offset,
    pub aborted: &'a [AbortedTransaction],
    pub places: Places<'a>,
    pub now_ms: i64,
    /// When tombstones and markers that are seen for the first time may go.
    pub horizon_ms: i64,
    /// Producers with records left of their last transaction.
    pub with_records: HashSet<ProducerId>,
    pub reader: RecordReader,
}

impl Sieve<'_> {
    /// What is left of `batch`.
    pub(super) fn pass(&mut self, batch: &Batch<'_>) -> Result<Left, BatchError> {
        let header = batch.header();
        if header.base_offset >= self.end {
            return Ok(Left::All);
        }
        if header.attributes.is_control() {
            return self.pass_marker(batch);
        }
        let left =
            if self.is_aborted(batch) { self.places.shell(batch)? } else { self.sift(batch)? };
        if header.attributes.is_transactional() && left != Left::Nothing {
            self.with_records.insert(header.producer_id);
        }
        Ok(left)
    }

    fn pass_marker(&mut self, batch: &Batch<'_>) -> Result<Left, BatchError> {
        let header = batch.header();
        let ends_records = self.with_records.remove(&header.producer_id);
        // What is not understood is not dropped.
        if ends_records || ControlKind::of(batch).is_none() {
            return Ok(Left::All);
        }
        match header.delete_horizon_ms() {
            Some(horizon_ms) if horizon_ms <= self.now_ms => self.places.shell(batch),
            Some(_) => Ok(Left::All),
            None => {
                let horizon_ms = self.horizon_ms;
                let records: Vec<_> = self.reader.records(batch)?.collect::<Result<_, _>>()?;
                Ok(Left::Some(rewrite(batch, &records, Some(horizon_ms))?))
            }
        }
    }

    fn is_aborted(&self, batch: &Batch<'_>) -> bool {
        let header = batch.header();
        header.attributes.is_transactional() && self.aborted.iter().any(|it| it.covers(header))
    }

    /// Keeps the records that count.
    fn sift(&mut self, batch: &Batch<'_>) -> Result<Left, BatchError> {
        let header = batch.header();
        let horizon_ms = header.delete_horizon_ms();
        let is_over = horizon_ms.is_some_and(|horizon_ms| horizon_ms <= self.now_ms);
        let (keys, end, log_start) = (self.keys, self.end, self.log_start);
        let (places, next_horizon_ms) = (self.places, self.horizon_ms);
        let counts = |record: &Record<'_>| {
            if record.offset >= end {
                return true;
            }
            let is_newest = record.key.is_some_and(|key| !keys.is_replaced(key, record.offset));
            is_newest && record.offset >= log_start && !(is_over && record.value.is_none())
        };
        let mut kept = Vec::new();
        for record in self.reader.records(batch)? {
            let record = record?;
            if counts(&record) {
                kept.push(record);
            }
        }
        let has_tombstone = kept.iter().any(|record| record.value.is_none());
        let new_horizon = (has_tombstone && horizon_ms.is_none()).then_some(next_horizon_ms);
        // A shell goes as soon as nobody needs it.
        if kept.is_empty() {
            return places.shell(batch);
        }
        let is_whole = usize::try_from(header.record_count) == Ok(kept.len());
        match (is_whole, new_horizon) {
            (true, None) => Ok(Left::All),
            _ => Ok(Left::Some(rewrite(batch, &kept, new_horizon.or(horizon_ms))?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, EncodedBatch, control_batch};
    use crate::identity::{LeaderEpoch, ProducerEpoch, Sequence};

    fn batch(base: i64, records: &[(&str, Option<&str>)]) -> EncodedBatch {
        let mut builder = BatchBuilder::new();
        for (key, value) in records {
            builder.push(Some(key.as_bytes()), value.map(str::as_bytes), &[], 5).unwrap();
        }
        let mut batch = builder.finish().unwrap();
        batch.place(Offset::new(base), LeaderEpoch::new(0));
        batch
    }

    fn of_transaction(mut batch: EncodedBatch) -> EncodedBatch {
        batch.stamp_transaction(ProducerId::new(7), ProducerEpoch::new(0), Sequence::new(0));
        batch
    }

    fn marker(base: i64, kind: ControlKind) -> EncodedBatch {
        let mut batch = control_batch(kind, ProducerId::new(7), ProducerEpoch::new(0), 5);
        batch.place(Offset::new(base), LeaderEpoch::new(0));
        batch
    }

    /// Sends the batches through, as if the clock stood at `now_ms`; those that are left.
    fn passed(
        batches: &[EncodedBatch],
        aborted: &[AbortedTransaction],
        end: i64,
        now_ms: i64,
    ) -> Vec<EncodedBatch> {
        let mut keys = KeyMap::new(1 << 20);
        for sent in batches.iter().filter(|sent| sent.header().base_offset.get() < end) {
            let batch = sent.as_batch().unwrap();
            let header = batch.header();
            let is_aborted = aborted.iter().any(|it| it.first_offset <= header.base_offset);
            if header.attributes.is_control() || is_aborted {
                continue;
            }
            for record in batch.records().unwrap().map(Result::unwrap) {
                assert!(keys.put(record.key.unwrap(), record.offset));
            }
        }
        let mut sieve = Sieve {
            keys: &keys,
            end: Offset::new(end),
            log_start: Offset::ZERO,
            aborted,
            places: Places { last_of_producers: &HashSet::new(), last: Offset::new(i64::MAX) },
            now_ms,
            horizon_ms: now_ms + 100,
            with_records: HashSet::new(),
            reader: RecordReader::default(),
        };
        let mut left = Vec::new();
        for sent in batches {
            match sieve.pass(&sent.as_batch().unwrap()).unwrap() {
                Left::All => left.push(sent.clone()),
                Left::Some(bytes) => left.push(EncodedBatch::parse_stored(bytes).unwrap()),
                Left::Nothing => {}
            }
        }
        left
    }

    fn text(batches: &[EncodedBatch]) -> Vec<String> {
        let mut all = Vec::new();
        for sent in batches {
            let batch = sent.as_batch().unwrap();
            if let Some(kind) = ControlKind::of(&batch) {
                all.push(format!("{} {kind:?}", batch.header().base_offset));
                continue;
            }
            for record in batch.records().unwrap().map(Result::unwrap) {
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                let value = record.value.map_or("-".to_owned(), text);
                all.push(format!("{} {}={value}", record.offset, text(record.key.unwrap())));
            }
        }
        all
    }

    #[test]
    fn the_newest_of_a_key_stays_and_a_tombstone_for_its_time() {
        let log = [
            batch(0, &[("a", Some("1")), ("b", Some("1"))]),
            batch(2, &[("a", Some("2")), ("b", None), ("c", Some("1"))]),
            batch(5, &[("c", Some("2"))]),
        ];
        let first = passed(&log, &[], 6, 1_000);
        assert_eq!(text(&first), ["2 a=2", "3 b=-", "5 c=2"]);
        assert_eq!(first[0].header().base_offset, Offset::new(2), "the batch keeps its place");
        let second = passed(&first, &[], 6, 1_099);
        assert_eq!(text(&second), text(&first), "its time is not over");
        assert_eq!(text(&passed(&second, &[], 6, 1_100)), ["2 a=2", "5 c=2"]);
        // What the map has not seen stays.
        assert_eq!(text(&passed(&log, &[], 5, 1_000)), ["2 a=2", "3 b=-", "4 c=1", "5 c=2"]);
    }

    #[test]
    fn transactions_lose_what_does_not_count_and_then_their_markers() {
        let log = [
            of_transaction(batch(0, &[("a", Some("1"))])),
            marker(1, ControlKind::Commit),
            of_transaction(batch(2, &[("a", Some("aborted"))])),
            marker(3, ControlKind::Abort),
        ];
        let aborted = [AbortedTransaction {
            producer_id: ProducerId::new(7),
            first_offset: Offset::new(2),
            last_offset: Offset::new(3),
        }];
        let first = passed(&log, &aborted, 4, 1_000);
        assert_eq!(text(&first), ["0 a=1", "1 Commit", "3 Abort"]);
        let second = passed(&first, &aborted, 4, 1_100);
        assert_eq!(text(&second), ["0 a=1", "1 Commit"], "it still ends a record");
        let mut replaced = second;
        replaced.push(batch(4, &[("a", Some("2"))]));
        let third = passed(&replaced, &[], 5, 2_000);
        assert_eq!(text(&third), ["1 Commit", "4 a=2"]);
        assert_eq!(text(&passed(&third, &[], 5, 2_100)), ["4 a=2"]);
    }
}
