//! What a fetch wants, partition by partition.

use indexmap::IndexMap;
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::protocol::StrBytes;
use tidemill_log::{Offset, TopicPartition};

use crate::api::place;

/// A partition as the client wrote it, which need not exist.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub topic: StrBytes,
    pub partition: i32,
}

/// What is wanted of one partition, and what was last told about it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// `None` where the name or the number can never exist.
    pub at: Option<TopicPartition>,
    pub from: Offset,
    pub bytes_max: usize,
    /// The epoch that the client believes in; negative: none.
    pub leader_epoch: i32,
    /// What the last response said; `None` before the first.
    pub told: Option<Told>,
}

/// What a response says of a partition beside its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub error: i16,
    pub high_watermark: i64,
    pub last_stable: i64,
    pub log_start: i64,
}

/// All partitions of a fetch, in the order in which they are served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub partitions: IndexMap<Key, Wanted>,
    /// Where the next fetch begins, so that none starves where the first fill the response.
    pub first: usize,
}

impl Plan {
    /// Takes over what a request says; what it does not name stays as it is.
    pub(crate) fn update(&mut self, topics: Vec<FetchTopic>) {
        for topic in topics {
            // Of its own: the request's bytes are not kept for a name.
            let name = StrBytes::from_string(topic.topic.to_string());
            for partition in topic.partitions {
                let key = Key { topic: name.clone(), partition: partition.partition };
                let told = self.partitions.get(&key).and_then(|known| known.told);
                let wanted = Wanted {
                    at: place(&name, partition.partition),
                    from: Offset::new(partition.fetch_offset),
                    bytes_max: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
                    leader_epoch: partition.current_leader_epoch,
                    told,
                };
                self.partitions.insert(key, wanted);
            }
        }
    }

    pub(crate) fn forget(&mut self, topic: &StrBytes, partition: i32) {
        self.partitions.shift_remove(&Key { topic: topic.clone(), partition });
    }

    /// The places of all partitions, beginning with the one whose turn it is.
    pub(crate) fn turns(&self) -> impl Iterator<Item = usize> + use<> {
        let count = self.partitions.len();
        let first = if count == 0 { 0 } else { self.first % count };
        (first..count).chain(0..first)
    }
}
