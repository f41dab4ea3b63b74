//! The markers that tell readers how a transaction ended, in every partition it touched.

use std::sync::Arc;

use futures::future::join_all;

use super::coordinator::Open;
use crate::batch::ControlKind;
use crate::identity::{Offset, ProducerEpoch, ProducerId};
use crate::partition::{AppendError, Partition};

/// Markers in all partitions of a transaction.
pub(super) struct Markers {
    /// The offset after each.
    pub ends: Vec<(Arc<Partition>, Offset)>,
    /// Those that readers do not see before the next sync.
    pub hidden: Vec<(Arc<Partition>, Offset)>,
    /// The first error, if any. The other markers are written all the same.
    pub error: Option<AppendError>,
}

pub(super) fn write_markers(
    open: &Open,
    kind: ControlKind,
    producer_id: ProducerId,
    epoch: ProducerEpoch,
) -> Markers {
    let mut markers = Markers { ends: Vec::new(), hidden: Vec::new(), error: None };
    for partition in open.partitions.values() {
        match partition.write_marker(kind, producer_id, epoch) {
            Ok(marked) => {
                markers.ends.push((partition.clone(), marked.end));
                if !marked.visible {
                    markers.hidden.push((partition.clone(), marked.end));
                }
            }
            // Its records are gone, marker or not.
            Err(AppendError::Deleted { .. }) => {}
            Err(error) => markers.error = markers.error.or(Some(error)),
        }
    }
    markers
}

/// Makes what the transaction wrote durable, in all partitions at the same time.
pub(super) async fn make_durable(open: &Open) -> Result<(), AppendError> {
    let ends = open.partitions.values().map(|partition| (partition.clone(), partition.end()));
    wait_all(ends.collect()).await
}

pub(super) async fn wait_all(ends: Vec<(Arc<Partition>, Offset)>) -> Result<(), AppendError> {
    let waits = ends.iter().map(|(partition, end)| partition.wait_durable(*end));
    join_all(waits).await.into_iter().collect()
}
