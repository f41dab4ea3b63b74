//! What a task wants written, encoded by the task itself, so that the commit has nothing left to do
//! but to append.

use bytes::Bytes;
use serde::Serialize;
use tidemill_log::{BatchBuilder, BuildError, EncodedBatch, HeaderIter};
use tidemill_plugin::BatchRef;

use crate::graph::Sink;
use crate::spec::SinkOutput;

/// A record batch is closed once it is this long; a longer one holds one record.
const BATCH_BYTES_TARGET: usize = 256 << 10;

/// One task's output to one sink, in order.
pub enum SinkBuffer {
    /// To a topic: a batch under construction and the finished ones for each partition.
    Topic(Vec<PartitionBuffer>),
    /// Lines for the host's standard output.
    Lines(Vec<u8>),
    /// One JSON object a line, for a file.
    Json(Vec<u8>),
}

/// Records for one partition.
#[derive(Default)]
pub struct PartitionBuffer {
    builder: BatchBuilder,
    finished: Vec<EncodedBatch>,
}

/// A task's finished output to one sink.
#[derive(Default)]
pub struct SinkOutputs {
    /// By partition, for topics.
    pub batches: Vec<(u32, Vec<EncodedBatch>)>,
    /// Bytes for the standard output or a file.
    pub bytes: Bytes,
    /// Records.
    pub records: u64,
    /// Bytes of all of it.
    pub size: u64,
}

/// A record that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("write record {index} of a call's output to sink `{sink}`")]
pub struct WriteError {
    sink: String,
    index: usize,
    #[source]
    source: BuildError,
}

impl SinkBuffer {
    /// An empty buffer of the sink's form.
    #[must_use]
    pub fn new(sink: &Sink) -> Self {
        match sink.output {
            SinkOutput::Topic { .. } => {
                Self::Topic((0..sink.partitions).map(|_| PartitionBuffer::default()).collect())
            }
            SinkOutput::Print => Self::Lines(Vec::new()),
            SinkOutput::Files(_) => Self::Json(Vec::new()),
        }
    }

    /// Adds records. Those with a key go to the partition that Kafka's default partitioner gives
    /// it, those without to the partition `keyless` modulo the sink's, which keeps their order.
    ///
    /// # Errors
    /// A record above the limit of a record batch.
    pub fn push(
        &mut self,
        sink: &Sink,
        records: BatchRef<'_>,
        keyless: u32,
    ) -> Result<(), WriteError> {
        match self {
            Self::Topic(partitions) => push_batches(partitions, sink, records, keyless),
            Self::Lines(lines) => {
                push_lines(lines, records);
                Ok(())
            }
            Self::Json(lines) => {
                push_json(lines, records);
                Ok(())
            }
        }
    }

    /// Closes what is open.
    #[must_use]
    pub fn finish(self, records: u64) -> SinkOutputs {
        match self {
            Self::Lines(bytes) | Self::Json(bytes) => SinkOutputs {
                size: bytes.len() as u64,
                bytes: bytes.into(),
                records,
                ..SinkOutputs::default()
            },
            Self::Topic(partitions) => {
                let closed = (0u32..)
                    .zip(partitions)
                    .map(|(partition, buffer)| (partition, buffer.finish()));
                let batches: Vec<_> = closed.filter(|(_, batches)| !batches.is_empty()).collect();
                let size = batches
                    .iter()
                    .flat_map(|(_, batches)| batches)
                    .map(|batch| batch.bytes().len() as u64)
                    .sum();
                SinkOutputs { batches, size, records, ..SinkOutputs::default() }
            }
        }
    }
}

impl PartitionBuffer {
    fn finish(mut self) -> Vec<EncodedBatch> {
        self.finished.extend(self.builder.finish());
        self.finished
    }
}

fn push_batches(
    partitions: &mut [PartitionBuffer],
    sink: &Sink,
    records: BatchRef<'_>,
    keyless: u32,
) -> Result<(), WriteError> {
    let (keys, values, headers) = (records.keys(), records.values(), records.headers());
    for (index, timestamp) in records.timestamps().iter().enumerate() {
        let key = keys.get(index);
        let partition = match key {
            _ if sink.partitions == 1 => 0,
            Some(key) => tidemill_log::partition_for_key(key, sink.partitions),
            None => keyless % sink.partitions,
        };
        let buffer = &mut partitions[partition as usize];
        let header = headers.get(index).unwrap_or_default();
        buffer
            .builder
            .push(key, values.get(index), header, *timestamp)
            .map_err(|source| WriteError { sink: sink.name.clone(), index, source })?;
        if buffer.builder.bytes() >= BATCH_BYTES_TARGET {
            buffer.finished.extend(buffer.builder.finish());
        }
    }
    Ok(())
}

/// Key, tab, value; the key and its tab only where there is one.
fn push_lines(lines: &mut Vec<u8>, records: BatchRef<'_>) {
    let (keys, values) = (records.keys(), records.values());
    for index in 0..records.len() {
        if let Some(key) = keys.get(index) {
            lines.extend_from_slice(key);
            lines.push(b'\t');
        }
        lines.extend_from_slice(values.get(index).unwrap_or_default());
        lines.push(b'\n');
    }
}

/// One record as files have it. Bytes that are not UTF-8 come out with the replacement character.
#[derive(Serialize)]
struct JsonRecord<'a> {
    key: Option<std::borrow::Cow<'a, str>>,
    value: Option<std::borrow::Cow<'a, str>>,
    timestamp: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(std::borrow::Cow<'a, str>, Option<std::borrow::Cow<'a, str>>)>,
}

fn push_json(lines: &mut Vec<u8>, records: BatchRef<'_>) {
    let (keys, values, headers) = (records.keys(), records.values(), records.headers());
    for (index, timestamp) in records.timestamps().iter().enumerate() {
        let record = JsonRecord {
            key: keys.get(index).map(String::from_utf8_lossy),
            value: values.get(index).map(String::from_utf8_lossy),
            timestamp: *timestamp,
            headers: HeaderIter::new(headers.get(index).unwrap_or_default())
                .map(|header| {
                    (
                        String::from_utf8_lossy(header.name),
                        header.value.map(String::from_utf8_lossy),
                    )
                })
                .collect(),
        };
        serde_json::to_writer(&mut *lines, &record)
            .expect("a record of strings and numbers is JSON");
        lines.push(b'\n');
    }
}
