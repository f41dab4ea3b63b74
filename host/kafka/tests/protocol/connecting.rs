//! What a client does first: versions, metadata, and what it may not do.

use bytes::Buf;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, DescribeClusterRequest, MetadataRequest,
};
use kafka_protocol::protocol::{Decodable, StrBytes};
use tidemill_kafka::{Config, Limits};

use crate::harness::{TestBroker, config, encode};

fn named(name: &'static str) -> MetadataRequest {
    let topic =
        MetadataRequestTopic::default().with_name(Some(StrBytes::from_static_str(name).into()));
    MetadataRequest::default().with_topics(Some(vec![topic]))
}

#[tokio::test]
async fn all_advertised_apis_are_told_in_every_version() {
    let broker = TestBroker::start().await;
    let mut client = broker.connect().await;
    for version in 0..=4 {
        let request = ApiVersionsRequest::default();
        let request = if version >= 3 {
            request
                .with_client_software_name(StrBytes::from_static_str("test"))
                .with_client_software_version(StrBytes::from_static_str("1"))
        } else {
            request
        };
        let response = client.call(version, request).await;
        assert_eq!(response.error_code, 0);
        let own = response.api_keys.iter().find(|api| api.api_key == 18).unwrap();
        assert_eq!((own.min_version, own.max_version), (0, 4));
    }
}

#[tokio::test]
async fn a_newer_client_learns_which_version_to_try() {
    let broker = TestBroker::start().await;
    let mut client = broker.connect().await;
    let mut frame = encode(4, 7, &ApiVersionsRequest::default()).to_vec();
    frame[7] = 99;
    client.send_bytes(&frame).await;
    let mut answer = client.receive_frame().await.unwrap();
    assert_eq!(answer.get_i32(), 7);
    let response = ApiVersionsResponse::decode(&mut answer, 0).unwrap();
    assert_eq!(response.error_code, 35);
    let own = &response.api_keys[0];
    assert_eq!((own.api_key, own.min_version, own.max_version), (18, 0, 4));
    // The connection goes on.
    assert_eq!(client.call(0, ApiVersionsRequest::default()).await.error_code, 0);
}

#[tokio::test]
async fn an_unknown_api_or_version_ends_the_connection() {
    let broker = TestBroker::start().await;
    let metadata = encode(9, 1, &MetadataRequest::default());
    for (at, value) in [(5, 200), (7, 13), (6, 0x80)] {
        let mut client = broker.connect().await;
        let mut frame = metadata.to_vec();
        frame[at] = value;
        client.send_bytes(&frame).await;
        client.assert_closed().await;
    }
    let refused = broker.server.metrics().refusals_total;
    assert!(refused.contains(&("unsupported", 3)), "{refused:?}");
}

#[tokio::test]
async fn metadata_in_every_version() {
    let broker = TestBroker::start().await;
    broker.create_topic("lines", 3).await;
    let mut client = broker.connect().await;
    for version in 0..=9 {
        let response = client.call(version, named("lines")).await;
        let node = &response.brokers[0];
        assert_eq!(node.host.as_str(), "127.0.0.1");
        assert_eq!(node.port, i32::from(broker.addresses[0].port()));
        let topic = &response.topics[0];
        assert_eq!((topic.error_code, topic.partitions.len()), (0, 3), "version {version}");
        assert!(topic.partitions.iter().all(|it| it.leader_id == node.node_id));
        if version >= 2 {
            assert_eq!(response.cluster_id.as_ref().unwrap().len(), 22);
        }
    }
}

#[tokio::test]
async fn no_topics_and_all_topics_are_two_questions() {
    let broker = TestBroker::start().await;
    broker.create_topic("lines", 1).await;
    let mut client = broker.connect().await;
    let none = MetadataRequest::default().with_topics(Some(Vec::new()));
    let all = MetadataRequest::default().with_topics(None);
    let names = |response: kafka_protocol::messages::MetadataResponse| {
        let names = response.topics.into_iter().map(|topic| topic.name.unwrap().to_string());
        names.filter(|name| !name.starts_with("__")).collect::<Vec<_>>()
    };
    assert_eq!(names(client.call(0, none.clone()).await), ["lines"]);
    assert!(names(client.call(1, none).await).is_empty());
    assert_eq!(names(client.call(9, all).await), ["lines"]);
}

#[tokio::test]
async fn a_topic_is_made_on_demand_where_both_sides_allow_it() {
    let broker = TestBroker::start().await;
    let mut client = broker.connect().await;
    let asks = |may_create| named("made").with_allow_auto_topic_creation(may_create);
    assert_eq!(client.call(9, asks(false)).await.topics[0].error_code, 3);
    assert_eq!(client.call(9, asks(true)).await.topics[0].error_code, 0);
    assert_eq!(client.call(9, asks(false)).await.topics[0].error_code, 0);
    assert_eq!(client.call(9, named("not/allowed")).await.topics[0].error_code, 17);
    let strict = TestBroker::start_with(Config { auto_create: None, ..config() }).await;
    let mut client = strict.connect().await;
    assert_eq!(client.call(9, asks(true)).await.topics[0].error_code, 3);
}

#[tokio::test]
async fn the_cluster_keeps_its_id() {
    let broker = TestBroker::start().await;
    let before = broker.connect().await.call(0, DescribeClusterRequest::default()).await;
    let broker = broker.restart().await;
    let after = broker.connect().await.call(0, DescribeClusterRequest::default()).await;
    assert_eq!(before.cluster_id, after.cluster_id);
    assert_ne!(before.cluster_id.as_str(), "AAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(after.brokers.len(), 1);
}

#[tokio::test]
async fn each_listener_tells_its_own_address() {
    let listeners = ["127.0.0.1:0", "[::1]:0", "127.0.0.1:0=broker.example:19092"];
    let listeners = listeners.map(|written| written.parse().unwrap()).to_vec();
    let broker = TestBroker::start_with(Config { listeners, ..config() }).await;
    let mut told = Vec::new();
    for address in &broker.addresses {
        let mut client = crate::harness::Client::connect(*address).await;
        let response = client.call(9, MetadataRequest::default()).await;
        told.push(format!("{}:{}", response.brokers[0].host, response.brokers[0].port));
    }
    let port = |index: usize| broker.addresses[index].port();
    let expected = [
        format!("127.0.0.1:{}", port(0)),
        format!("::1:{}", port(1)),
        "broker.example:19092".to_owned(),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn requests_that_lie_or_are_too_large_end_the_connection() {
    let limits = Limits { request_bytes_max: 1 << 20, ..Limits::default() };
    let broker = TestBroker::start_with(Config { limits, ..config() }).await;
    let metadata = |claimed: u32| {
        let mut frame = claimed.to_be_bytes().to_vec();
        frame.extend([0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff]);
        frame.extend(i32::MAX.to_be_bytes());
        frame
    };
    for claimed in [14, 2 << 20, u32::MAX, 0] {
        let mut client = broker.connect().await;
        client.send_bytes(&metadata(claimed)).await;
        client.assert_closed().await;
    }
    let refused = broker.server.metrics().refusals_total;
    assert!(refused.contains(&("malformed", 3)), "{refused:?}");
    assert!(refused.contains(&("request_too_large", 1)), "{refused:?}");
}

#[tokio::test]
async fn closing_ends_idle_connections() {
    let broker = TestBroker::start().await;
    let mut client = broker.connect().await;
    client.call(0, ApiVersionsRequest::default()).await;
    broker.server.close().await;
    client.assert_closed().await;
    assert_eq!(broker.server.metrics().connections, 0);
}
