//! Where a pipeline goes on after a start, decided from what was read.
//! **A pipeline never starts over by itself where it has been before**: what does not fit together
//! is an error for a person, since going on would lose or double records.

use super::manifest::{Manifest, SourceOffset};
use super::pointer::{Pointer, PointerError};
use super::store::Newest;

/// What the log knows of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The committed offset.
    pub next: i64,
    /// The text that was committed beside it.
    pub metadata: String,
}

/// The facts.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The positions of the pipeline's consumer group on the topics that it reads now.
    pub committed: Vec<Seen>,
    /// What there is in the checkpoint store.
    pub newest: Newest,
    /// So many batches may have been in flight, each with files and without a commit.
    pub in_flight_max: u64,
}

/// Where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restore {
    /// It never committed a batch: begin with batch 0.
    Fresh,
    /// Load this manifest; the next batch is one above its.
    From(Pointer),
}

/// What does not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A position without a checkpoint.
    #[error(
        "partition {partition} of `{topic}` is committed at offset {next} without a pointer to a checkpoint"
    )]
    NoPointer {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The committed offset.
        next: i64,
    },
    /// A position with something else beside it.
    #[error("partition {partition} of `{topic}` is committed with a pointer that cannot be read")]
    Pointer {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Why not.
        #[source]
        source: PointerError,
    },
    /// Positions of different batches: one commit moves all of them.
    #[error(
        "partition {partition} of `{topic}` is committed with the checkpoint `{found}`, others with `{expected}`"
    )]
    Diverged {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Its checkpoint.
        found: Pointer,
        /// That of the partitions before it.
        expected: Pointer,
    },
    /// The store has been further than the log.
    #[error("the checkpoints go up to batch {newest}, but the log {}", committed.map_or_else(|| "has no commit".to_owned(), |batch| format!("commits batch {batch}")))]
    Gap {
        /// The newest batch with a manifest or plan.
        newest: u64,
        /// The last committed batch.
        committed: Option<u64>,
    },
    /// The manifest says otherwise than the log.
    #[error(
        "partition {partition} of `{topic}` is committed at {committed:?}, but batch {batch} ended at {recorded:?}"
    )]
    Position {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// In the log.
        committed: Option<i64>,
        /// In the manifest.
        recorded: Option<i64>,
        /// The manifest's batch.
        batch: u64,
    },
}

impl RestoreError {
    /// Never: the facts must change.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }

    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoPointer { .. } | Self::Position { .. } | Self::Diverged { .. } => {
                "something else commits to this pipeline's consumer group: keep it out, or delete the pipeline and apply it again to start over"
            }
            Self::Pointer { .. } => "start the Tidemill that wrote it, or delete the pipeline to start over",
            Self::Gap { .. } => {
                "log and checkpoints are not of one time: restore both from the same copy, or delete the pipeline and apply it again to start over"
            }
        }
        .to_owned()
    }
}

/// Decides from facts already read. No I/O, no clock.
/// # Errors
/// What does not fit together; nothing may run then.
pub fn decide_restore(seen: &Observed) -> Result<Restore, RestoreError> {
    let mut found: Option<Pointer> = None;
    for Seen { topic, partition, next, metadata } in &seen.committed {
        let (topic, partition) = (topic.clone(), *partition);
        if metadata.is_empty() {
            return Err(RestoreError::NoPointer { topic, partition, next: *next });
        }
        let pointer: Pointer = match metadata.parse() {
            Ok(pointer) => pointer,
            Err(source) => return Err(RestoreError::Pointer { topic, partition, source }),
        };
        match found {
            Some(expected) if expected != pointer => {
                return Err(RestoreError::Diverged { topic, partition, found: pointer, expected });
            }
            _ => found = Some(pointer),
        }
    }
    let committed = found.map(|pointer| pointer.batch);
    let newest = seen.newest.manifest.max(seen.newest.plan);
    // Batches in flight at a crash are the next ones after the last commit.
    let reach =
        committed.map_or(0, |batch| batch.saturating_add(1)).saturating_add(seen.in_flight_max);
    match newest {
        Some(newest) if newest >= reach => Err(RestoreError::Gap { newest, committed }),
        _ => Ok(found.map_or(Restore::Fresh, Restore::From)),
    }
}

