//! What one client can take from the others: nothing that it does not give back in time.

use std::time::Duration;

use kafka_protocol::messages::ApiVersionsRequest;
use tidemill_kafka::{Config, Limits};

use crate::harness::{TestBroker, config, encode};
use crate::records::{batch, bytes, fetch, one, produce};

/// Short, so that tests need not wait, and longer than a busy machine sleeps.
const SOON: Duration = Duration::from_millis(300);

async fn start(limits: Limits) -> TestBroker {
    TestBroker::start_with(Config { limits, ..config() }).await
}

/// Waits until that is so.
async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

fn refused(broker: &TestBroker, why: &str) -> u64 {
    let all = broker.server.metrics().refusals_total;
    all.iter().find(|(name, _)| *name == why).map_or(0, |(_, count)| *count)
}

#[tokio::test]
async fn who_takes_no_responses_is_cut_off_and_holds_no_memory() {
    let broker = start(Limits { send_timeout: SOON, ..Limits::default() }).await;
    broker.create_topic("t", 1).await;
    let mut client = broker.connect().await;
    let large = "x".repeat(900_000);
    client.call(9, produce(1, "t", vec![(0, bytes(&batch(&[&large])))])).await;
    // More than the sockets' buffers take.
    for _ in 0..40 {
        client.send(12, &fetch("t", &[(0, 0)])).await;
    }
    eventually("the receiver is cut off", || refused(&broker, "slow_receiver") == 1).await;
    eventually("its memory is free", || broker.server.metrics().queued_bytes == 0).await;
    assert_eq!(broker.server.metrics().connections, 0);
}

#[tokio::test]
async fn who_finds_no_room_is_cut_off_and_the_others_go_on() {
    let limits = Limits { queued_bytes_max: 1 << 20, queue_timeout: SOON, ..Limits::default() };
    let broker = start(limits).await;
    broker.create_topic("t", 1).await;
    let request = |size: usize| produce(1, "t", vec![(0, bytes(&batch(&[&"x".repeat(size)])))]);
    // Takes nearly all of the room, and is in no hurry.
    let whole = encode(9, 1, &request(900_000));
    let (begin, rest) = whole.split_at(100_000);
    let mut holder = broker.connect().await;
    holder.send_bytes(begin).await;
    eventually("it holds the room", || broker.server.metrics().queued_bytes > 900_000).await;
    let mut late = broker.connect().await;
    late.send(9, &request(300_000)).await;
    late.assert_closed().await;
    assert_eq!((refused(&broker, "no_room"), broker.server.metrics().queue_waits_total), (1, 1));
    // Small requests still fit beside it.
    let mut small = broker.connect().await;
    small.call(0, ApiVersionsRequest::default()).await;
    holder.send_bytes(rest).await;
    assert!(holder.receive_frame().await.is_some(), "the holder is answered");
    let mut later = broker.connect().await;
    let response = later.call(9, request(300_000)).await;
    assert_eq!((one(&response).error_code, one(&response).base_offset), (0, 1));
    eventually("all room is free", || broker.server.metrics().queued_bytes == 0).await;
}

#[tokio::test]
async fn one_address_has_its_share_of_connections() {
    let broker = start(Limits { connections_per_address_max: 2, ..Limits::default() }).await;
    let mut first = broker.connect().await;
    first.call(0, ApiVersionsRequest::default()).await;
    let mut second = broker.connect().await;
    second.call(0, ApiVersionsRequest::default()).await;
    broker.connect().await.assert_closed().await;
    assert_eq!(refused(&broker, "connections_of_address"), 1);
    drop(first);
    eventually("one has left", || broker.server.metrics().connections == 1).await;
    broker.connect().await.call(0, ApiVersionsRequest::default()).await;
}
