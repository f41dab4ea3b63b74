//! Fetch requests: long polls, sessions, limits.

use std::time::Duration;

use kafka_protocol::messages::fetch_request::ForgottenTopic;
use kafka_protocol::messages::{ApiVersionsRequest, FetchRequest};
use kafka_protocol::protocol::StrBytes;
use tidemill_kafka::{Config, Limits};
use tidemill_log::{PartitionId, TopicName, TopicPartition};
use tokio::time::Instant;

use crate::harness::{TestBroker, config};
use crate::records::{batch, bytes, fetch, fetched, one, produce};

async fn fill(broker: &TestBroker, topic: &str, partition: i32, batches: &[&[&str]]) {
    let mut client = broker.connect().await;
    for values in batches {
        let request = produce(1, topic, vec![(partition, bytes(&batch(values)))]);
        assert_eq!(one(&client.call(9, request).await).error_code, 0);
    }
}

#[tokio::test]
async fn every_version_reads_from_any_offset() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    fill(&broker, "t", 0, &[&["a", "b", "c"], &["d"]]).await;
    let mut client = broker.connect().await;
    for version in 4..=12 {
        for (offset, first) in [(0, "a"), (1, "a"), (2, "a"), (3, "d")] {
            let response = client.call(version, fetch("t", &[(0, offset)])).await;
            let (partition, values) = &fetched(&response)[0];
            assert_eq!(partition.error_code, 0);
            assert_eq!((partition.high_watermark, partition.last_stable_offset), (4, 4));
            assert_eq!(values[0], first, "the whole batch that contains offset {offset}");
        }
        let response = client.call(version, fetch("t", &[(0, 4)])).await;
        assert!(fetched(&response)[0].1.is_empty());
        for offset in [-1, 5] {
            let response = client.call(version, fetch("t", &[(0, offset)])).await;
            assert_eq!(fetched(&response)[0].0.error_code, 1);
        }
    }
}

#[tokio::test]
async fn unknown_places_and_epochs_have_their_codes() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    let mut client = broker.connect().await;
    for (topic, partition) in [("t", 1), ("t", -1), ("u", 0), ("not/allowed", 0)] {
        let response = client.call(12, fetch(topic, &[(partition, 0)])).await;
        assert_eq!(fetched(&response)[0].0.error_code, 3);
        assert_eq!(response.responses[0].topic.as_str(), topic);
    }
    let mut newer = fetch("t", &[(0, 0)]);
    newer.topics[0].partitions[0].current_leader_epoch = 7;
    assert_eq!(fetched(&client.call(9, newer).await)[0].0.error_code, 75);
}

#[tokio::test]
async fn a_fetch_waits_for_the_next_record_and_no_longer() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 2).await;
    let mut waiting = broker.connect().await;
    let request = fetch("t", &[(0, 0), (1, 0)]).with_max_wait_ms(10_000).with_min_bytes(1);
    let id = waiting.send(12, &request).await;
    // Another connection is not held up, and this one still takes requests.
    let next = waiting.send(0, &ApiVersionsRequest::default()).await;
    fill(&broker, "t", 1, &[&["woken"]]).await;
    let response = waiting.receive::<FetchRequest>(12, id).await;
    assert_eq!(fetched(&response)[1].1, ["woken"]);
    waiting.receive::<ApiVersionsRequest>(0, next).await;

    let started = Instant::now();
    let request = fetch("t", &[(0, 0)]).with_max_wait_ms(200).with_min_bytes(1);
    let response = waiting.call(12, request).await;
    assert!(fetched(&response)[0].1.is_empty());
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_fetch_waits_until_there_is_enough() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    fill(&broker, "t", 0, &[&["old"], &["old"], &["old"]]).await;
    let mut waiting = broker.connect().await;
    let small = i32::try_from(batch(&["a"]).bytes().len()).unwrap();
    let request = fetch("t", &[(0, 3)]).with_max_wait_ms(10_000).with_min_bytes(3 * small);
    let id = waiting.send(12, &request).await;
    for value in ["a", "b", "c", "d"] {
        fill(&broker, "t", 0, &[&[value]]).await;
    }
    let response = waiting.receive::<FetchRequest>(12, id).await;
    let got = &fetched(&response)[0].1;
    assert!(got.len() >= 3 && got[0] == "a", "{got:?}");
}

