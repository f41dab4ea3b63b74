//! The log of this process as a [`Broker`].

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tidemill_log::{
    Blocking, CommittedOffset, Isolation, Log, Offset, PartitionId, ReadError, TopicConfig,
    TopicError, TopicName, TransactionError,
};

use super::{Bounds, Broker, BrokerError, Commit, Committed, Fetched, Producer, TopicPartition};

/// The log of this process.
pub struct Embedded {
    log: Arc<Log>,
    /// Where reads run, which may wait for the disk.
    blocking: Blocking,
    /// By transactional id: how many producers there have been. Only the last one may commit.
    generations: Arc<Mutex<HashMap<String, u64>>>,
}

impl Embedded {
    /// A broker over `log`, whose reads run where `blocking` says.
    #[must_use]
    pub fn new(log: Arc<Log>, blocking: Blocking) -> Self {
        Self { log, blocking, generations: Arc::default() }
    }
}

struct EmbeddedProducer {
    log: Arc<Log>,
    transactional_id: String,
    generation: u64,
    generations: Arc<Mutex<HashMap<String, u64>>>,
}

#[async_trait]
impl Broker for Embedded {
    async fn partitions(&self, topic: &str) -> Result<Option<u32>, BrokerError> {
        let Ok(name) = TopicName::new(topic) else { return Ok(None) };
        Ok(self.log.describe(&name).map(|topic| topic.config.partitions))
    }

    async fn ensure_topic(&self, topic: &str, partitions: u32) -> Result<u32, BrokerError> {
        if let Some(partitions) = self.partitions(topic).await? {
            return Ok(partitions);
        }
        let failed = |error| failed(format!("create topic `{topic}`"), false, error);
        let name = TopicName::new(topic).map_err(failed)?;
        let config = TopicConfig { partitions, ..TopicConfig::default() };
        self.log.create_topic(&name, config).await.map_err(|error| {
            let retryable = error.is_retryable();
            self::failed(format!("create topic `{topic}`"), retryable, error)
        })?;
        Ok(partitions)
    }

    async fn delete_topic(&self, topic: &str) -> Result<(), BrokerError> {
        let Ok(name) = TopicName::new(topic) else { return Ok(()) };
        match self.log.delete_topic(&name).await {
            Ok(()) | Err(TopicError::Unknown { .. }) => Ok(()),
            Err(error) => {
                Err(failed(format!("delete topic `{topic}`"), error.is_retryable(), error))
            }
        }
    }

    async fn bounds(&self, topic: &str) -> Result<Vec<Bounds>, BrokerError> {
        let unknown = || BrokerError::Unknown { topic: topic.to_owned(), partition: 0 };
        let name = TopicName::new(topic).map_err(|_| unknown())?;
        let described = self.log.describe(&name).ok_or_else(unknown)?;
        let bounds = described.partitions.into_iter().map(|(offsets, bytes)| Bounds {
            start: offsets.log_start.get(),
            end: offsets.last_stable.get(),
            bytes,
        });
        Ok(bounds.collect())
    }

    async fn fetch(
        &self,
        at: &TopicPartition,
        from: i64,
        to: i64,
        bytes_max: usize,
    ) -> Result<Fetched, BrokerError> {
        let (log, name) = (Arc::clone(&self.log), name_of(at)?);
        let read = move || log.read(&name, Offset::new(from), bytes_max, Isolation::Committed);
        let read = match self.blocking {
            Blocking::Inline => read(),
            Blocking::Threads => tokio::task::spawn_blocking(read)
                .await
                .unwrap_or_else(|lost| std::panic::resume_unwind(lost.into_panic())),
        };
        let action = || format!("read {at} from offset {from}");
        let fetched = read.map_err(|error| match error {
            ReadError::OutOfRange { offsets, .. } => BrokerError::OutOfRange {
                at: at.clone(),
                offset: from,
                start: offsets.log_start.get(),
                end: offsets.high_watermark.get(),
            },
            error => failed(action(), error.is_retryable(), error),
        })?;
        let mut batches = Vec::new();
        for batch in fetched.batches() {
            let batch = batch.map_err(|error| failed(action(), false, error))?;
            if batch.header().base_offset.get() >= to {
                break;
            }
            batches.push(fetched.bytes.slice_ref(batch.bytes()));
        }
        Ok(Fetched { batches, next: fetched.next.get() })
    }

