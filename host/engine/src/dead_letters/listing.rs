//! Reads dead letters back from their topics.
//! **Only committed letters are seen**, in the order of topic, partition and offset.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use tidemill_log::{BatchError, Batches, RecordReader};

use super::letter::Letter;
use super::{retries_topic, topics_of};
use crate::broker::{Broker, BrokerError, TopicPartition};
use crate::spec::PipelineSpec;

/// What is read of the log at once.
const FETCH_BYTES: usize = 256 << 10;

/// A letter's place in its topic: `TOPIC-PARTITION-OFFSET`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId {
    /// The topic and partition that it lies in.
    pub at: TopicPartition,
    /// Its offset.
    pub offset: i64,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at, self.offset)
    }
}

impl FromStr for LetterId {
    type Err = ListingError;

    fn from_str(text: &str) -> Result<Self, ListingError> {
        let wrong = || ListingError::Id { text: text.to_owned() };
        let mut parts = text.rsplitn(3, '-');
        let mut part = || parts.next().ok_or_else(wrong);
        let offset = part()?.parse().map_err(|_| wrong())?;
        let partition = part()?.parse().map_err(|_| wrong())?;
        Ok(Self { at: TopicPartition { topic: part()?.into(), partition }, offset })
    }
}

/// A letter as it is stored.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Where it is.
    pub id: LetterId,
    /// Why it is one.
    pub letter: Letter,
    /// Whether it was sent through its operator again.
    pub retried: bool,
    /// The record's timestamp.
    pub timestamp_ms: i64,
    /// The record's key.
    pub key: Option<Bytes>,
    /// The record's value.
    pub value: Option<Bytes>,
    /// All headers, those of the letter last.
    pub headers: Bytes,
}

/// Which letters are wanted.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only of this operator.
    pub operator: Option<String>,
    /// Only those whose kind is this, or whose reason has this in it.
    pub reason: Option<String>,
    /// Those that were retried, too.
    pub retried: bool,
    /// Only behind this one.
    pub after: Option<LetterId>,
}

impl Query {
    fn wants(&self, listed: &Listed) -> bool {
        let letter = &listed.letter;
        (self.retried || !listed.retried)
            && self.operator.as_ref().is_none_or(|operator| letter.operator == *operator)
            && self.reason.as_ref().is_none_or(|reason| {
                letter.kind == *reason || letter.reason.contains(reason.as_str())
            })
    }
}

/// Some letters, and whether there are more.
#[derive(Debug, Default)]
pub struct Page {
    /// In order.
    pub letters: Vec<Listed>,
    /// There are more behind the last one.
    pub more: bool,
}

/// Letters that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// Not the form of an id.
    #[error("`{text}` is no dead letter's id")]
    Id {
        /// As given.
        text: String,
    },
    /// There is none.
    #[error("pipeline `{pipeline}` has no dead letter `{id}`")]
    Unknown {
        /// The pipeline.
        pipeline: String,
        /// As asked for.
        id: String,
    },
    /// None of the pipeline's operators writes dead letters.
    #[error("no operator of pipeline `{pipeline}` writes dead letters")]
    NoTopic {
        /// The pipeline.
        pipeline: String,
    },
    /// The log did not answer.
    #[error("read dead letters")]
    Broker(#[from] BrokerError),
    /// Stored records cannot be read.
    #[error("read the records of {at}")]
    Damaged {
        /// Where they are.
        at: TopicPartition,
        /// What is wrong with them.
        #[source]
        source: BatchError,
    },
}

impl ListingError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Id { .. } => Some(
                "an id is `TOPIC-PARTITION-OFFSET`, as `tidemill pipeline dead-letters NAME list` shows it"
                    .to_owned(),
            ),
            Self::Unknown { pipeline, .. } => {
                Some(format!("`tidemill pipeline dead-letters {pipeline} list --all` shows all"))
            }
            Self::NoTopic { .. } => Some(
                "add `on_error = \"dead-letter\"` to the operators whose bad records are to be kept"
                    .to_owned(),
            ),
            Self::Broker(_) | Self::Damaged { .. } => None,
        }
    }
}

/// At most `letters_max` letters of a pipeline.
///
/// # Errors
/// See [`ListingError`].
pub async fn list(
    broker: &dyn Broker,
    spec: &PipelineSpec,
    query: &Query,
    letters_max: usize,
) -> Result<Page, ListingError> {
    let mut page = Page::default();
    export(broker, spec, query, |listed| {
        page.more = page.letters.len() == letters_max;
        if !page.more {
            page.letters.push(listed);
        }
        !page.more
    })
    .await?;
    Ok(page)
}

