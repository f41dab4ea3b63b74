//! Sends dead letters through their operator once more.
//!
//! **A letter is retried once, however often it is asked for**: what was asked for before is found in
//! the topics of retries, under a producer that fences every earlier one, and what is new is appended in
//! one transaction. A letter that fails again becomes another letter, with an id of its own.

use std::collections::BTreeMap;

use tidemill_log::{BatchBuilder, BuildError};

use super::letter::Letter;
use super::listing::{self, LetterId, Listed, ListingError, Query, export};
use super::retries_topic;
use crate::broker::{Broker, BrokerError, Commit, Output, TopicPartition};
use crate::spec::{OnError, PipelineSpec};

/// So many letters are retried by one request: what is appended is held in memory.
const LETTERS_MAX: usize = 10_000;
/// And about so many bytes of them.
const BYTES_MAX: usize = 64 << 20;
/// A record batch is closed once it is this long.
const BATCH_BYTES_TARGET: usize = 256 << 10;

/// Which letters are to be retried.
#[derive(Debug, Clone)]
pub enum Selection {
    /// These.
    Ids(Vec<LetterId>),
    /// All that the query wants and that were not retried yet.
    Query(Query),
}

/// What a request came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retried {
    /// Letters that will go through their operators again.
    pub retried: usize,
    /// Letters that were asked for, but had been retried before.
    pub before: usize,
    /// There are more letters than one request retries.
    pub more: bool,
}

/// Letters that cannot be retried; none of the request was.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// They cannot be read.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// The operator is gone, or does not write dead letters any more.
    #[error("operator `{operator}` of pipeline `{pipeline}` takes no dead letters back")]
    Operator {
        /// The pipeline.
        pipeline: String,
        /// The operator that the letter names.
        operator: String,
    },
    /// A letter does not fit into a batch.
    #[error("retry the dead letter `{id}`")]
    Build {
        /// Which.
        id: String,
        /// Why not.
        #[source]
        source: BuildError,
    },
    /// The log failed.
    #[error("append the letters to retry")]
    Broker(#[from] BrokerError),
}

impl RetryError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Listing(error) => error.hint(),
            Self::Operator { operator, .. } => Some(format!(
                "apply the pipeline with an operator `{operator}` that has `on_error = \"dead-letter\"`"
            )),
            Self::Build { .. } | Self::Broker(_) => None,
        }
    }
}

/// Retries the letters of a pipeline that are selected.
///
/// # Errors
/// See [`RetryError`]; nothing is retried then, unless the log's commit has an unknown fate: the
/// same request, sent again, retries what is left.
pub async fn retry(
    broker: &dyn Broker,
    spec: &PipelineSpec,
    selection: &Selection,
) -> Result<Retried, RetryError> {
    let pipeline = spec.name.as_str();
    // Fences whoever else retries: what they have committed is seen below, what not never is.
    let group = format!("tidemill.retries.{pipeline}");
    let mut producer = broker.producer(&group).await?;
    let (selected, before, more) = select(broker, spec, selection).await?;
    let mut batches: BTreeMap<String, Batching> = BTreeMap::new();
    for listed in &selected {
        let operator = operator_of(spec, listed)?;
        let topic = retries_topic(pipeline, operator);
        batches.entry(topic).or_default().push(listed)?;
    }
    let mut outputs = Vec::new();
    for (topic, batching) in batches {
        broker.ensure_topic(&topic, 1).await?;
        let to = TopicPartition { topic: topic.as_str().into(), partition: 0 };
        outputs.push(Output { to, batches: batching.finish() });
    }
    if !outputs.is_empty() {
        producer.commit(Commit { outputs, group, offsets: Vec::new() }).await?;
    }
    Ok(Retried { retried: selected.len(), before, more })
}

/// The letters, how many of those asked for were retried before, and whether there are more.
async fn select(
    broker: &dyn Broker,
    spec: &PipelineSpec,
    selection: &Selection,
) -> Result<(Vec<Listed>, usize, bool), ListingError> {
    let mut selected = Vec::new();
    match selection {
        Selection::Ids(ids) => {
            let mut ids: Vec<&LetterId> = ids.iter().collect();
            ids.sort();
            ids.dedup();
            let retried = listing::retried_ids(broker, spec).await?;
            let mut before = 0;
            for id in ids {
                let listed = listing::find(broker, spec, id, &retried).await?;
                if listed.retried { before += 1 } else { selected.push(listed) }
            }
            Ok((selected, before, false))
        }
        Selection::Query(query) => {
            let query = Query { retried: false, ..query.clone() };
            let (mut bytes, mut more) = (0, false);
            export(broker, spec, &query, |listed| {
                more = selected.len() == LETTERS_MAX || bytes >= BYTES_MAX;
                if !more {
                    bytes += listed.value.as_ref().map_or(0, |value| value.len());
                    selected.push(listed);
                }
                !more
            })
            .await?;
            Ok((selected, 0, more))
        }
    }
}

fn operator_of<'s>(spec: &'s PipelineSpec, listed: &Listed) -> Result<&'s str, RetryError> {
    let takes_back = |on_error: &OnError| matches!(on_error, OnError::DeadLetter { .. });
    let wanted = &listed.letter.operator;
    let found = spec.operators.iter().find(|node| node.name == *wanted);
    match found.filter(|node| takes_back(&node.on_error)) {
        Some(node) => Ok(&node.name),
        None => {
            Err(RetryError::Operator { pipeline: spec.name.to_string(), operator: wanted.clone() })
        }
    }
}

#[derive(Default)]
struct Batching {
    builder: BatchBuilder,
    finished: Vec<tidemill_log::EncodedBatch>,
}

impl Batching {
    fn push(&mut self, listed: &Listed) -> Result<(), RetryError> {
        let id = listed.id.to_string();
        let headers = Letter::encode_retried(&listed.headers, &id);
        let (key, value) = (listed.key.as_deref(), listed.value.as_deref());
        self.builder
            .push(key, value, &headers, listed.timestamp_ms)
            .map_err(|source| RetryError::Build { id, source })?;
        if self.builder.bytes() >= BATCH_BYTES_TARGET {
            self.finished.extend(self.builder.finish());
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<tidemill_log::EncodedBatch> {
        self.finished.extend(self.builder.finish());
        self.finished
    }
}
