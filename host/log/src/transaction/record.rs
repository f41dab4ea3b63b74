//! The records of `__transaction_state`, in Kafka's format: key version 0, value version 0.

use std::collections::BTreeMap;

use bytes::BufMut;

use crate::batch::{Batch, BatchBuilder, EncodedBatch, Record};
use crate::fields::{Fields, put_string};
use crate::identity::{PartitionId, ProducerEpoch, ProducerId, TopicName, TopicPartition};

const VERSION: i16 = 0;

/// How far a transaction is. The others of Kafka's states are never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Empty,
    /// **The commit point.**
    PrepareCommit,
    /// All markers are durable.
    CompleteCommit,
}

impl Status {
    const fn number(self) -> i8 {
        match self {
            Self::Empty => 0,
            Self::PrepareCommit => 2,
            Self::CompleteCommit => 4,
        }
    }

    const fn from_number(number: i8) -> Option<Self> {
        match number {
            0 => Some(Self::Empty),
            2 => Some(Self::PrepareCommit),
            4 => Some(Self::CompleteCommit),
            _ => None,
        }
    }
}

/// One step of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub id: String,
    pub producer_id: ProducerId,
    pub epoch: ProducerEpoch,
    pub status: Status,
    /// Where markers are to be written.
    pub partitions: Vec<TopicPartition>,
    pub at_ms: i64,
}

/// The batch that carries `steps`; `None` without any.
pub(super) fn encode(steps: &[Step], timeout_ms: u64, now_ms: i64) -> Option<EncodedBatch> {
    let mut builder = BatchBuilder::new();
    for step in steps {
        let mut key = Vec::new();
        key.put_i16(VERSION);
        put_string(&mut key, &step.id);
        let value = encode_value(step, timeout_ms);
        let pushed = builder.push(Some(&key), Some(&value), &[], now_ms);
        debug_assert!(pushed.is_ok(), "a list of partitions fits a batch");
    }
    builder.finish()
}

fn encode_value(step: &Step, timeout_ms: u64) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_i16(VERSION);
    out.put_i64(step.producer_id.get());
    out.put_i16(step.epoch.get());
    out.put_i32(i32::try_from(timeout_ms).unwrap_or(i32::MAX));
    out.put_i8(step.status.number());
    let mut topics: BTreeMap<&TopicName, Vec<PartitionId>> = BTreeMap::new();
    for at in &step.partitions {
        topics.entry(&at.topic).or_default().push(at.partition);
    }
    put_count(&mut out, topics.len());
    for (topic, partitions) in topics {
        put_string(&mut out, topic.as_str());
        put_count(&mut out, partitions.len());
        for partition in partitions {
            out.put_i32(partition.get().cast_signed());
        }
    }
    out.put_i64(step.at_ms);
    out.put_i64(step.at_ms);
    out
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    // A topic has at most 10,000 partitions, and a host far fewer than 2^31 topics.
    out.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
}

/// The steps in a batch; `None` stands for a record that this build does not understand.
pub(super) fn decode_batch(batch: &Batch<'_>) -> Vec<Option<Step>> {
    let Ok(records) = batch.records() else { return vec![None] };
    records.map(|record| record.ok().and_then(|record| decode(&record))).collect()
}

fn decode(record: &Record<'_>) -> Option<Step> {
    let mut key = Fields(record.key?);
    let mut value = Fields(record.value?);
    if key.i16()? != VERSION || value.i16()? != VERSION {
        return None;
    }
    let id = key.string()?.to_owned();
    let producer_id = ProducerId::new(value.i64()?);
    let epoch = ProducerEpoch::new(value.i16()?);
    let _timeout_ms = value.i32()?;
    let status = Status::from_number(value.i8()?)?;
    let partitions = decode_partitions(&mut value)?;
    let at_ms = value.i64()?;
    Some(Step { id, producer_id, epoch, status, partitions, at_ms })
}

fn decode_partitions(value: &mut Fields<'_>) -> Option<Vec<TopicPartition>> {
    let mut all = Vec::new();
    // -1 is Kafka's way to say none.
    for _ in 0..value.i32()? {
        let topic = TopicName::new(value.string()?).ok()?;
        for _ in 0..value.i32()? {
            let partition = PartitionId::new(u32::try_from(value.i32()?).ok()?);
            all.push(TopicPartition::new(topic.clone(), partition));
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let at = |topic: &str, partition| {
            TopicPartition::new(TopicName::new(topic).unwrap(), PartitionId::new(partition))
        };
        let step = Step {
            id: "page-latency".into(),
            producer_id: ProducerId::new(1000),
            epoch: ProducerEpoch::new(7),
            status: Status::PrepareCommit,
            partitions: vec![at("a", 0), at("a", 1), at("b", 5)],
            at_ms: 99,
        };
        let done = Step { status: Status::CompleteCommit, partitions: vec![], ..step.clone() };
        let batch = encode(&[step.clone(), done.clone()], 60_000, 5).unwrap();
        let decoded = decode_batch(&batch.as_batch().unwrap());
        assert_eq!(decoded, [Some(step), Some(done)]);
    }
}
