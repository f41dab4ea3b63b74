//! Where leader epochs end, so that a client notices what recovery cut off (KIP-320).

use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use tidemill_log::{LeaderEpoch, Offset};

use super::{Call, ErrorCode, check_epoch, place};

pub(super) async fn handle(
    call: &Call<'_>,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|wanted| {
            let answer = EpochEndOffset::default().with_partition(wanted.partition);
            match find(call, &topic.topic, wanted) {
                Ok(Some((epoch, end))) => {
                    answer.with_leader_epoch(epoch.get()).with_end_offset(end.get())
                }
                Ok(None) => answer,
                Err(error) => answer.with_error_code(error.code()),
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn find(
    call: &Call<'_>,
    topic: &str,
    wanted: &OffsetForLeaderPartition,
) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
    let at = place(topic, wanted.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    check_epoch(call.log(), &at, wanted.current_leader_epoch)?;
    let end = call.log().end_of_epoch(&at, LeaderEpoch::new(wanted.leader_epoch));
    end.map_err(|error| ErrorCode::of_read(&error))
}
