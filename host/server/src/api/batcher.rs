//! Records of one request, collected into a batch for each partition.
//!
//! Keyed records go where Kafka's default partitioner sends them; those without a key stay together, one
//! partition for each batch ("sticky"), so that batches are few and large.
//! **What [`Batcher::flush`] counts is durable**, and records of one partition keep their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::join_all;
use tidemill_log::{
    AppendError, BatchBuilder, BuildError, Log, PartitionId, TopicName, TopicPartition,
    partition_for_key,
};

use super::wire::{Produced, ProducedRange};

/// Collected bytes after which a batch is written.
const BATCH_BYTES: usize = 1 << 20;

/// Where the next batch without keys goes, over all requests: small requests spread as well.
static NEXT_STICKY: AtomicU32 = AtomicU32::new(0);

/// Why the batches of a request could not be written.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error("the topic has {partitions} partition(s); there is no partition {partition}")]
    NoPartition { partition: u32, partitions: u32 },
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// One record of a request.
pub struct NewRecord<'a> {
    pub partition: Option<u32>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// In Kafka's encoding.
    pub headers: &'a [u8],
    pub timestamp_ms: i64,
}

/// Batches in the making.
pub struct Batcher {
    log: Arc<Log>,
    topic: TopicName,
    builders: Vec<BatchBuilder>,
    sticky: u32,
    produced: Vec<Option<ProducedRange>>,
}

impl Batcher {
    pub fn new(log: Arc<Log>, topic: TopicName, partitions: u32) -> Batcher {
        Batcher {
            log,
            topic,
            builders: (0..partitions).map(|_| BatchBuilder::new()).collect(),
            sticky: NEXT_STICKY.fetch_add(1, Ordering::Relaxed),
            produced: (0..partitions).map(|_| None).collect(),
        }
    }

    /// Adds a record; nothing is written yet.
    pub fn push(&mut self, record: &NewRecord<'_>) -> Result<(), BatchError> {
        let partitions = self.builders.len() as u32;
        let partition = match (record.partition, record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_for_key(key, partitions),
            (None, None) => self.sticky % partitions.max(1),
        };
        let builder = self
            .builders
            .get_mut(partition as usize)
            .ok_or(BatchError::NoPartition { partition, partitions })?;
        Ok(builder.push(record.key, record.value, record.headers, record.timestamp_ms)?)
    }

    /// Whether it is time to flush.
    pub fn is_full(&self) -> bool {
        self.builders.iter().map(BatchBuilder::bytes).sum::<usize>() >= BATCH_BYTES
    }

    /// Writes what was collected. On an error, some partitions may have been written: `produced` tells.
    pub async fn flush(&mut self) -> Result<(), BatchError> {
        let mut writes = Vec::new();
        for (index, builder) in self.builders.iter_mut().enumerate() {
            let records = u64::from(builder.record_count().unsigned_abs());
            let Some(batch) = builder.finish() else { continue };
            let at = TopicPartition::new(self.topic.clone(), PartitionId::new(index as u32));
            let log = &self.log;
            writes.push(async move { (index, records, log.append(&at, batch).await) });
        }
        let mut failed = None;
        for (index, records, result) in join_all(writes).await {
            match result {
                Ok(appended) => {
                    let partition = index as u32;
                    let range = self.produced[index].get_or_insert(ProducedRange {
                        partition,
                        records: 0,
                        next_offset: 0,
                    });
                    range.records += records;
                    range.next_offset = appended.base_offset.get() + records as i64;
                }
                Err(error) => failed = Some(error),
            }
        }
        self.sticky = NEXT_STICKY.fetch_add(1, Ordering::Relaxed);
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// What is durable.
    pub fn produced(&self) -> Produced {
        let partitions: Vec<ProducedRange> = self.produced.iter().flatten().cloned().collect();
        Produced { records: partitions.iter().map(|range| range.records).sum(), partitions }
    }
}