    async fn wait_for_records(
        &self,
        positions: &[(TopicPartition, i64)],
    ) -> Result<(), BrokerError> {
        let mut waits = Vec::new();
        for (at, position) in positions {
            let mut offsets = self.log.subscribe(&name_of(at)?).map_err(|_| unknown(at))?;
            let position = *position;
            // A partition that is deleted while we wait shows when it is asked for next.
            waits.push(Box::pin(async move {
                let _ = offsets.wait_for(|offsets| offsets.last_stable.get() > position).await;
            }));
        }
        if waits.is_empty() {
            std::future::pending::<()>().await;
        }
        futures::future::select_all(waits).await;
        Ok(())
    }

    async fn committed(&self, group: &str) -> Result<Vec<Committed>, BrokerError> {
        let of_log = self.log.committed(group).into_iter().map(|(at, committed)| Committed {
            at: TopicPartition { topic: at.topic.as_str().into(), partition: at.partition.get() },
            offset: committed.offset.get(),
            metadata: committed.metadata,
        });
        Ok(of_log.collect())
    }

    async fn delete_group(&self, group: &str) -> Result<(), BrokerError> {
        self.log.delete_group(group).await.map_err(|error| {
            let retryable = error.is_retryable();
            failed(format!("delete the consumer group `{group}`"), retryable, error)
        })
    }

    async fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>, BrokerError> {
        let generation = {
            let mut generations = self.generations.lock();
            let generation = generations.entry(transactional_id.to_owned()).or_default();
            *generation += 1;
            *generation
        };
        // Aborts what an earlier producer left open.
        let begun = self.log.begin(transactional_id).await;
        let aborted = match begun {
            Ok(transaction) => transaction.abort().await.map(drop),
            Err(error) => Err(error),
        };
        aborted.map_err(|error| transaction_failed(transactional_id, "begin", error))?;
        Ok(Box::new(EmbeddedProducer {
            log: Arc::clone(&self.log),
            transactional_id: transactional_id.to_owned(),
            generation,
            generations: Arc::clone(&self.generations),
        }))
    }
}

impl EmbeddedProducer {
    fn check_generation(&self) -> Result<(), BrokerError> {
        if self.generations.lock().get(&self.transactional_id) == Some(&self.generation) {
            return Ok(());
        }
        Err(BrokerError::Fenced { transactional_id: self.transactional_id.clone() })
    }
}

#[async_trait]
impl Producer for EmbeddedProducer {
    async fn commit(&mut self, commit: Commit) -> Result<(), BrokerError> {
        self.check_generation()?;
        let failed =
            |action: &str, error| transaction_failed(&self.transactional_id, action, error);
        let mut transaction =
            self.log.begin(&self.transactional_id).await.map_err(|error| failed("begin", error))?;
        // A newer producer either raised the generation before this, or its own begin fences us.
        self.check_generation()?;
        for output in commit.outputs {
            let to = name_of(&output.to)?;
            for batch in output.batches {
                transaction.append(&to, batch).await.map_err(|error| failed("append to", error))?;
            }
        }
        let mut offsets = Vec::new();
        for position in commit.offsets {
            offsets.push((
                name_of(&position.at)?,
                CommittedOffset::new(Offset::new(position.offset), position.metadata),
            ));
        }
        transaction
            .commit_offsets(&commit.group, offsets)
            .await
            .map_err(|error| failed("commit offsets in", error))?;
        transaction.commit().await.map_err(|error| failed("commit", error))?;
        Ok(())
    }
}

fn name_of(at: &TopicPartition) -> Result<tidemill_log::TopicPartition, BrokerError> {
    let topic = TopicName::new(&at.topic).map_err(|_| unknown(at))?;
    Ok(tidemill_log::TopicPartition { topic, partition: PartitionId::new(at.partition) })
}

fn unknown(at: &TopicPartition) -> BrokerError {
    BrokerError::Unknown { topic: at.topic.to_string(), partition: at.partition }
}

fn transaction_failed(id: &str, action: &str, error: TransactionError) -> BrokerError {
    // One whose markers are still to be written is committed: whoever starts again finds it so.
    let retryable = error.is_retryable() || matches!(error, TransactionError::Unfinished { .. });
    failed(format!("{action} transaction `{id}`"), retryable, error)
}

fn failed(
    action: String,
    retryable: bool,
    source: impl std::error::Error + Send + Sync + 'static,
) -> BrokerError {
    BrokerError::Log { action, retryable, source: Box::new(source) }
}
