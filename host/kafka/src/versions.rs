//! Which APIs are spoken, in which versions: the one place that says so.
//!
//! **Nothing is advertised that is not implemented.** Each row has its handler in
//! [`api`](crate::api); a test compares the two.

use std::ops::RangeInclusive;

use kafka_protocol::messages::ApiKey;

use crate::request::schema::{self, Schema};

/// One API.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub key: ApiKey,
    /// What ApiVersions says.
    pub versions: RangeInclusive<i16>,
    /// How a request is laid out.
    pub schema: Schema,
    /// A larger request is refused; the server's own limit may be lower still.
    pub bytes_max: usize,
}

/// Enough for everything but records.
const SMALL: usize = 4 << 20;
/// Group members describe themselves at length.
const MEDIUM: usize = 16 << 20;
/// Left to the server's limit.
const LARGE: usize = usize::MAX;

const fn api(key: ApiKey, first: i16, last: i16, schema: Schema, bytes_max: usize) -> Api {
    Api { key, versions: first..=last, schema, bytes_max }
}

/// All APIs. kafka-python infers the broker's version from them: keep the maxima of one
/// release of Kafka.
pub(crate) static APIS: &[Api] = &[
    // Versions 0 to 2 carry old record formats. librdkafka before 2.11.1 drops compression
    // silently where 0 is not advertised; it never sends one.
    api(ApiKey::Produce, 0, 9, schema::PRODUCE, LARGE),
    // 13 and later name topics by id.
    api(ApiKey::Fetch, 4, 12, schema::FETCH, SMALL),
    api(ApiKey::ListOffsets, 1, 7, schema::LIST_OFFSETS, SMALL),
    // 10 and later name topics by id.
    api(ApiKey::Metadata, 0, 9, schema::METADATA, SMALL),
    // 9 has the offsets of many groups at once, and of the new protocol.
    api(ApiKey::OffsetCommit, 2, 8, schema::OFFSET_COMMIT, SMALL),
    api(ApiKey::OffsetFetch, 1, 7, schema::OFFSET_FETCH, SMALL),
    // 4 asks for many coordinators at once.
    api(ApiKey::FindCoordinator, 0, 3, schema::FIND_COORDINATOR, SMALL),
    api(ApiKey::JoinGroup, 0, 7, schema::JOIN_GROUP, MEDIUM),
    api(ApiKey::Heartbeat, 0, 4, schema::HEARTBEAT, SMALL),
    api(ApiKey::LeaveGroup, 0, 4, schema::LEAVE_GROUP, SMALL),
    api(ApiKey::SyncGroup, 0, 5, schema::SYNC_GROUP, MEDIUM),
    api(ApiKey::DescribeGroups, 0, 5, schema::DESCRIBE_GROUPS, SMALL),
    api(ApiKey::ListGroups, 0, 4, schema::LIST_GROUPS, SMALL),
    api(ApiKey::ApiVersions, 0, 4, schema::API_VERSIONS, SMALL),
    api(ApiKey::DeleteGroups, 0, 2, schema::DELETE_GROUPS, SMALL),
    api(ApiKey::OffsetDelete, 0, 0, schema::OFFSET_DELETE, SMALL),
    api(ApiKey::InitProducerId, 0, 4, schema::INIT_PRODUCER_ID, SMALL),
    api(ApiKey::OffsetForLeaderEpoch, 2, 4, schema::OFFSET_FOR_LEADER_EPOCH, SMALL),
    api(ApiKey::DescribeCluster, 0, 0, schema::DESCRIBE_CLUSTER, SMALL),
    api(ApiKey::CreateTopics, 2, 5, schema::CREATE_TOPICS, SMALL),
    // 6 and later name topics by id.
    api(ApiKey::DeleteTopics, 1, 5, schema::DELETE_TOPICS, SMALL),
    api(ApiKey::CreatePartitions, 0, 2, schema::CREATE_PARTITIONS, SMALL),
    api(ApiKey::DeleteRecords, 0, 2, schema::DELETE_RECORDS, SMALL),
    api(ApiKey::DescribeConfigs, 1, 4, schema::DESCRIBE_CONFIGS, SMALL),
    api(ApiKey::AlterConfigs, 0, 2, schema::ALTER_CONFIGS, SMALL),
    api(ApiKey::IncrementalAlterConfigs, 0, 1, schema::INCREMENTAL_ALTER_CONFIGS, SMALL),
];

impl Api {
    /// The row of `key`, as it stands in a request's header.
    pub(crate) fn of(key: i16) -> Option<&'static Self> {
        APIS.iter().find(|api| api.key as i16 == key)
    }

    /// Where the API stands in [`APIS`].
    pub(crate) fn index(&self) -> usize {
        APIS.iter().position(|api| api.key == self.key).unwrap_or(0)
    }

    /// Whether requests of `version` have compact lengths and tagged fields.
    pub(crate) const fn is_flexible(&self, version: i16) -> bool {
        version >= self.schema.flexible_since
    }
}