#[tokio::test]
async fn a_response_keeps_to_its_size_but_for_one_batch() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 3).await;
    let large = "x".repeat(10_000);
    for partition in 0..3 {
        fill(&broker, "t", partition, &[&[&large], &[&large], &[&large]]).await;
    }
    let mut client = broker.connect().await;
    let all = [(0, 0), (1, 0), (2, 0)];
    let counts = |response: &kafka_protocol::messages::FetchResponse| {
        fetched(response).iter().map(|(_, values)| values.len()).collect::<Vec<_>>()
    };
    let response = client.call(12, fetch("t", &all).with_max_bytes(1)).await;
    assert_eq!(counts(&response), [1, 0, 0], "one batch at least");
    let response = client.call(12, fetch("t", &all).with_max_bytes(25_000)).await;
    assert_eq!(counts(&response), [2, 0, 0]);
    let response = client.call(12, fetch("t", &all).with_max_bytes(45_000)).await;
    assert_eq!(counts(&response), [3, 1, 0]);
    let mut narrow = fetch("t", &all);
    for partition in &mut narrow.topics[0].partitions {
        partition.partition_max_bytes = 10_500;
    }
    assert_eq!(counts(&client.call(12, narrow).await), [1, 1, 1]);
}

#[tokio::test]
async fn a_client_that_paused_while_there_was_more_is_held_back() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    let large = "x".repeat(500_000);
    for _ in 0..8 {
        fill(&broker, "t", 0, &[&[&large]]).await;
    }
    let one_batch = |offset| fetch("t", &[(0, offset)]).with_max_bytes(1).with_max_wait_ms(10_000);
    let held_back = || broker.server.metrics().held_back_fetches_total;
    // A machine that stands still for a moment makes another pause of it.
    for _ in 0..10 {
        let mut client = broker.connect().await;
        for offset in 0..3 {
            client.call(12, one_batch(offset)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        // All asked for at once, so that only the broker keeps them apart.
        let mut sent = Vec::new();
        for offset in 3..8 {
            sent.push(client.send(12, &one_batch(offset)).await);
        }
        for id in sent {
            let response = client.receive::<FetchRequest>(12, id).await;
            assert_eq!(fetched(&response)[0].1, [&*large], "late, but whole");
        }
        if held_back() > 0 {
            return;
        }
    }
    panic!("nothing was held back after a pause");
}

#[tokio::test]
async fn sessions_tell_only_what_is_new() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 3).await;
    fill(&broker, "t", 0, &[&["a"]]).await;
    let mut client = broker.connect().await;
    let begin = fetch("t", &[(0, 0), (1, 0), (2, 0)]).with_session_epoch(0);
    let response = client.call(12, begin).await;
    assert_eq!((response.error_code, fetched(&response).len()), (0, 3));
    let id = response.session_id;
    assert!(id > 0);
    let next =
        |epoch: i32, request: FetchRequest| request.with_session_id(id).with_session_epoch(epoch);
    let nothing = || FetchRequest::default().with_max_bytes(1 << 20);
    // The position of partition 0 moves on; then nothing is new.
    let response = client.call(12, next(1, fetch("t", &[(0, 1)]))).await;
    assert!(fetched(&response).is_empty(), "{response:?}");
    fill(&broker, "t", 2, &[&["b"]]).await;
    let response =
        client.call(12, next(2, nothing().with_max_wait_ms(5_000).with_min_bytes(1))).await;
    let told = fetched(&response);
    assert_eq!((told.len(), told[0].0.partition_index), (1, 2));
    assert_eq!(told[0].1, ["b"]);
    let forgotten = ForgottenTopic::default()
        .with_topic(StrBytes::from_static_str("t").into())
        .with_partitions(vec![2]);
    let request = nothing().with_forgotten_topics_data(vec![forgotten]);
    assert!(fetched(&client.call(12, next(3, request)).await).is_empty());
    // Wrong epochs, then the end.
    assert_eq!(client.call(12, next(9, nothing())).await.error_code, 71);
    let response = client.call(12, next(-1, fetch("t", &[(0, 0)]))).await;
    assert_eq!((response.session_id, fetched(&response).len()), (0, 1));
    assert_eq!(client.call(12, next(4, nothing())).await.error_code, 70);
}

