//! Topics made, changed and deleted, and their settings, as admin clients do it.

use kafka_protocol::messages::alter_configs_request::{
    AlterConfigsResource as Replaced, AlterableConfig as ReplacedConfig,
};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    AlterConfigsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
};
use kafka_protocol::protocol::StrBytes;
use tidemill_log::{BatchBuilder, PartitionId, TopicName, TopicPartition};

use crate::harness::{Client, TestBroker};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn name(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn wanted(name: &str, partitions: i32, configs: &[(&str, &str)]) -> CreatableTopic {
    let configs = configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
    });
    CreatableTopic::default()
        .with_name(text(name).into())
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(configs.collect())
}

/// Error code and message of each topic.
async fn create(
    client: &mut Client,
    version: i16,
    topics: Vec<CreatableTopic>,
    validate_only: bool,
) -> Vec<(i16, String)> {
    let request =
        CreateTopicsRequest::default().with_topics(topics).with_validate_only(validate_only);
    let response = client.call(version, request).await;
    let outcome = response.topics.into_iter();
    outcome.map(|it| (it.error_code, it.error_message.unwrap_or_default().to_string())).collect()
}

fn done() -> (i16, String) {
    (0, String::new())
}

/// A setting's name, what is done with it, and its value.
type Change<'a> = (&'a str, i8, Option<&'a str>);

#[tokio::test]
async fn topics_are_made_and_deleted_in_every_version() {
    let broker = TestBroker::start().await;
    let mut client = broker.connect().await;
    for version in 2..=5 {
        let made = create(&mut client, version, vec![wanted("t", 3, &[])], false).await;
        assert_eq!(made, [done()], "{version}");
        assert_eq!(broker.log.describe(&name("t")).unwrap().partitions.len(), 3);
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![text("t").into(), text("unknown").into()]);
        let deleted = client.call(version, request).await;
        let codes: Vec<_> = deleted.responses.iter().map(|it| it.error_code).collect();
        assert_eq!(codes, [0, 3], "{version}");
        assert!(broker.log.describe(&name("t")).is_none());
    }
}

#[tokio::test]
async fn a_topic_that_cannot_be_is_refused_in_kafkas_words() {
    let broker = TestBroker::start().await;
    broker.create_topic("there", 1).await;
    let mut client = broker.connect().await;
    let assigned = wanted("t", -1, &[])
        .with_assignments(vec![CreatableReplicaAssignment::default().with_partition_index(0)]);
    let table = [
        (wanted("there", 1, &[]), 36, "Topic 'there' already exists."),
        (wanted("t", 0, &[]), 37, "Number of partitions was set to an invalid non-positive value."),
        (
            wanted("t", 1, &[]).with_replication_factor(3),
            38,
            "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot \
             be reached because only 1 broker(s) are registered.",
        ),
        (
            wanted("t", 1, &[("min.insync.replicas", "2")]),
            40,
            "Unknown topic config name: min.insync.replicas",
        ),
        (
            wanted("t", 1, &[("cleanup.policy", "shred")]),
            40,
            "invalid value shred for cleanup.policy: delete, compact, or both",
        ),
        (assigned, 39, "Replicas cannot be assigned: there is one broker, which has them all."),
    ];
    for (topic, code, message) in table {
        for validate_only in [true, false] {
            let made = create(&mut client, 5, vec![topic.clone()], validate_only).await;
            assert_eq!(made, [(code, message.to_owned())]);
        }
    }
    let twice = vec![wanted("twice", 1, &[]), wanted("twice", 2, &[])];
    let made = create(&mut client, 5, twice, false).await;
    assert_eq!(made, [(42, "Duplicate topic name.".to_owned())]);
    let dry = create(&mut client, 5, vec![wanted("t", -1, &[])], true).await;
    assert_eq!(dry, [done()]);
    assert!(
        broker.log.describe(&name("t")).is_none() && broker.log.describe(&name("twice")).is_none()
    );
}

