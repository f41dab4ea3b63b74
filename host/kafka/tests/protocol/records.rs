//! Requests to produce and to fetch, built from the log's own record batches.

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{FetchResponse, PartitionData};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, ProduceResponse};
use kafka_protocol::messages::{FetchRequest, ProduceRequest};
use kafka_protocol::protocol::StrBytes;
use tidemill_log::{BatchBuilder, Batches, EncodedBatch, ProducerEpoch, ProducerId, Sequence};

pub fn batch(values: &[&str]) -> EncodedBatch {
    let mut builder = BatchBuilder::new();
    for value in values {
        builder.push(None, Some(value.as_bytes()), &[], 1_000).unwrap();
    }
    builder.finish().unwrap()
}

/// One of an idempotent producer's batches.
pub fn numbered(id: i64, epoch: i16, sequence: i32, values: &[&str]) -> EncodedBatch {
    let mut batch = batch(values);
    batch.stamp_producer(ProducerId::new(id), ProducerEpoch::new(epoch), Sequence::new(sequence));
    batch
}

pub fn bytes(batch: &EncodedBatch) -> Bytes {
    Bytes::copy_from_slice(batch.bytes())
}

/// Produces one batch to each of some partitions of a topic.
pub fn produce(acks: i16, topic: &str, batches: Vec<(i32, Bytes)>) -> ProduceRequest {
    let partitions = batches.into_iter().map(|(index, records)| {
        PartitionProduceData::default().with_index(index).with_records(Some(records))
    });
    let topic = TopicProduceData::default()
        .with_name(StrBytes::from_string(topic.into()).into())
        .with_partition_data(partitions.collect());
    ProduceRequest::default().with_acks(acks).with_timeout_ms(5_000).with_topic_data(vec![topic])
}

pub fn one(response: &ProduceResponse) -> &PartitionProduceResponse {
    &response.responses[0].partition_responses[0]
}

/// Fetches from offsets of some partitions of a topic; waits for nothing.
pub fn fetch(topic: &str, partitions: &[(i32, i64)]) -> FetchRequest {
    let partitions = partitions.iter().map(|&(index, offset)| {
        FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20)
            .with_current_leader_epoch(-1)
            .with_last_fetched_epoch(-1)
            .with_log_start_offset(-1)
    });
    let topic = FetchTopic::default()
        .with_topic(StrBytes::from_string(topic.into()).into())
        .with_partitions(partitions.collect());
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_bytes(50 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// All partitions of a response, each with its values.
pub fn fetched(response: &FetchResponse) -> Vec<(&PartitionData, Vec<String>)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| (partition, values(partition))).collect()
}

pub fn values(partition: &PartitionData) -> Vec<String> {
    let records = partition.records.clone().unwrap_or_default();
    let batches = Batches::new(&records).map(|batch| batch.unwrap());
    let mut values = Vec::new();
    for batch in batches {
        batch.verify().unwrap();
        for record in batch.records().unwrap() {
            let value = record.unwrap().value.unwrap_or_default();
            values.push(String::from_utf8(value.to_vec()).unwrap());
        }
    }
    values
}
