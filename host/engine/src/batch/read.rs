//! Step 2, read: stored record batches become columns, a call's worth at a time.

use std::ops::Range;

use bytes::Bytes;
use tidemill_log::{Batches, RecordReader};
use tidemill_plugin::{Batch, BatchRef};

use super::chain::{Chain, TaskError, TaskOutput};
use super::plan::BatchPlan;
use crate::broker::TopicPartition;
use crate::graph::Graph;

/// A call gets at most about this many bytes of keys and values: enough to forget what a call
/// costs, little enough for the caches.
pub const CALL_BYTES_MAX: usize = 1 << 20;
/// And at most this many records.
const CALL_RECORDS_MAX: usize = 16 << 10;

/// What a task of a source works on: consecutive record batches of one partition.
pub struct Slice {
    /// Index of the source.
    pub source: usize,
    /// Its partition.
    pub at: TopicPartition,
    /// The offsets that count; batches may hold more.
    pub offsets: Range<i64>,
    /// As stored.
    pub batches: Vec<Bytes>,
}

/// Runs the stage of a source over `slice`.
///
/// # Errors
/// See [`TaskError`].
pub fn run_source(
    graph: &Graph,
    plan: &BatchPlan,
    pipeline: &str,
    task: u32,
    slice: &Slice,
) -> Result<TaskOutput, TaskError> {
    let input = format!("{} {}..{}", slice.at, slice.offsets.start, slice.offsets.end);
    let targets = &graph.sources[slice.source].targets;
    let mut chain = Chain::new(graph, plan, pipeline, task, slice.at.partition, input.clone());
    let mut columns = Columns::default();
    let mut reader = RecordReader::default();
    let mut records = 0;
    let damaged = |source| TaskError::Damaged { input: input.clone(), source };
    for bytes in &slice.batches {
        for batch in Batches::new(bytes) {
            let batch = batch.map_err(damaged)?;
            batch.verify().map_err(damaged)?;
            for record in reader.records(&batch).map_err(damaged)? {
                let record = record.map_err(damaged)?;
                if !slice.offsets.contains(&record.offset.get()) {
                    continue;
                }
                columns.push(&record);
                records += 1;
                if columns.is_full() {
                    chain.send(targets, columns.view()?)?;
                    columns.clear();
                }
            }
        }
    }
    chain.send(targets, columns.view()?)?;
    Ok(chain.finish(records))
}

/// Columns being filled. Keys and headers stay without items until a record has any.
#[derive(Default)]
struct Columns {
    batch: Batch,
}

impl Columns {
    fn push(&mut self, record: &tidemill_log::Record<'_>) {
        let Batch { keys, values, headers, timestamps } = &mut self.batch;
        if record.key.is_some() || !keys.is_empty() {
            while keys.len() < timestamps.len() {
                keys.push(None);
            }
            keys.push(record.key);
        }
        if !record.headers.is_empty() || !headers.is_empty() {
            while headers.len() < timestamps.len() {
                headers.push(Some(NO_HEADERS));
            }
            headers.push(Some(if record.headers.is_empty() { NO_HEADERS } else { record.headers }));
        }
        values.push(record.value);
        timestamps.push(record.timestamp_ms);
    }

    fn is_full(&self) -> bool {
        self.batch.timestamps.len() >= CALL_RECORDS_MAX
            || self.batch.values.as_ref().item_bytes() + self.batch.keys.as_ref().item_bytes()
                >= CALL_BYTES_MAX
    }

    fn view(&self) -> Result<BatchRef<'_>, TaskError> {
        Ok(self.batch.as_ref()?)
    }

    fn clear(&mut self) {
        self.batch.clear();
    }
}

/// Kafka's encoding of no headers: a count of zero.
const NO_HEADERS: &[u8] = &[0];