#[tokio::test]
async fn partitions_are_added_but_never_taken_away() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 2).await;
    let mut client = broker.connect().await;
    let mut total = 2;
    for version in 0..=2 {
        total += 1;
        for (count, validate_only, code) in [(total, true, 0), (total, false, 0), (1, false, 37)] {
            let topic =
                CreatePartitionsTopic::default().with_name(text("t").into()).with_count(count);
            let request = CreatePartitionsRequest::default()
                .with_topics(vec![topic.with_assignments(None)])
                .with_validate_only(validate_only);
            let answer = client.call(version, request).await;
            assert_eq!(answer.results[0].error_code, code, "{version} {count}");
        }
        let partitions = broker.log.describe(&name("t")).unwrap().partitions.len();
        assert_eq!(partitions, usize::try_from(total).unwrap());
    }
}

async fn describe(
    client: &mut Client,
    version: i16,
    kind: i8,
    resource: &str,
    keys: Option<&[&str]>,
) -> DescribeConfigsResult {
    let keys = keys.map(|keys| keys.iter().map(|key| text(key)).collect());
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(resource))
        .with_configuration_keys(keys);
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true)
        .with_include_documentation(version >= 3);
    client.call(version, request).await.results.remove(0)
}

/// Value and source of a topic's setting.
async fn setting(client: &mut Client, topic: &str, key: &str) -> (String, i8) {
    let described = describe(client, 4, TOPIC, topic, Some(&[key])).await;
    let config = &described.configs[0];
    (config.value.clone().unwrap().to_string(), config.config_source)
}

#[tokio::test]
async fn settings_are_described_with_their_sources() {
    let broker = TestBroker::start().await;
    let mut client = broker.connect().await;
    let topic = wanted("t", 1, &[("cleanup.policy", "compact"), ("retention.ms", "604800000")]);
    assert_eq!(create(&mut client, 5, vec![topic], false).await, [done()]);
    for version in 1..=4 {
        let described = describe(&mut client, version, TOPIC, "t", None).await;
        assert_eq!((described.error_code, described.configs.len()), (0, 14), "{version}");
        let of = |key: &str| described.configs.iter().find(|it| &*it.name == key).unwrap();
        let policy = of("cleanup.policy");
        assert_eq!((policy.value.as_deref(), policy.config_source), (Some("compact"), 1));
        let synonyms: Vec<_> =
            policy.synonyms.iter().map(|it| (it.name.to_string(), it.source)).collect();
        let expected = [("cleanup.policy".to_owned(), 1), ("log.cleanup.policy".to_owned(), 5)];
        assert_eq!(synonyms, expected);
        // Chosen, though it is the default.
        assert_eq!(of("retention.ms").config_source, 1);
        assert_eq!(of("segment.bytes").config_source, 5);
        assert_eq!(of("flush.messages").value.as_deref(), Some("1"));
        let documentation = of("flush.messages").documentation.clone().unwrap_or_default();
        assert_eq!(!documentation.is_empty(), version >= 3);
    }
    assert_eq!(describe(&mut client, 4, TOPIC, "unknown", None).await.error_code, 3);
    let own = describe(&mut client, 4, BROKER, "1", Some(&["log.retention.ms"])).await;
    assert_eq!((own.error_code, own.configs.len(), own.configs[0].read_only), (0, 1, true));
    let other = describe(&mut client, 4, BROKER, "2", None).await;
    assert_eq!(other.error_code, 42);
}

