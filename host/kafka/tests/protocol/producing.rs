//! Produce requests: what is stored, what is refused, and in which order answers come.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiVersionsRequest, InitProducerIdRequest, MetadataRequest, ProduceRequest,
};
use kafka_protocol::protocol::StrBytes;
use tidemill_log::{TimestampType, TopicConfig};

use crate::harness::{TestBroker, encode};
use crate::records::{batch, bytes, fetch, fetched, numbered, one, produce};

#[tokio::test]
async fn records_come_back_as_they_were_sent_in_every_version() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    let mut client = broker.connect().await;
    for (offset, version) in (0..).zip(3..=9) {
        let request = produce(-1, "t", vec![(0, bytes(&batch(&["a", "b"])))]);
        let response = client.call(version, request).await;
        assert_eq!((one(&response).error_code, one(&response).base_offset), (0, offset * 2));
    }
    let response = client.call(12, fetch("t", &[(0, 0)])).await;
    let (partition, values) = &fetched(&response)[0];
    assert_eq!((partition.high_watermark, values.len()), (14, 14));
    let sent = batch(&["a", "b"]);
    let stored = partition.records.clone().unwrap();
    // All but offset and leader epoch, which the log decides.
    assert_eq!(stored[16..sent.bytes().len()], sent.bytes()[16..]);
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_kafkas_code() {
    let broker = TestBroker::start().await;
    broker
        .create_topic_with("t", TopicConfig { message_bytes_max: 200, ..Default::default() })
        .await;
    let mut client = broker.connect().await;
    let good = bytes(&batch(&["a"]));
    let with = |at: usize, value: u8| {
        let mut changed = BytesMut::from(&good[..]);
        changed[at] = value;
        changed.freeze()
    };
    let resealed = |at: usize, value: u8| {
        let mut changed = BytesMut::from(&good[..]);
        changed[at] = value;
        let crc = crc32c::crc32c(&changed[21..]);
        changed[17..21].copy_from_slice(&crc.to_be_bytes());
        changed.freeze()
    };
    let two = [&good[..], &good[..]].concat();
    for (what, topic, partition, records, code) in [
        ("an unknown topic", "u", 0, good.clone(), 3),
        ("an unknown partition", "t", 1, good.clone(), 3),
        ("a negative partition", "t", -1, good.clone(), 3),
        ("an internal topic", "__consumer_offsets", 0, good.clone(), 17),
        ("a changed byte", "t", 0, with(65, 9), 2),
        ("a cut batch", "t", 0, good.slice(..good.len() - 1), 2),
        ("nothing", "t", 0, Bytes::new(), 2),
        ("an old format", "t", 0, with(16, 1), 87),
        ("an old and short format", "t", 0, with(16, 1).slice(..38), 87),
        ("two batches", "t", 0, Bytes::from(two), 87),
        ("a wrong count", "t", 0, resealed(60, 2), 87),
        ("a transaction", "t", 0, resealed(22, 0x10), 48),
        ("a marker", "t", 0, resealed(22, 0x20), 48),
        ("an unknown codec", "t", 0, resealed(22, 7), 76),
        ("a large batch", "t", 0, bytes(&batch(&["x".repeat(200).as_str()])), 10),
    ] {
        let response = client.call(9, produce(-1, topic, vec![(partition, records)])).await;
        assert_eq!(one(&response).error_code, code, "{what}: {response:?}");
        assert_eq!(one(&response).base_offset, -1, "{what}");
    }
    let acks = client.call(9, produce(2, "t", vec![(0, good.clone())])).await;
    assert_eq!(one(&acks).error_code, 21);
    let zstd = client.call(6, produce(1, "t", vec![(0, resealed(22, 4))])).await;
    assert_eq!(one(&zstd).error_code, 76);
    let zstd = client.call(7, produce(1, "t", vec![(0, resealed(22, 4))])).await;
    assert_eq!((one(&zstd).error_code, one(&zstd).base_offset), (0, 0), "kept compressed");
}

#[tokio::test]
async fn old_versions_are_told_that_their_format_is_gone() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    let mut client = broker.connect().await;
    for version in 0..=2i16 {
        // Version 3 without its transactional id.
        let request = produce(1, "t", vec![(0, bytes(&batch(&["a"])))]);
        let as_3 = encode(3, 7, &request);
        let header_bytes = 4 + 8 + 2 + 4;
        let mut frame = BytesMut::new();
        frame.put_u32(u32::try_from(as_3.len() - 4 - 2).unwrap());
        frame.put_slice(&as_3[4..6]);
        frame.put_i16(version);
        frame.put_slice(&as_3[8..header_bytes]);
        frame.put_slice(&as_3[header_bytes + 2..]);
        client.send_bytes(&frame).await;
        let mut answer = client.receive_frame().await.unwrap();
        assert_eq!((answer.get_i32(), answer.get_i32()), (7, 1));
        assert_eq!((answer.get_i16(), answer.get_u8()), (1, b't'));
        assert_eq!((answer.get_i32(), answer.get_i32(), answer.get_i16()), (1, 0, 43));
        assert_eq!(answer.get_i64(), -1);
        let rest = if version == 0 { 0 } else { 4 } + if version == 2 { 8 } else { 0 };
        assert_eq!(answer.remaining(), rest, "version {version}");
    }
}

