//! What is known of the producers of a partition: fencing, duplicates, open transactions.
//!
//! Pure: no I/O, no clock. **The same batches give the same state**, so that recovery
//! arrives where the append was.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::AbortedTransaction;
use crate::batch::{ControlKind, Header};
use crate::identity::{Offset, ProducerEpoch, ProducerId, Sequence};

/// How many of a producer's batches are remembered, as in Kafka.
const WINDOW_BATCHES: usize = 5;

/// Why a producer's batch was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// A newer producer has taken over.
    #[error("producer {producer_id} with epoch {epoch} was fenced by epoch {current}")]
    Fenced {
        /// The producer.
        producer_id: ProducerId,
        /// The epoch of the batch.
        epoch: ProducerEpoch,
        /// The epoch that has taken over.
        current: ProducerEpoch,
    },
    /// A batch before this one is missing, or it comes too late to tell.
    #[error("producer {producer_id} sent sequence {found}, but {expected} comes next")]
    OutOfOrder {
        /// The producer.
        producer_id: ProducerId,
        /// The sequence that should come.
        expected: Sequence,
        /// The sequence that came.
        found: Sequence,
    },
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It is in the log already.
    Duplicate {
        base_offset: Offset,
        last_offset: Offset,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    first: Sequence,
    last: Sequence,
    base_offset: Offset,
    last_offset: Offset,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Producer {
    epoch: ProducerEpoch,
    window: VecDeque<Sent>,
    /// The first offset of the open transaction.
    open: Option<Offset>,
    /// When it wrote last, by this host's clock.
    last_timestamp_ms: i64,
}

/// A transaction that is open in this partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenTransaction {
    pub producer_id: ProducerId,
    pub epoch: ProducerEpoch,
    pub first: Offset,
}

/// A transaction that was open in this partition, from its first record to its marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    producer_id: ProducerId,
    first_offset: Offset,
    last_offset: Offset,
}

impl Ended {
    /// What readers must know of it.
    pub(crate) fn aborted(self, kind: ControlKind) -> Option<AbortedTransaction> {
        let Self { producer_id, first_offset, last_offset } = self;
        (kind == ControlKind::Abort).then_some(AbortedTransaction {
            producer_id,
            first_offset,
            last_offset,
        })
    }
}

/// The producers of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producers {
    by_id: BTreeMap<ProducerId, Producer>,
    /// The first offsets of open transactions: the smallest bounds the last stable offset.
    open: BTreeSet<(Offset, ProducerId)>,
}

impl Producers {
    /// Decides whether a batch with `header` may be appended.
    pub(crate) fn check(&self, header: &Header) -> Result<Verdict, ProducerError> {
        let producer_id = header.producer_id;
        let Some(known) = self.by_id.get(&producer_id).filter(|_| producer_id.is_some()) else {
            // Nothing is known (any more): as in Kafka, any sequence may begin.
            return Ok(Verdict::Append);
        };
        let epoch = header.producer_epoch;
        if epoch < known.epoch {
            return Err(ProducerError::Fenced { producer_id, epoch, current: known.epoch });
        }
        let found = header.base_sequence;
        if epoch == known.epoch {
            let same = |sent: &&Sent| sent.first == found && sent.last == header.last_sequence();
            if let Some(&Sent { base_offset, last_offset, .. }) = known.window.iter().find(same) {
                return Ok(Verdict::Duplicate { base_offset, last_offset });
            }
        }
        let last = known.window.back().filter(|_| epoch == known.epoch);
        let expected = last.map_or(Sequence::new(0), |sent| sent.last.plus(1));
        if found == expected {
            return Ok(Verdict::Append);
        }
        Err(ProducerError::OutOfOrder { producer_id, expected, found })
    }

    /// Takes note of a batch of data that has been appended, or found by recovery, at `now_ms`.
    ///
    /// What the records say of their time does not count: who copies old records is no idle producer.
    pub(crate) fn appended(&mut self, header: &Header, now_ms: i64) {
        if !header.producer_id.is_some() {
            return;
        }
        let producer = self.entry(header, now_ms);
        producer.window.push_back(Sent {
            first: header.base_sequence,
            last: header.last_sequence(),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
        });
        if producer.window.len() > WINDOW_BATCHES {
            producer.window.pop_front();
        }
        if header.attributes.is_transactional() && producer.open.is_none() {
            producer.open = Some(header.base_offset);
            self.open.insert((header.base_offset, header.producer_id));
        }
    }

    /// Takes note of a transaction's end; returns what was open, if anything was.
    pub(crate) fn ended(&mut self, header: &Header) -> Option<Ended> {
        let producer_id = header.producer_id;
        let first_offset = self.entry(header, header.max_timestamp_ms).open.take()?;
        self.open.remove(&(first_offset, producer_id));
        Some(Ended { producer_id, first_offset, last_offset: header.last_offset() })
    }