#[tokio::test]
async fn settings_change_one_by_one_or_all_at_once() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    let mut client = broker.connect().await;
    let incremental = |changes: &[(&str, i8, Option<&str>)], validate_only| {
        let configs = changes.iter().map(|(name, operation, value)| {
            AlterableConfig::default()
                .with_name(text(name))
                .with_config_operation(*operation)
                .with_value(value.map(text))
        });
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("t"))
            .with_configs(configs.collect());
        IncrementalAlterConfigsRequest::default()
            .with_resources(vec![resource])
            .with_validate_only(validate_only)
    };
    let (set, delete, append, subtract) = (0, 1, 2, 3);
    let table: [(&[Change<'_>], i16); 7] = [
        (&[("retention.ms", set, Some("1000")), ("segment.ms", set, Some("5"))], 0),
        (&[("cleanup.policy", append, Some("compact"))], 0),
        (&[("cleanup.policy", subtract, Some("delete"))], 0),
        (&[("cleanup.policy", subtract, Some("compact"))], 40),
        (&[("retention.ms", append, Some("1"))], 40),
        (
            &[("segment.ms", delete, None), ("unclean.leader.election.enable", set, Some("true"))],
            40,
        ),
        (&[("segment.ms", delete, None), ("segment.ms", delete, None)], 42),
    ];
    for version in 0..=1 {
        for (changes, code) in table {
            let answer = client.call(version, incremental(changes, false)).await;
            assert_eq!(answer.responses[0].error_code, code, "{changes:?}");
            // As it was, for the next round.
            if changes[0].0 == "retention.ms" && code == 0 {
                let dry = incremental(&[("retention.ms", set, Some("7"))], true);
                assert_eq!(client.call(version, dry).await.responses[0].error_code, 0);
                assert_eq!(setting(&mut client, "t", "retention.ms").await, ("1000".into(), 1));
            }
        }
        assert_eq!(setting(&mut client, "t", "cleanup.policy").await, ("compact".into(), 1));
        assert_eq!(setting(&mut client, "t", "segment.ms").await, ("5".into(), 1));
        let reset = incremental(&[("cleanup.policy", delete, None)], false);
        assert_eq!(client.call(version, reset).await.responses[0].error_code, 0);
        assert_eq!(setting(&mut client, "t", "cleanup.policy").await, ("delete".into(), 5));
    }
    for version in 0..=2 {
        let config = ReplacedConfig::default()
            .with_name(text("retention.bytes"))
            .with_value(Some(text("4096")));
        let resource = Replaced::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("t"))
            .with_configs(vec![config]);
        let request = AlterConfigsRequest::default().with_resources(vec![resource]);
        assert_eq!(client.call(version, request).await.responses[0].error_code, 0);
        assert_eq!(setting(&mut client, "t", "retention.bytes").await, ("4096".into(), 1));
        let retention = setting(&mut client, "t", "retention.ms").await;
        assert_eq!(retention, ("604800000".into(), 5), "what is not named is as by default");
    }
}

#[tokio::test]
async fn old_records_are_deleted_on_request() {
    let broker = TestBroker::start().await;
    broker.create_topic("t", 1).await;
    let at = TopicPartition::new(name("t"), PartitionId::new(0));
    let mut builder = BatchBuilder::new();
    for _ in 0..10 {
        builder.push(Some(b"k"), Some(b"v"), &[], 0).unwrap();
    }
    broker.log.append(&at, builder.finish().unwrap()).await.unwrap();
    let mut client = broker.connect().await;
    let mut delete = async |version, topic: &str, offset| {
        let partition =
            DeleteRecordsPartition::default().with_partition_index(0).with_offset(offset);
        let topic = DeleteRecordsTopic::default()
            .with_name(text(topic).into())
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
        let answer = client.call(version, request).await;
        let partition = &answer.topics[0].partitions[0];
        (partition.error_code, partition.low_watermark)
    };
    for (version, before) in [(0, 2), (1, 4), (2, 6)] {
        assert_eq!(delete(version, "t", before).await, (0, before));
    }
    assert_eq!(delete(2, "t", 3).await, (0, 6), "what is gone stays gone");
    assert_eq!(delete(2, "t", 11).await, (1, -1));
    assert_eq!(delete(2, "t", -2).await, (1, -1));
    assert_eq!(delete(2, "unknown", 1).await, (3, -1));
    assert_eq!(delete(2, "t", -1).await, (0, 10), "all of them");
}
