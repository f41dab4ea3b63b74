//! Offsets by place, by time and by epoch.

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{ListOffsetsRequest, OffsetForLeaderEpochRequest};
use kafka_protocol::protocol::StrBytes;
use tidemill_log::{BatchBuilder, Offset, PartitionId, TopicName, TopicPartition};

use crate::harness::TestBroker;

async fn broker() -> TestBroker {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    let at = TopicPartition::new(TopicName::new("t").unwrap(), PartitionId::new(0));
    for times in [[100, 200], [500, 400], [300, 300]] {
        let mut builder = BatchBuilder::new();
        for time in times {
            builder.push(None, Some(b"v"), &[], time).unwrap();
        }
        broker.log.append(&at, builder.finish().unwrap()).await.unwrap();
    }
    broker.log.delete_records(&at, Offset::new(1)).await.unwrap();
    broker
}

fn list(partition: i32, timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(partition)
        .with_current_leader_epoch(-1)
        .with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(StrBytes::from_static_str("t").into())
        .with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic])
}

#[tokio::test]
async fn offsets_by_place_and_time() {
    let broker = broker().await;
    let mut client = broker.connect().await;
    for version in 1..=7 {
        for (timestamp, offset, time) in
            [(-1, 6, -1), (-2, 1, -1), (0, 1, 200), (201, 2, 500), (400, 2, 500), (501, -1, -1)]
        {
            let response = client.call(version, list(0, timestamp)).await;
            let found = &response.topics[0].partitions[0];
            let got = (found.error_code, found.offset, found.timestamp);
            assert_eq!(got, (0, offset, time), "version {version}, timestamp {timestamp}");
        }
        let newest = client.call(version, list(0, -3)).await;
        let newest = &newest.topics[0].partitions[0];
        let expected = if version < 7 { (35, -1, -1) } else { (0, 2, 500) };
        assert_eq!((newest.error_code, newest.offset, newest.timestamp), expected);
        assert_eq!(client.call(version, list(1, -1)).await.topics[0].partitions[0].error_code, 3);
    }
}

#[tokio::test]
async fn epochs_end_where_the_next_begins() {
    let broker = broker().await;
    let mut client = broker.connect().await;
    for version in 2..=4 {
        for (epoch, current, expected) in
            [(0, -1, (0, 0, 6)), (1, -1, (0, -1, -1)), (0, 5, (75, -1, -1))]
        {
            let partition = OffsetForLeaderPartition::default()
                .with_partition(0)
                .with_current_leader_epoch(current)
                .with_leader_epoch(epoch);
            let topic = OffsetForLeaderTopic::default()
                .with_topic(StrBytes::from_static_str("t").into())
                .with_partitions(vec![partition]);
            let request = OffsetForLeaderEpochRequest::default()
                .with_replica_id((-1).into())
                .with_topics(vec![topic]);
            let response = client.call(version, request).await;
            let found = &response.topics[0].partitions[0];
            assert_eq!((found.error_code, found.leader_epoch, found.end_offset), expected);
        }
    }
}