#[tokio::test]
async fn a_duplicate_gets_its_first_offset_and_a_gap_an_error() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    let mut client = broker.connect().await;
    let id = client.call(4, InitProducerIdRequest::default().with_transactional_id(None)).await;
    assert_eq!((id.error_code, id.producer_epoch), (0, 0));
    let id = id.producer_id.0;
    let send = |epoch, sequence| {
        produce(-1, "t", vec![(0, bytes(&numbered(id, epoch, sequence, &["v"])))])
    };
    for sequence in 0..6 {
        let response = client.call(9, send(0, sequence)).await;
        assert_eq!(one(&response).base_offset, i64::from(sequence));
    }
    let broker = broker.restart().await;
    let mut client = broker.connect().await;
    for sequence in 1..6 {
        let response = client.call(9, send(0, sequence)).await;
        assert_eq!(
            (one(&response).error_code, one(&response).base_offset),
            (0, i64::from(sequence))
        );
    }
    for (epoch, sequence, code) in [(0, 0, 45), (0, 7, 45), (1, 1, 45), (1, 0, 0), (0, 6, 47)] {
        let response = client.call(9, send(epoch, sequence)).await;
        assert_eq!(
            (one(&response).error_code, one(&response).log_start_offset),
            (code, 0),
            "epoch {epoch}, sequence {sequence}"
        );
    }
    let response = client.call(12, fetch("t", &[(0, 0)])).await;
    assert_eq!(fetched(&response)[0].0.high_watermark, 7, "no duplicate was stored");
}

#[tokio::test]
async fn transactional_producers_are_refused_for_now() {
    let broker = TestBroker::start().await;
    let mut client = broker.connect().await;
    for (id, code) in [("", 42), ("mine", 35)] {
        let id = StrBytes::from_static_str(id).into();
        let request = InitProducerIdRequest::default().with_transactional_id(Some(id));
        let response = client.call(2, request).await;
        assert_eq!((response.error_code, response.producer_id.0), (code, -1));
    }
}

#[tokio::test]
async fn without_acknowledgement_nothing_is_answered_and_nothing_is_stuck() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    let mut client = broker.connect().await;
    client.send(9, &produce(0, "t", vec![(0, bytes(&batch(&["silent"])))])).await;
    let id = client.send(9, &produce(1, "t", vec![(0, bytes(&batch(&["answered"])))])).await;
    assert_eq!(one(&client.receive::<ProduceRequest>(9, id).await).base_offset, 1);
    // An error can be told by hanging up alone.
    client.send(9, &produce(0, "unknown", vec![(0, bytes(&batch(&["a"])))])).await;
    client.assert_closed().await;
    let mut client = broker.connect().await;
    client.send(9, &produce(0, "t", vec![(0, bytes(&batch(&["last words"])))])).await;
    drop(client);
    let mut other = broker.connect().await;
    for _ in 0..200 {
        let response = other.call(12, fetch("t", &[(0, 0)])).await;
        if fetched(&response)[0].1 == ["silent", "answered", "last words"] {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("what was sent before the client left is not in the log");
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order_and_share_syncs() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 3).await;
    let mut client = broker.connect().await;
    let syncs_before = broker.log.metrics().syncs_total;
    let count = 120;
    let mut ids = Vec::new();
    for number in 0..count {
        let batches = vec![(number % 3, bytes(&batch(&[&number.to_string()])))];
        ids.push(client.send(9, &produce(-1, "t", batches)).await);
    }
    let metadata = client.send(9, &MetadataRequest::default()).await;
    let versions = client.send(0, &ApiVersionsRequest::default()).await;
    for (number, id) in (0..).zip(ids) {
        let response = client.receive::<ProduceRequest>(9, id).await;
        assert_eq!(one(&response).base_offset, number / 3);
    }
    client.receive::<MetadataRequest>(9, metadata).await;
    client.receive::<ApiVersionsRequest>(0, versions).await;
    let syncs = broker.log.metrics().syncs_total - syncs_before;
    assert!(syncs < 90, "{syncs} syncs for {count} requests");
}

#[tokio::test]
async fn the_time_of_the_append_is_told_where_the_topic_stamps_it() {
    let broker = TestBroker::start().await;
    let stamped =
        TopicConfig { timestamp_type: TimestampType::LogAppendTime, ..Default::default() };
    broker.create_topic_with("t", stamped).await;
    let mut client = broker.connect().await;
    let response = client.call(9, produce(1, "t", vec![(0, bytes(&batch(&["a"])))])).await;
    assert!(one(&response).log_append_time_ms > 1_700_000_000_000);
    let response = client.call(12, fetch("t", &[(0, 0)])).await;
    assert_eq!(fetched(&response)[0].1, ["a"], "its checksum was made anew");
}
