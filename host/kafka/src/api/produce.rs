//! Record batches on their way into the log.
//!
//! All batches of a request are written before the first sync is waited for, and before the
//! next request of the connection begins: **requests of one connection are appended in their
//! order, and share their syncs.** What is stored is what was sent; only the header is looked at.

mod old_versions;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName as WrittenName};
use tidemill_log::{AppendError, Appended, Appending, BatchError, Codec, EncodedBatch, Offset};

use super::{Answer, Call, ErrorCode, Reply, place};
use crate::request::Refused;
pub(super) use old_versions::answer as answer_old_version;

/// The format of records, and where a set of records says its own.
const MAGIC: u8 = 2;
const MAGIC_AT: usize = 16;
/// Before it, there were only old record formats.
pub(crate) const VERSION_MIN: i16 = 3;
/// The first version whose clients know Zstandard.
const ZSTD_SINCE: i16 = 7;

/// When a producer wants to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acks {
    Never,
    /// By the leader or by all replicas: on one node, that is the same.
    Durable,
}

impl Acks {
    const fn parse(written: i16) -> Option<Self> {
        match written {
            0 => Some(Self::Never),
            1 | -1 => Some(Self::Durable),
            _ => None,
        }
    }
}

/// Why a batch was not appended, as a client is told.
struct Failure {
    code: ErrorCode,
    message: Option<String>,
    /// Where the partition begins, if it was the partition that refused.
    log_start: Option<Offset>,
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None, log_start: None }
    }
}

impl From<BatchError> for Failure {
    fn from(error: BatchError) -> Self {
        let message = Some(format!("{error}; {}", error.hint()));
        Self { code: ErrorCode::of_batch(&error), message, log_start: None }
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        let message = Some(format!("{error}; {}", error.hint()));
        Self { code: ErrorCode::of_append(&error), message, log_start: None }
    }
}

type Begun = (i32, Result<Appending, Failure>);

/// Writes all batches of `request`; the answer waits for the disk.
pub(super) fn begin(call: &Call<'_>, request: ProduceRequest) -> Result<Answer, Refused> {
    let acks = Acks::parse(request.acks);
    let topics: Vec<(WrittenName, Vec<Begun>)> = request
        .topic_data
        .into_iter()
        .map(|topic| {
            let partitions = topic.partition_data.into_iter().map(|partition| {
                let index = partition.index;
                let begun = match acks {
                    Some(_) => append(call, &topic.name, index, partition.records),
                    None => Err(ErrorCode::InvalidRequiredAcks.into()),
                };
                (index, begun)
            });
            let partitions = partitions.collect();
            (topic.name, partitions)
        })
        .collect();
    if acks == Some(Acks::Never) {
        return without_answer(topics);
    }
    Ok(Answer::Later(answer(call.reply, topics).boxed()))
}

fn append(
    call: &Call<'_>,
    topic: &str,
    partition: i32,
    records: Option<Bytes>,
) -> Result<Appending, Failure> {
    let at = place(topic, partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let records = records.unwrap_or_default();
    // Old formats may be shorter than a header of this one.
    if records.get(MAGIC_AT).is_some_and(|magic| *magic < MAGIC) {
        return Err(ErrorCode::InvalidRecord.into());
    }
    let batch = EncodedBatch::parse(records)?;
    if batch.header().attributes.codec()? == Codec::Zstd && call.version < ZSTD_SINCE {
        return Err(ErrorCode::UnsupportedCompressionType.into());
    }
    call.log().begin_append(&at, batch).map_err(|error| {
        // Kafka tells it of batches that do not fit to what the partition knows of their producer.
        let is_told = matches!(error, AppendError::Producer { .. });
        let offsets = call.log().offsets(&at).ok().filter(|_| is_told);
        Failure { log_start: offsets.map(|offsets| offsets.log_start), ..error.into() }
    })
}

/// Nobody is told; the only way to tell of an error is to hang up, as Kafka does.
fn without_answer(topics: Vec<(WrittenName, Vec<Begun>)>) -> Result<Answer, Refused> {
    let mut appending = Vec::new();
    for (topic, partitions) in topics {
        for (partition, begun) in partitions {
            match begun {
                Ok(begun) => appending.push(begun),
                Err(Failure { code, message, .. }) => {
                    let topic = topic.to_string();
                    tracing::debug!(topic, partition, ?code, message, "batch refused");
                    return Err(Refused::Unanswered { topic, partition, code: code.code() });
                }
            }
        }
    }
    // The disk is waited for all the same, so that a sender cannot run ahead without bound.
    let durable = join_all(appending.into_iter().map(Appending::durable));
    Ok(Answer::Later(durable.map(|_| None).boxed()))
}

async fn answer(
    reply: Reply,
    topics: Vec<(WrittenName, Vec<Begun>)>,
) -> Option<crate::response::Response> {
    let topics = topics.into_iter().map(|(name, partitions)| async move {
        let partitions = join_all(partitions.into_iter().map(durable)).await;
        TopicProduceResponse::default().with_name(name).with_partition_responses(partitions)
    });
    let response = ProduceResponse::default().with_responses(join_all(topics).await);
    match reply.encode(&response) {
        Ok(response) => Some(response),
        Err(error) => {
            // Our own mistake; the producer asks again when its patience ends.
            tracing::error!(%error, "response not encoded");
            None
        }
    }
}

async fn durable((index, begun): Begun) -> PartitionProduceResponse {
    let ended = match begun {
        Ok(appending) => appending.durable().await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    let partition = PartitionProduceResponse::default().with_index(index);
    match ended {
        Ok(Appended { base_offset, append_time_ms, log_start, .. }) => partition
            .with_base_offset(base_offset.get())
            .with_log_append_time_ms(append_time_ms.unwrap_or(-1))
            .with_log_start_offset(log_start.get()),
        Err(Failure { code, message, log_start }) => partition
            .with_error_code(code.code())
            .with_base_offset(-1)
            .with_log_start_offset(log_start.map_or(-1, Offset::get))
            .with_error_message(message.map(Into::into)),
    }
}
