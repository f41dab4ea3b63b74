//! Topics, their partitions, and where they are: on the only node.
//!
//! A topic that is asked for by name is made where the configuration and the client allow it.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse};
use kafka_protocol::protocol::StrBytes;
use tidemill_log::{LeaderEpoch, TopicError, TopicName};

use super::{Call, ErrorCode};
use crate::broker::NODE_ID;

pub(super) async fn handle(call: &Call<'_>, request: MetadataRequest) -> MetadataResponse {
    let topics = match wanted(call.version, request.topics) {
        None => all(call),
        Some(wanted) => {
            let may_create = request.allow_auto_topic_creation || call.version < 4;
            let mut topics = Vec::new();
            for topic in wanted {
                topics.push(one(call, topic, may_create).await);
            }
            topics
        }
    };
    let advertised = &call.peer.advertised;
    let node = MetadataResponseBroker::default()
        .with_node_id(NODE_ID.into())
        .with_host(StrBytes::from_string(advertised.host.clone()))
        .with_port(advertised.port.into());
    MetadataResponse::default()
        .with_brokers(vec![node])
        .with_cluster_id(Some(StrBytes::from_string(call.broker.cluster_id.clone())))
        .with_controller_id(NODE_ID.into())
        .with_topics(topics)
}

/// Which topics are asked for; `None`: all of them.
fn wanted(
    version: i16,
    topics: Option<Vec<MetadataRequestTopic>>,
) -> Option<Vec<MetadataRequestTopic>> {
    // Version 0 cannot say "none".
    topics.filter(|topics| version > 0 || !topics.is_empty())
}

fn all(call: &Call<'_>) -> Vec<MetadataResponseTopic> {
    let names = call.log().topics().into_iter();
    let described = names.filter_map(|name| {
        // It may have been deleted meanwhile.
        let epochs = call.log().leader_epochs(&name)?;
        Some(known(&name, epochs))
    });
    described.collect()
}

async fn one(
    call: &Call<'_>,
    wanted: MetadataRequestTopic,
    may_create: bool,
) -> MetadataResponseTopic {
    // Without a name there is an id, which only later versions have.
    let written = wanted.name.unwrap_or_default();
    let failed = |error: ErrorCode| {
        MetadataResponseTopic::default()
            .with_error_code(error.code())
            .with_name(Some(written.clone()))
    };
    let Ok(name) = TopicName::new(&written) else { return failed(ErrorCode::InvalidTopic) };
    if let Some(epochs) = call.log().leader_epochs(&name) {
        return known(&name, epochs);
    }
    let Some(auto_create) = call.broker.auto_create.as_ref().filter(|_| may_create) else {
        return failed(ErrorCode::UnknownTopicOrPartition);
    };
    match call.log().create_topic(&name, auto_create.topic.clone()).await {
        Ok(()) | Err(TopicError::Exists { .. }) => {}
        Err(error) => {
            tracing::warn!(topic = %name, %error, "topic not created for a client");
            return failed(ErrorCode::of_topic(&error));
        }
    }
    match call.log().leader_epochs(&name) {
        Some(epochs) => known(&name, epochs),
        None => failed(ErrorCode::UnknownTopicOrPartition),
    }
}

fn known(name: &TopicName, epochs: Vec<LeaderEpoch>) -> MetadataResponseTopic {
    let partitions = (0..).zip(epochs).map(|(index, epoch)| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(NODE_ID.into())
            .with_leader_epoch(epoch.get())
            .with_replica_nodes(vec![NODE_ID.into()])
            .with_isr_nodes(vec![NODE_ID.into()])
    });
    MetadataResponseTopic::default()
        .with_name(Some(StrBytes::from_string(name.as_str().to_owned()).into()))
        .with_is_internal(name.is_internal())
        .with_partitions(partitions.collect())
}
