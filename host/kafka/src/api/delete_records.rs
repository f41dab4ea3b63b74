//! Deletes the oldest records of partitions.

use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use tidemill_log::{DeleteError, Offset, PartitionId, TopicName, TopicPartition};

use super::{Call, ErrorCode};

/// Stands for everything that there is.
const ALL: i64 = -1;
/// The answer where nothing is known.
const NO_OFFSET: i64 = -1;

pub(super) async fn handle(
    call: &Call<'_>,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let mut topics = Vec::new();
    for topic in request.topics {
        let mut partitions = Vec::new();
        for wanted in &topic.partitions {
            let deleted = delete(call, &topic.name, wanted.partition_index, wanted.offset).await;
            let (low_watermark, error) = match deleted {
                Ok(start) => (start.get(), ErrorCode::None),
                Err(error) => (NO_OFFSET, error),
            };
            partitions.push(
                DeleteRecordsPartitionResult::default()
                    .with_partition_index(wanted.partition_index)
                    .with_low_watermark(low_watermark)
                    .with_error_code(error.code()),
            );
        }
        let result = DeleteRecordsTopicResult::default().with_name(topic.name);
        topics.push(result.with_partitions(partitions));
    }
    DeleteRecordsResponse::default().with_topics(topics)
}

fn place(topic: &str, partition: i32) -> Option<TopicPartition> {
    let partition = PartitionId::new(u32::try_from(partition).ok()?);
    Some(TopicPartition::new(TopicName::new(topic).ok()?, partition))
}

/// Returns where the partition begins then.
async fn delete(
    call: &Call<'_>,
    topic: &str,
    partition: i32,
    before: i64,
) -> Result<Offset, ErrorCode> {
    let at = place(topic, partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if at.topic.is_internal() {
        return Err(ErrorCode::InvalidTopic);
    }
    let offsets = call.log().offsets(&at).map_err(|error| ErrorCode::of_read(&error))?;
    let described = call.log().describe(&at.topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if !described.config.cleanup.delete {
        return Err(ErrorCode::PolicyViolation);
    }
    let before = match before {
        ALL => offsets.high_watermark,
        some if some < 0 || some > offsets.high_watermark.get() => {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        some => Offset::new(some),
    };
    call.log().delete_records(&at, before).await.map_err(|error| match error {
        DeleteError::UnknownPartition { .. } => ErrorCode::UnknownTopicOrPartition,
        DeleteError::Append(error) => ErrorCode::of_append(&error),
        DeleteError::Disk(_) => ErrorCode::KafkaStorageError,
    })
}
