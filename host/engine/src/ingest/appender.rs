//! Commits records into the internal topic, together with the positions behind them.
//! **A commit whose fate is unknown is looked up, never guessed**: the count of all records copied
//! so far is part of every commit.

use std::sync::Arc;
use std::time::Duration;

use tidemill_log::EncodedBatch;
use tokio::sync::watch;

use super::error::IngestError;
use super::told_to_stop;
use crate::broker::{Broker, BrokerError, Commit, Committed, Output, Producer, TopicPartition};

const RETRY_PAUSE_MIN: Duration = Duration::from_millis(50);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// The number under which the records are counted.
const COUNT_SLOT: u32 = 0;

/// A position that moves with a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moved {
    /// The number that stands for the file. Above zero.
    pub slot: u32,
    /// Bytes read.
    pub offset: i64,
    /// The position as text.
    pub text: String,
}

/// The one writer of a source's internal topic.
pub(super) struct Appender {
    broker: Arc<dyn Broker>,
    producer: Box<dyn Producer>,
    at: TopicPartition,
    group: String,
    records: i64,
    stopped: watch::Receiver<bool>,
}

impl Appender {
    /// Fences an earlier writer, and tells the positions that it left.
    pub async fn open(
        broker: Arc<dyn Broker>,
        topic: &str,
        group: &str,
        stopped: watch::Receiver<bool>,
    ) -> Result<(Self, Vec<Moved>), IngestError> {
        let failed = |source| IngestError::Broker { topic: topic.to_owned(), source };
        broker.ensure_topic(topic, 1).await.map_err(failed)?;
        // First the fence, then the look: nobody moves the positions in between.
        let producer = broker.producer(group).await.map_err(failed)?;
        let committed = broker.committed(group).await.map_err(failed)?;
        let records = count_of(&committed);
        let positions = committed.into_iter().filter(|known| known.at.partition != COUNT_SLOT);
        let positions = positions.map(|known| Moved {
            slot: known.at.partition,
            offset: known.offset,
            text: known.metadata,
        });
        let positions = positions.collect();
        let at = TopicPartition { topic: topic.into(), partition: 0 };
        let group = group.to_owned();
        Ok((Self { broker, producer, at, group, records, stopped }, positions))
    }

    /// The group that positions are kept under.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Commits `records` records in `batches`, and the positions behind them. Durable on return.
    /// Tries again while that may help and nobody stops it.
    /// # Cancel safety
    /// Not cancel safe: the commit may have happened.
    pub async fn append(
        &mut self,
        batches: Vec<EncodedBatch>,
        records: i64,
        moved: &[Moved],
    ) -> Result<(), IngestError> {
        let mut pause = RETRY_PAUSE_MIN;
        loop {
            // A copy stays for another try.
            let Err(error) =
                self.producer.commit(self.commit_of(batches.clone(), records, moved)).await
            else {
                self.records += records;
                return Ok(());
            };
            let mut error = error;
            loop {
                if !error.is_retryable() {
                    return Err(self.failed(error));
                }
                tracing::warn!(group = %self.group, %error, "cannot commit ingested records, trying again");
                self.pause(pause).await?;
                pause = (pause * 2).min(RETRY_PAUSE_MAX);
                match self.look_up().await {
                    Ok(found) if found == self.records => break,
                    Ok(found) if found == self.records + records => {
                        self.records = found;
                        return Ok(());
                    }
                    Ok(found) => {
                        let (group, expected) = (self.group.clone(), self.records);
                        return Err(IngestError::Foreign { group, expected, found });
                    }
                    Err(another) => error = another,
                }
            }
        }
    }

    fn commit_of(&self, batches: Vec<EncodedBatch>, records: i64, moved: &[Moved]) -> Commit {
        let slot = |slot, offset, metadata| Committed {
            at: TopicPartition { topic: Arc::clone(&self.at.topic), partition: slot },
            offset,
            metadata,
        };
        let mut offsets = vec![slot(COUNT_SLOT, self.records + records, String::new())];
        offsets
            .extend(moved.iter().map(|moved| slot(moved.slot, moved.offset, moved.text.clone())));
        let outputs = vec![Output { to: self.at.clone(), batches }];
        Commit { outputs, group: self.group.clone(), offsets }
    }

    /// A new producer ends what the one before left open; then the count tells what came of it.
    async fn look_up(&mut self) -> Result<i64, BrokerError> {
        self.producer = self.broker.producer(&self.group).await?;
        Ok(count_of(&self.broker.committed(&self.group).await?))
    }

    async fn pause(&mut self, pause: Duration) -> Result<(), IngestError> {
        tokio::select! {
            () = told_to_stop(&mut self.stopped) => Err(IngestError::Stopped),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    fn failed(&self, source: BrokerError) -> IngestError {
        IngestError::Broker { topic: self.at.topic.to_string(), source }
    }
}

fn count_of(committed: &[Committed]) -> i64 {
    let count = committed.iter().find(|known| known.at.partition == COUNT_SLOT);
    count.map_or(0, |known| known.offset)
}
