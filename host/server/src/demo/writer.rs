//! Writes the input into the topic, exactly once, also over a crash of the host.
//!
//! There is one writer and it writes nothing but the input. **So the topic's end offsets say how much of the
//! input is durable**, and after a lost answer they are asked instead of trying again blindly.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::Method;

use super::DemoError;
use super::input::Input;
use crate::api::wire::{Produced, TopicDescription};
use crate::client::{Client, ClientError};
use crate::clock;

/// The writer's place in the input.
pub struct Writer<'a> {
    input: &'a Input,
    topic: &'static str,
    partitions: u32,
    next_chunk: usize,
    /// Lines durable in each partition.
    written: Vec<u64>,
    pace: Pace,
}

impl<'a> Writer<'a> {
    /// A writer that takes about `duration` for the whole input.
    pub fn new(
        input: &'a Input,
        topic: &'static str,
        partitions: u32,
        duration: Duration,
    ) -> Writer<'a> {
        let pace = Pace {
            started: clock::now(),
            chunk_gap: duration / input.chunks().len().max(1) as u32,
            chunks: 0,
        };
        Writer {
            input,
            topic,
            partitions,
            next_chunk: 0,
            written: vec![0; partitions as usize],
            pace,
        }
    }

    /// Lines that are durable.
    pub fn lines_written(&self) -> u64 {
        self.written.iter().sum()
    }

    /// Lets the next chunk go at once.
    pub fn hurry(&mut self) {
        self.pace.restart();
    }

    pub fn is_done(&self) -> bool {
        self.next_chunk == self.input.chunks().len()
    }

    /// Writes the next chunk, when its time has come.
    ///
    /// # Errors
    /// After one that is retryable, call [`Writer::find_place`] before anything else is written.
    pub async fn write_next(&mut self, client: &Client) -> Result<(), DemoError> {
        self.pace.wait().await;
        let Some(chunk) = self.input.chunks().get(self.next_chunk).cloned() else { return Ok(()) };
        let partition = self.partition_of(self.next_chunk);
        let before: u64 = self.lines_before(partition);
        let done = (self.written[partition as usize] - before) as usize;
        let rest = self.input.raw(chunk.start + done..chunk.end);
        let produced = send(client, self.topic, partition, Bytes::copy_from_slice(rest)).await?;
        self.written[partition as usize] += produced.records;
        self.next_chunk += 1;
        Ok(())
    }

    /// Asks the topic how much of the input it has, and goes on there.
    pub async fn find_place(&mut self, client: &Client) -> Result<(), DemoError> {
        let topic: TopicDescription = client.get_json(&client.topic_path(self.topic)).await?;
        let in_flight = (!self.is_done()).then(|| self.partition_of(self.next_chunk));
        for partition in topic.partitions {
            let index = partition.partition;
            let there = u64::try_from(partition.high_watermark).unwrap_or(0);
            let acknowledged = self.written.get(index as usize).copied().unwrap_or(0);
            let unsure = if in_flight == Some(index) {
                self.input.chunks()[self.next_chunk].len() as u64
            } else {
                0
            };
            if there < acknowledged || there > acknowledged + unsure {
                return Err(DemoError::Lost { partition: index, acknowledged, there });
            }
            self.written[index as usize] = there;
        }
        if let Some(partition) = in_flight {
            let chunk = self.input.chunks()[self.next_chunk].len() as u64;
            if self.written[partition as usize] == self.lines_before(partition) + chunk {
                self.next_chunk += 1;
            }
        }
        self.hurry();
        Ok(())
    }

    /// Chunks go to the partitions in turn.
    fn partition_of(&self, chunk: usize) -> u32 {
        (chunk % self.partitions as usize) as u32
    }

    /// Lines of the partition in the chunks before the next one.
    fn lines_before(&self, partition: u32) -> u64 {
        let chunks = self.input.chunks()[..self.next_chunk]
            .iter()
            .skip(partition as usize)
            .step_by(self.partitions as usize);
        chunks.map(|chunk| chunk.len() as u64).sum()
    }
}

/// Writes text lines to one partition. The answer counts what is durable.
pub async fn send(
    client: &Client,
    topic: &str,
    partition: u32,
    lines: Bytes,
) -> Result<Produced, ClientError> {
    let path = format!("{}/records?partition={partition}", client.topic_path(topic));
    client.send(Method::POST, &path, "text/plain", lines).await
}

/// Spreads chunks evenly over time.
struct Pace {
    started: Instant,
    chunk_gap: Duration,
    chunks: u32,
}

impl Pace {
    async fn wait(&mut self) {
        let due = self.started + self.chunk_gap * self.chunks;
        self.chunks += 1;
        tokio::time::sleep(due.saturating_duration_since(clock::now())).await;
    }

    /// After a break: not all that was missed at once.
    fn restart(&mut self) {
        (self.started, self.chunks) = (clock::now(), 0);
    }
}
