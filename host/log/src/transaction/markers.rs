//! The markers that tell readers how a transaction ended, in every partition it touched.

use std::sync::Arc;

use futures::future::join_all;

use super::coordinator::Open;
use crate::batch::ControlKind;
use crate::identity::{Offset, ProducerEpoch, ProducerId, TopicPartition};
use crate::partition::{AppendError, Partition};

/// The partitions that have their marker, and the offset after it.
pub(super) type Marked = Vec<(Arc<Partition>, Offset)>;

/// What came of writing markers.
#[derive(Default)]
pub(super) struct Markers {
    /// Those that readers do not see before the next sync.
    pub hidden: Marked,
    /// The first error, if any. The other markers are written all the same.
    pub error: Option<AppendError>,
    /// Whether some markers are still to be written, once the disk has room.
    pub is_partial: bool,
}

/// Writes markers to the partitions that are not among `marked`, and adds them.
pub(super) fn write_markers(
    open: &Open,
    marked: &mut Marked,
    kind: ControlKind,
    producer_id: ProducerId,
    epoch: ProducerEpoch,
) -> Markers {
    let mut markers = Markers::default();
    for partition in open.partitions.values() {
        if has_marker(marked, partition.at()) {
            continue;
        }
        match partition.write_marker(kind, producer_id, epoch) {
            Ok(written) => {
                marked.push((partition.clone(), written.end));
                if !written.visible {
                    markers.hidden.push((partition.clone(), written.end));
                }
            }
            // Its records are gone, marker or not.
            Err(AppendError::Deleted { .. }) => {}
            Err(error) => {
                if error.is_retryable() {
                    markers.is_partial = true;
                } else {
                    // The next start writes it: it never gets durable before.
                    marked.push((partition.clone(), NEVER));
                }
                markers.error = markers.error.or(Some(error));
            }
        }
    }
    markers
}

/// Nothing is ever durable up to here.
pub(super) const NEVER: Offset = Offset::new(i64::MAX);

pub(super) fn has_marker(marked: &Marked, at: &TopicPartition) -> bool {
    marked.iter().any(|(partition, _)| partition.at() == at)
}

/// Makes what the transaction wrote durable, in all partitions at the same time.
pub(super) async fn make_durable(open: &Open) -> Result<(), AppendError> {
    let ends = open.partitions.values().map(|partition| (partition.clone(), partition.end()));
    wait_all(ends.collect()).await
}

pub(super) async fn wait_all(ends: Marked) -> Result<(), AppendError> {
    let waits = ends.iter().map(|(partition, end)| partition.wait_durable(*end));
    join_all(waits).await.into_iter().collect()
}
