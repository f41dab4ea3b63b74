//! Offsets by place and by time.

use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use tidemill_log::{Isolation, LeaderEpoch, Log, Offset, ReadError, TopicPartition};

use super::fetch::isolation;
use super::{Call, ErrorCode, blocking, check_epoch, place};

/// Instead of a time: the end.
const LATEST: i64 = -1;
/// Instead of a time: the start.
const EARLIEST: i64 = -2;
/// Instead of a time: the record with the largest one.
const MAX_TIMESTAMP: i64 = -3;

/// An offset, its time where it was found by time, and its epoch.
type Found = (Offset, Option<i64>, LeaderEpoch);

pub(super) async fn handle(call: &Call<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let isolation = isolation(request.isolation_level);
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in topic.partitions {
            let index = wanted.partition_index;
            let found = find(call, &topic.name, wanted, isolation).await;
            let partition = ListOffsetsPartitionResponse::default().with_partition_index(index);
            partitions.push(match found {
                Ok(Some((offset, time_ms, epoch))) => partition
                    .with_offset(offset.get())
                    .with_timestamp(time_ms.unwrap_or(-1))
                    .with_leader_epoch(if call.version >= 4 { epoch.get() } else { -1 }),
                // No record is that new.
                Ok(None) => partition,
                Err(error) => partition.with_error_code(error.code()),
            });
        }
        let answered = ListOffsetsTopicResponse::default().with_name(topic.name);
        topics.push(answered.with_partitions(partitions));
    }
    ListOffsetsResponse::default().with_topics(topics)
}

async fn find(
    call: &Call<'_>,
    topic: &str,
    wanted: ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Option<Found>, ErrorCode> {
    let at = place(topic, wanted.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    check_epoch(call.log(), &at, wanted.current_leader_epoch)?;
    let time = wanted.timestamp;
    if time < MAX_TIMESTAMP || (time == MAX_TIMESTAMP && call.version < 7) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let log = call.broker.log.clone();
    let found = match time {
        LATEST | EARLIEST => at_an_end(&log, &at, time == LATEST, isolation),
        _ => blocking(move || by_time(&log, &at, time, isolation)).await,
    };
    found.map_err(|error| ErrorCode::of_read(&error))
}

fn at_an_end(
    log: &Log,
    at: &TopicPartition,
    is_latest: bool,
    isolation: Isolation,
) -> Result<Option<Found>, ReadError> {
    let offsets = log.offsets(at)?;
    let offset = match isolation {
        _ if !is_latest => offsets.log_start,
        Isolation::Uncommitted => offsets.high_watermark,
        Isolation::Committed => offsets.last_stable,
    };
    Ok(Some((offset, None, log.epoch_at(at, offset)?)))
}

fn by_time(
    log: &Log,
    at: &TopicPartition,
    time_ms: i64,
    isolation: Isolation,
) -> Result<Option<Found>, ReadError> {
    let found = match time_ms {
        MAX_TIMESTAMP => log.offset_of_max_timestamp(at, isolation)?,
        _ => log.offset_for_timestamp(at, time_ms, isolation)?,
    };
    let Some((offset, time_ms)) = found else { return Ok(None) };
    Ok(Some((offset, Some(time_ms), log.epoch_at(at, offset)?)))
}
