//! Dead letters: records that an operator could not take, kept in a topic with all that is known of
//! why. They can be read back, and sent through their operator once more.
//!
//! A letter is the record as the operator got it (key, value, headers, timestamp) with more headers
//! ([`Letter`]). It is written in the transaction of its batch: **a letter of a batch that did not
//! commit does not exist**.
//!
//! To retry one, it is appended to a topic of its operator's ([`retries_topic`]), which the pipeline reads
//! as a source that leads to that operator alone. Its position is committed with the batch as any
//! other's: **a retried letter goes through its operator exactly once**, whatever crashes.

mod letter;
mod listing;
mod retry;

pub use letter::{Letter, SourcePlace, without_letter};
pub use listing::{LetterId, Listed, ListingError, Page, Query, export, list, show};
pub use retry::{Retried, RetryError, Selection, retry};

use crate::spec::{OnError, PipelineSpec};

/// The topic that an operator's retried letters wait in.
#[must_use]
pub fn retries_topic(pipeline: &str, operator: &str) -> String {
    format!("tidemill.{pipeline}.{operator}.retries")
}

/// The topics that a pipeline's operators write dead letters to, each once.
#[must_use]
pub fn topics_of(spec: &PipelineSpec) -> Vec<String> {
    let mut topics: Vec<String> = Vec::new();
    for operator in &spec.operators {
        if let OnError::DeadLetter { topic } = &operator.on_error
            && !topics.contains(topic)
        {
            topics.push(topic.clone());
        }
    }
    topics
}