    fn entry(&mut self, header: &Header, now_ms: i64) -> &mut Producer {
        let producer = self.by_id.entry(header.producer_id).or_insert_with(|| Producer {
            epoch: header.producer_epoch,
            window: VecDeque::new(),
            open: None,
            last_timestamp_ms: now_ms,
        });
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.window.clear();
        }
        producer.last_timestamp_ms = now_ms;
        producer
    }

    /// The first offset of any open transaction.
    pub(crate) fn first_open(&self) -> Option<Offset> {
        self.open.first().map(|(first, _)| *first)
    }

    /// All open transactions.
    pub(crate) fn open_transactions(&self) -> Vec<OpenTransaction> {
        let open = self.open.iter().filter_map(|&(first, producer_id)| {
            let epoch = self.by_id.get(&producer_id)?.epoch;
            Some(OpenTransaction { producer_id, epoch, first })
        });
        open.collect()
    }

    /// The newest epoch of every producer.
    pub(crate) fn epochs(&self) -> impl Iterator<Item = (ProducerId, ProducerEpoch)> + '_ {
        self.by_id.iter().map(|(id, producer)| (*id, producer.epoch))
    }

    /// The last offset of every producer's newest batch.
    pub(crate) fn last_offsets(&self) -> impl Iterator<Item = Offset> + '_ {
        self.by_id.values().filter_map(|producer| producer.window.back()).map(|it| it.last_offset)
    }

    /// Forgets producers that wrote last before `before_ms` and have nothing open.
    pub(crate) fn expire(&mut self, before_ms: i64) {
        self.by_id.retain(|_, producer| {
            producer.open.is_some() || producer.last_timestamp_ms >= before_ms
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, EncodedBatch};

    fn batch(epoch: i16, sequence: i32, count: i32, offset: i64) -> EncodedBatch {
        let mut builder = BatchBuilder::new();
        for _ in 0..count {
            builder.push(None, Some(b"v"), &[], 1).unwrap();
        }
        let mut batch = builder.finish().unwrap();
        batch.stamp_producer(
            ProducerId::new(7),
            ProducerEpoch::new(epoch),
            Sequence::new(sequence),
        );
        batch.place(Offset::new(offset), crate::identity::LeaderEpoch::new(0));
        batch
    }

    fn append(producers: &mut Producers, batch: &EncodedBatch) -> Result<Verdict, ProducerError> {
        let verdict = producers.check(batch.header())?;
        if verdict == Verdict::Append {
            producers.appended(batch.header(), 0);
        }
        Ok(verdict)
    }

    #[test]
    fn the_window_answers_duplicates_with_their_offset() {
        let mut producers = Producers::default();
        for index in 0..6 {
            let sent = batch(0, index * 2, 2, i64::from(index) * 2);
            assert_eq!(append(&mut producers, &sent), Ok(Verdict::Append));
        }
        for index in 1..6 {
            let again = append(&mut producers, &batch(0, index * 2, 2, 99));
            let base_offset = Offset::new(i64::from(index) * 2);
            let last_offset = base_offset.plus(1);
            assert_eq!(again, Ok(Verdict::Duplicate { base_offset, last_offset }));
        }
        // The first of the six has left the window of five.
        assert!(append(&mut producers, &batch(0, 0, 2, 99)).is_err());
    }

    #[test]
    fn gaps_and_old_epochs_are_refused() {
        let mut producers = Producers::default();
        append(&mut producers, &batch(1, 0, 1, 0)).unwrap();
        let gap = append(&mut producers, &batch(1, 2, 1, 1)).unwrap_err();
        assert_eq!(gap.to_string(), "producer 7 sent sequence 2, but 1 comes next");
        let old = append(&mut producers, &batch(0, 1, 1, 1)).unwrap_err();
        assert_eq!(old.to_string(), "producer 7 with epoch 0 was fenced by epoch 1");
        assert!(append(&mut producers, &batch(2, 1, 1, 1)).is_err(), "a new epoch starts at 0");
        assert_eq!(append(&mut producers, &batch(2, 0, 1, 1)), Ok(Verdict::Append));
    }

    #[test]
    fn sequences_wrap() {
        let mut producers = Producers::default();
        append(&mut producers, &batch(0, i32::MAX - 1, 2, 0)).unwrap();
        assert_eq!(append(&mut producers, &batch(0, 0, 1, 2)), Ok(Verdict::Append));
    }

    #[test]
    fn who_copies_old_records_is_no_idle_producer() {
        let (mut producers, now_ms) = (Producers::default(), 1_000_000);
        // Its records say that it is the first millisecond of 1970.
        producers.appended(batch(0, 0, 1, 0).header(), now_ms);
        producers.expire(now_ms - 1);
        assert!(append(&mut producers, &batch(0, 9, 1, 1)).is_err(), "a gap is seen");
        producers.expire(now_ms + 1);
        assert_eq!(append(&mut producers, &batch(0, 9, 1, 1)), Ok(Verdict::Append));
    }
}
