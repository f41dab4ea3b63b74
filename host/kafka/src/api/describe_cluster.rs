//! The cluster: one node.

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;

use super::Call;
use crate::broker::NODE_ID;

pub(super) async fn handle(
    call: &Call<'_>,
    _request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let advertised = &call.peer.advertised;
    let node = DescribeClusterBroker::default()
        .with_broker_id(NODE_ID.into())
        .with_host(StrBytes::from_string(advertised.host.clone()))
        .with_port(advertised.port.into());
    DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(call.broker.cluster_id.clone()))
        .with_controller_id(NODE_ID.into())
        .with_brokers(vec![node])
}
