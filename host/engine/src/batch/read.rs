//! Step 2, read: stored record batches become columns, a call's worth at a time.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use tidemill_log::{Batches, Record, RecordReader};
use tidemill_plugin::{Batch, BatchRef};

use super::chain::{Chain, TaskError, TaskOutput, TaskSite};
use super::plan::BatchPlan;
use super::poison::{Breaker, Found, Origin, Positions};
use crate::broker::TopicPartition;
use crate::dead_letters::{Letter, SourcePlace, without_letter};
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
    /// They are dead letters that go through their operator once more.
    pub retries: bool,
}

impl Slice {
    /// Hands each record to `take`, in order.
    fn each(
        &self,
        mut take: impl FnMut(&Record<'_>) -> Result<(), TaskError>,
    ) -> Result<(), TaskError> {
        let damaged = |source| TaskError::Damaged { input: self.to_string(), source };
        let mut reader = RecordReader::default();
        for bytes in &self.batches {
            for batch in Batches::new(bytes) {
                let batch = batch.map_err(damaged)?;
                batch.verify().map_err(damaged)?;
                for record in reader.records(&batch).map_err(damaged)? {
                    let record = record.map_err(damaged)?;
                    if self.offsets.contains(&record.offset.get()) {
                        take(&record)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Where each record came from; for the few tasks that meet a bad one.
    #[must_use]
    pub fn origins(&self) -> Vec<Found> {
        let mut origins = Vec::new();
        // They were read before, whole.
        let _ = self.each(|record| {
            let here = || SourcePlace {
                topic: self.at.topic.to_string(),
                partition: self.at.partition,
                offset: record.offset.get(),
            };
            origins.push(match self.retries.then(|| Letter::decode(record.headers)).flatten() {
                Some(letter) => Found { place: letter.source, attempts: letter.attempt },
                None => Found { place: Some(here()), attempts: 0 },
            });
            Ok(())
        });
        origins
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}..{}", self.at, self.offsets.start, self.offsets.end)
    }
}

/// Runs the stage of a source over `slice`.
///
/// # Errors
/// See [`TaskError`].
pub fn run_source(
    graph: &Graph,
    plan: &BatchPlan,
    breaker: &Breaker,
    pipeline: &str,
    task: u32,
    slice: &Slice,
) -> Result<TaskOutput, TaskError> {
    let mut chain = Chain::new(TaskSite {
        graph,
        plan,
        breaker,
        pipeline,
        task,
        keyless: slice.at.partition,
        input: slice.to_string(),
        careful: false,
    });
    let ran = match send_all(&mut chain, graph, slice) {
        Err(TaskError::BeginAnew(_)) => {
            chain = chain.begin_anew();
            send_all(&mut chain, graph, slice)
        }
        ran => ran,
    };
    Ok(chain.finish(ran?))
}

/// Sends the records of a slice through its stage; gives back how many.
fn send_all<'g>(chain: &mut Chain<'g>, graph: &'g Graph, slice: &Slice) -> Result<u64, TaskError> {
    let targets = &graph.sources[slice.source].targets;
    let positions = Positions::of(slice);
    let mut columns = Columns::default();
    let mut sent = 0;
    let mut send = |columns: &mut Columns| {
        let view = columns.view()?;
        chain.send(targets, view, &Origin::Read { positions: &positions, first: sent })?;
        sent += view.len();
        columns.clear();
        Ok::<_, TaskError>(())
    };
    slice.each(|record| {
        if slice.retries {
            let headers = without_letter(record.headers);
            columns.push(&Record { headers: &headers, ..*record });
        } else {
            columns.push(record);
        }
        if columns.is_full() { send(&mut columns) } else { Ok(()) }
    })?;
    send(&mut columns)?;
    Ok(sent as u64)
}

/// Columns being filled. Keys and headers stay without items until a record has any.
#[derive(Default)]
struct Columns {
    batch: Batch,
}

impl Columns {
    fn push(&mut self, record: &Record<'_>) {
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