/// Hands all letters of a pipeline that are wanted to `take`, until that has enough and says false.
///
/// # Errors
/// See [`ListingError`].
pub async fn export(
    broker: &dyn Broker,
    spec: &PipelineSpec,
    query: &Query,
    mut take: impl FnMut(Listed) -> bool,
) -> Result<(), ListingError> {
    let topics = topics_of(spec);
    if topics.is_empty() {
        return Err(ListingError::NoTopic { pipeline: spec.name.to_string() });
    }
    let retried = retried_ids(broker, spec).await?;
    // The order of ids, so that `after` is a place in it.
    let mut topics = topics;
    topics.sort();
    for topic in topics {
        for (partition, bounds) in (0u32..).zip(broker.bounds(&topic).await?) {
            let at = TopicPartition { topic: topic.as_str().into(), partition };
            let from = match &query.after {
                Some(after) if after.at > at => continue,
                Some(after) if after.at == at => bounds.start.max(after.offset.saturating_add(1)),
                _ => bounds.start,
            };
            let mut goes_on = true;
            read(broker, &at, from..bounds.end, |record| {
                let listed = listed(&at, record, spec, &retried).filter(|found| query.wants(found));
                goes_on = listed.is_none_or(&mut take);
                goes_on
            })
            .await?;
            if !goes_on {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// One letter.
///
/// # Errors
/// See [`ListingError`].
pub async fn show(
    broker: &dyn Broker,
    spec: &PipelineSpec,
    id: &LetterId,
) -> Result<Listed, ListingError> {
    let retried = retried_ids(broker, spec).await?;
    find(broker, spec, id, &retried).await
}

/// One letter, with what is known of retries already.
pub(super) async fn find(
    broker: &dyn Broker,
    spec: &PipelineSpec,
    id: &LetterId,
    retried: &HashSet<String>,
) -> Result<Listed, ListingError> {
    let unknown = || ListingError::Unknown { pipeline: spec.name.to_string(), id: id.to_string() };
    if !topics_of(spec).iter().any(|topic| **topic == *id.at.topic) {
        return Err(unknown());
    }
    let bounds = broker.bounds(&id.at.topic).await?;
    let bounds = bounds.get(id.at.partition as usize).ok_or_else(unknown)?;
    if !(bounds.start..bounds.end).contains(&id.offset) {
        return Err(unknown());
    }
    let mut found = None;
    read(broker, &id.at, id.offset..id.offset + 1, |record| {
        found = listed(&id.at, record, spec, retried);
        false
    })
    .await?;
    found.ok_or_else(unknown)
}

/// The ids of all letters of a pipeline that were retried.
pub(super) async fn retried_ids(
    broker: &dyn Broker,
    spec: &PipelineSpec,
) -> Result<HashSet<String>, ListingError> {
    let mut ids = HashSet::new();
    for operator in &spec.operators {
        let topic = retries_topic(spec.name.as_str(), &operator.name);
        if broker.partitions(&topic).await?.is_none() {
            continue;
        }
        for (partition, bounds) in (0u32..).zip(broker.bounds(&topic).await?) {
            let at = TopicPartition { topic: topic.as_str().into(), partition };
            read(broker, &at, bounds.start..bounds.end, |record| {
                ids.extend(Letter::retried_id(record.headers));
                true
            })
            .await?;
        }
    }
    Ok(ids)
}

fn listed(
    at: &TopicPartition,
    record: &tidemill_log::Record<'_>,
    spec: &PipelineSpec,
    retried: &HashSet<String>,
) -> Option<Listed> {
    // Several pipelines may share a topic, and anybody may write to one.
    let letter =
        Letter::decode(record.headers).filter(|letter| letter.pipeline == spec.name.as_str())?;
    let id = LetterId { at: at.clone(), offset: record.offset.get() };
    Some(Listed {
        retried: retried.contains(&id.to_string()),
        id,
        letter,
        timestamp_ms: record.timestamp_ms,
        key: record.key.map(Bytes::copy_from_slice),
        value: record.value.map(Bytes::copy_from_slice),
        headers: Bytes::copy_from_slice(record.headers),
    })
}

/// Hands committed records to `take` until that says false.
async fn read(
    broker: &dyn Broker,
    at: &TopicPartition,
    offsets: std::ops::Range<i64>,
    mut take: impl FnMut(&tidemill_log::Record<'_>) -> bool,
) -> Result<(), ListingError> {
    let damaged = |source| ListingError::Damaged { at: at.clone(), source };
    let mut from = offsets.start;
    let mut reader = RecordReader::default();
    while from < offsets.end {
        let fetched = broker.fetch(at, from, offsets.end, FETCH_BYTES).await?;
        for bytes in &fetched.batches {
            for batch in Batches::new(bytes) {
                let batch = batch.map_err(damaged)?;
                for record in reader.records(&batch).map_err(damaged)? {
                    let record = record.map_err(damaged)?;
                    let wanted = (from..offsets.end).contains(&record.offset.get());
                    if wanted && !take(&record) {
                        return Ok(());
                    }
                }
            }
        }
        from = fetched.next.max(from + 1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for text in ["dead-letters-0-12", "a-3-0"] {
            assert_eq!(text.parse::<LetterId>().unwrap().to_string(), text);
        }
        for wrong in ["", "0-12", "a-b-1", "a-1-b", "a"] {
            assert!(wrong.parse::<LetterId>().is_err(), "{wrong}");
        }
    }
}