/// Compares the log's positions with those in the manifest that they lead to. Partitions that the
/// manifest has and the pipeline reads no more are passed over.
/// # Errors
/// [`RestoreError::Position`] with the first difference.
pub fn check_positions(manifest: &Manifest, committed: &[Seen]) -> Result<(), RestoreError> {
    for seen in committed {
        let mine = |offset: &&SourceOffset| {
            offset.topic == seen.topic && offset.partition == seen.partition
        };
        let recorded = manifest.offsets.iter().find(mine).map(|offset| offset.next);
        if recorded != Some(seen.next) {
            return Err(RestoreError::Position {
                topic: seen.topic.clone(),
                partition: seen.partition,
                committed: Some(seen.next),
                recorded,
                batch: manifest.batch,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn pointer(batch: u64, id: u128) -> Pointer {
        Pointer { batch, id: Uuid::from_u128(id), length: 9, crc32: 7 }
    }

    fn seen(partition: u32, metadata: impl ToString) -> Seen {
        Seen { topic: "t".to_owned(), partition, next: 5, metadata: metadata.to_string() }
    }

    fn decide(committed: Vec<Seen>, manifest: Option<u64>, plan: Option<u64>) -> String {
        let newest = Newest { manifest, plan };
        match decide_restore(&Observed { committed, newest, in_flight_max: 2 }) {
            Ok(Restore::Fresh) => "fresh".to_owned(),
            Ok(Restore::From(pointer)) => format!("from {}", pointer.batch),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn goes_on_where_everything_fits() {
        let at = |batch| vec![seen(0, pointer(batch, 1)), seen(1, pointer(batch, 1))];
        for (committed, manifest, plan, expected) in [
            (vec![], None, None, "fresh"),
            // Killed before the first commit, with two batches in flight.
            (vec![], Some(1), Some(1), "fresh"),
            (at(7), Some(7), None, "from 7"),
            (at(7), Some(9), Some(9), "from 7"),
            // The manifest is looked for when it is loaded.
            (at(7), None, None, "from 7"),
            (at(u64::MAX), Some(u64::MAX - 1), None, "from 18446744073709551615"),
        ] {
            assert_eq!(decide(committed, manifest, plan), expected);
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let cases = [
            decide(vec![seen(0, "")], None, None),
            decide(vec![seen(0, pointer(1, 1)), seen(1, "")], None, None),
            decide(vec![seen(0, "tidemill9:x")], None, None),
            decide(vec![seen(0, pointer(1, 1)), seen(1, pointer(2, 1))], None, None),
            decide(vec![seen(0, pointer(1, 1)), seen(1, pointer(1, 2))], None, None),
            decide(vec![], Some(2), None),
            decide(vec![], None, Some(2)),
            decide(vec![seen(0, pointer(7, 1))], Some(10), None),
        ];
        insta::assert_snapshot!(cases.join("\n"));
    }

    #[test]
    fn compares_positions() {
        let mut manifest = super::super::tests::manifest(7);
        let offset = |partition, next| SourceOffset { topic: "t".to_owned(), partition, next };
        manifest.offsets = vec![offset(0, 5), offset(1, 6)];
        assert_eq!(check_positions(&manifest, &[seen(0, "")]), Ok(()));
        let wrong = check_positions(&manifest, &[seen(0, ""), seen(1, "")]);
        assert!(matches!(wrong, Err(RestoreError::Position { recorded: Some(6), .. })));
        let new = check_positions(&manifest, &[seen(2, "")]);
        assert!(matches!(new, Err(RestoreError::Position { recorded: None, .. })));
    }
}
