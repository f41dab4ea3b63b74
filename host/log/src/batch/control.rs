//! Control batches: how a transaction ended, in Kafka's format.

use super::builder::BatchBuilder;
use super::encoded::EncodedBatch;
use super::records::Batch;
use crate::identity::{ProducerEpoch, ProducerId, Sequence};

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlKind {
    /// Its records never count.
    Abort,
    /// Its records count from here on.
    Commit,
}

impl ControlKind {
    /// What a control batch says; `None` for another batch, or a kind that is not known.
    pub fn of(batch: &Batch<'_>) -> Option<Self> {
        if !batch.header().attributes.is_control() {
            return None;
        }
        let record = batch.records().ok()?.next()?.ok()?;
        // The key is version and type, two bytes each.
        match record.key? {
            [_, _, 0, 0] => Some(Self::Abort),
            [_, _, 0, 1] => Some(Self::Commit),
            _ => None,
        }
    }

    const fn key(self) -> [u8; 4] {
        match self {
            Self::Abort => [0, 0, 0, 0],
            Self::Commit => [0, 0, 0, 1],
        }
    }
}

/// The batch that ends a transaction in one partition.
pub(crate) fn control_batch(
    kind: ControlKind,
    producer_id: ProducerId,
    epoch: ProducerEpoch,
    now_ms: i64,
) -> EncodedBatch {
    // Version 0 and the epoch of the coordinator, of which there is one.
    const VALUE: [u8; 6] = [0; 6];
    let mut builder = BatchBuilder::new();
    let pushed = builder.push(Some(&kind.key()), Some(&VALUE), &[], now_ms);
    debug_assert!(pushed.is_ok(), "ten bytes fit a batch");
    #[allow(clippy::expect_used)] // One record was pushed above.
    let mut batch = builder.finish().expect("a batch of one record");
    batch.stamp_transaction(producer_id, epoch, Sequence::NONE);
    batch.stamp_control();
    batch
}
