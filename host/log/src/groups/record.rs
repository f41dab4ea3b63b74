//! The records of `__consumer_offsets`, in Kafka's format: offsets have key version 1 and value
//! version 3; a group's state has key version 2, and the value that its coordinator gave.

use bytes::{BufMut, Bytes};

use super::{Change, CommittedOffset, Kind};
use crate::batch::{Batch, Record};
use crate::fields::{Fields, put_string};
use crate::identity::{LeaderEpoch, Offset, PartitionId, TopicName, TopicPartition};

/// The largest key version of an offset: 0 and 1 have the same fields.
const OFFSET_KEY_VERSION: i16 = 1;
const STATE_KEY_VERSION: i16 = 2;
const VALUE_VERSION: i16 = 3;
/// Stands for an unknown leader epoch.
const NO_EPOCH: i32 = -1;

pub(super) fn encode_key(change: &Change) -> Vec<u8> {
    let mut out = Vec::new();
    match &change.kind {
        Kind::Offset { at, .. } => {
            out.put_i16(OFFSET_KEY_VERSION);
            put_string(&mut out, &change.group);
            put_string(&mut out, at.topic.as_str());
            out.put_i32(at.partition.get().cast_signed());
        }
        Kind::State(_) => {
            out.put_i16(STATE_KEY_VERSION);
            put_string(&mut out, &change.group);
        }
    }
    out
}

/// The value; `None` where something is forgotten.
pub(super) fn encode_value(change: &Change) -> Option<Vec<u8>> {
    match &change.kind {
        Kind::Offset { offset, .. } => offset.as_ref().map(encode_offset),
        Kind::State(state) => state.as_ref().map(|state| state.to_vec()),
    }
}

fn encode_offset(committed: &CommittedOffset) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_i16(VALUE_VERSION);
    out.put_i64(committed.offset.get());
    out.put_i32(committed.leader_epoch.map_or(NO_EPOCH, LeaderEpoch::get));
    put_string(&mut out, &committed.metadata);
    out.put_i64(committed.at_ms);
    out
}

/// The changes in a batch. Records of other kinds are left out.
pub(super) fn decode_batch(batch: &Batch<'_>) -> Vec<Change> {
    let Ok(records) = batch.records() else { return Vec::new() };
    records.flatten().filter_map(|record| decode(&record)).collect()
}

fn decode(record: &Record<'_>) -> Option<Change> {
    let mut key = Fields(record.key?);
    let version = key.i16()?;
    let group = key.string()?.to_owned();
    let kind = match version {
        0..=OFFSET_KEY_VERSION => {
            let topic = TopicName::new(key.string()?).ok()?;
            let partition = PartitionId::new(u32::try_from(key.i32()?).ok()?);
            let at = TopicPartition::new(topic, partition);
            let offset = match record.value {
                Some(value) => Some(decode_value(value)?),
                None => None,
            };
            Kind::Offset { at, offset }
        }
        STATE_KEY_VERSION => Kind::State(record.value.map(Bytes::copy_from_slice)),
        _ => return None,
    };
    Some(Change { group, kind })
}

fn decode_value(value: &[u8]) -> Option<CommittedOffset> {
    let mut fields = Fields(value);
    if fields.i16()? != VALUE_VERSION {
        return None;
    }
    let offset = Offset::new(fields.i64()?);
    let leader_epoch = Some(fields.i32()?).filter(|epoch| *epoch != NO_EPOCH);
    let metadata = fields.string()?.to_owned();
    let at_ms = fields.i64()?;
    let leader_epoch = leader_epoch.map(LeaderEpoch::new);
    Some(CommittedOffset { offset, leader_epoch, metadata, at_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(offset: Option<CommittedOffset>) -> Change {
        let topic = TopicName::new("access-log").unwrap();
        let at = TopicPartition::new(topic, PartitionId::new(3));
        Change { group: "page-latency".into(), kind: Kind::Offset { at, offset } }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut offset = CommittedOffset::new(Offset::new(42), "state/manifest/7");
        offset.leader_epoch = Some(LeaderEpoch::new(2));
        offset.at_ms = 1_700_000_000_000;
        let state = Change::state("page-latency", Some(Bytes::from_static(b"members")));
        let changes = [change(Some(offset)), change(None), state, Change::state("g", None)];
        let batch = super::super::encode(&changes, 0).unwrap();
        assert_eq!(decode_batch(&batch.as_batch().unwrap()), changes);
    }

    #[test]
    fn damaged_records_are_left_out() {
        let key = encode_key(&change(None));
        for length in 0..key.len() {
            let mut builder = crate::batch::BatchBuilder::new();
            builder.push(Some(&key[..length]), None, &[], 0).unwrap();
            let batch = builder.finish().unwrap();
            assert_eq!(decode_batch(&batch.as_batch().unwrap()), [], "{length}");
        }
    }
}