#[tokio::test]
async fn a_full_session_serves_all_partitions_in_turn() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 2).await;
    let large = "x".repeat(2_000);
    for partition in 0..2 {
        fill(&broker, "t", partition, &[&[&large], &[&large], &[&large]]).await;
    }
    let mut client = broker.connect().await;
    let begin = fetch("t", &[(0, 0), (1, 0)]).with_session_epoch(0).with_max_bytes(1);
    let first = client.call(12, begin).await;
    assert_eq!(fetched(&first)[0].1.len(), 1);
    // Its position is as before, but now it is the other's turn.
    let next = FetchRequest::default()
        .with_session_id(first.session_id)
        .with_session_epoch(1)
        .with_max_bytes(1);
    let second = client.call(12, next).await;
    assert_eq!(fetched(&second)[0].0.partition_index, 1);
}

#[tokio::test]
async fn committed_readers_skip_what_was_aborted() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    let at = TopicPartition::new(TopicName::new("t").unwrap(), PartitionId::new(0));
    let mut transaction = broker.log.begin("writer").await.unwrap();
    transaction.append(&at, batch(&["aborted"])).await.unwrap();
    fill(&broker, "t", 0, &[&["plain"]]).await;
    let mut client = broker.connect().await;
    let committed = || fetch("t", &[(0, 0)]).with_isolation_level(1);
    let response = client.call(12, committed()).await;
    let (partition, values) = &fetched(&response)[0];
    assert_eq!((partition.last_stable_offset, partition.high_watermark), (0, 2));
    assert!(values.is_empty(), "nothing is decided yet");
    transaction.abort().await.unwrap();
    for version in [4, 12] {
        let response = client.call(version, committed()).await;
        let (partition, _) = &fetched(&response)[0];
        assert_eq!(partition.last_stable_offset, 3);
        let aborted = partition.aborted_transactions.as_ref().unwrap();
        assert_eq!((aborted.len(), aborted[0].first_offset), (1, 0));
    }
    let response = client.call(12, fetch("t", &[(0, 0)])).await;
    assert_eq!(fetched(&response)[0].0.aborted_transactions, None);
}

#[tokio::test]
async fn slow_and_idle_clients_are_cut_off() {
    let limits = Limits {
        idle_timeout: Duration::from_millis(150),
        receive_timeout: Duration::from_millis(150),
        connections_max: 3,
        ..Limits::default()
    };
    let broker = TestBroker::start_with(Config { limits, ..config() }).await;
    broker.create_topic("t", 1).await;
    let mut idle = broker.connect().await;
    let mut slow = broker.connect().await;
    slow.send_bytes(&[0, 0, 0]).await;
    // Who waits for records is not idle.
    let mut polling = broker.connect().await;
    let request = fetch("t", &[(0, 0)]).with_max_wait_ms(600).with_min_bytes(1);
    let id = polling.send(12, &request).await;
    let mut fourth = broker.connect().await;
    fourth.assert_closed().await;
    idle.assert_closed().await;
    slow.assert_closed().await;
    polling.receive::<FetchRequest>(12, id).await;
    let refused = broker.server.metrics().refusals_total;
    for why in [("connections", 1), ("idle", 1), ("slow_sender", 1)] {
        assert!(refused.contains(&why), "{why:?} is not in {refused:?}");
    }
}

#[tokio::test]
async fn closing_does_not_wait_for_long_polls() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    let mut client = broker.connect().await;
    let request = fetch("t", &[(0, 0)]).with_max_wait_ms(60_000).with_min_bytes(1);
    client.send(12, &request).await;
    client.send(9, &produce(1, "unknown", Vec::new())).await;
    tokio::time::timeout(Duration::from_secs(5), broker.server.close()).await.unwrap();
}
