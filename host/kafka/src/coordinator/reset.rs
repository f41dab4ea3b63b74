//! Where a group is to go on: planned first, so that it can be shown, then set.

use tidemill_log::{Isolation, Offset, TopicPartition};

use super::{Coordinator, CoordinatorError};

/// Where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// With the first record that is there.
    Earliest,
    /// With the next one that is written.
    Latest,
    /// At an offset, or where the partition begins or ends if it is beyond.
    Offset(i64),
    /// With the first record of this time or later: milliseconds since 1970-01-01 UTC.
    Time(i64),
    /// So many records further on than was committed, or back.
    By(i64),
}

/// One partition's move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The partition.
    pub at: TopicPartition,
    /// What is committed.
    pub from: Option<Offset>,
    /// What is to be.
    pub to: Offset,
}

/// What a partition has.
#[derive(Clone, Copy, Debug)]
struct Facts {
    committed: Option<Offset>,
    start: Offset,
    end: Offset,
    /// Of the first record of the time asked for or later.
    at_time: Option<Offset>,
}

impl Coordinator {
    /// Says where `group` would go on in each of `partitions`, or in each that it has committed.
    /// Nothing is changed.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    pub async fn plan_reset(
        &self,
        group: &str,
        partitions: Option<Vec<TopicPartition>>,
        destination: Destination,
    ) -> Result<Vec<Move>, CoordinatorError> {
        self.check_reset(group)?;
        let partitions = match partitions {
            Some(partitions) => partitions,
            None => self.known_partitions(group)?,
        };
        let (coordinator, group) = (self.clone(), group.to_owned());
        // Looking for a time reads from the disk.
        let plan = tokio::task::spawn_blocking(move || {
            let one = |at| coordinator.plan_one(&group, at, destination);
            partitions.into_iter().map(one).collect()
        });
        plan.await.unwrap_or_else(|lost| std::panic::resume_unwind(lost.into_panic()))
    }

    fn known_partitions(&self, group: &str) -> Result<Vec<TopicPartition>, CoordinatorError> {
        let known: Vec<_> =
            self.shared.log.committed(group).into_iter().map(|(at, _)| at).collect();
        if known.is_empty() {
            return Err(CoordinatorError::Unknown { group: group.to_owned() });
        }
        Ok(known)
    }

    fn plan_one(
        &self,
        group: &str,
        at: TopicPartition,
        destination: Destination,
    ) -> Result<Move, CoordinatorError> {
        let log = &self.shared.log;
        let offsets = log.offsets(&at)?;
        let at_time = match destination {
            Destination::Time(time) => log
                .offset_for_timestamp(&at, time, Isolation::Uncommitted)?
                .map(|(offset, _)| offset),
            _ => None,
        };
        let from = log.committed_at(group, &at).map(|committed| committed.offset);
        let (start, end) = (offsets.log_start, offsets.high_watermark);
        match decide(destination, Facts { committed: from, start, end, at_time }) {
            Some(to) => Ok(Move { at, from, to }),
            None => Err(CoordinatorError::NothingCommitted { group: group.to_owned(), at }),
        }
    }
}

/// `None` where there is nothing to count from.
fn decide(destination: Destination, facts: Facts) -> Option<Offset> {
    let wanted = match destination {
        Destination::Earliest => facts.start,
        Destination::Latest => facts.end,
        Destination::Offset(offset) => Offset::new(offset),
        Destination::Time(_) => facts.at_time.unwrap_or(facts.end),
        Destination::By(count) => facts.committed?.plus(count),
    };
    Some(wanted.clamp(facts.start, facts.end.max(facts.start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_destination_is_a_place_that_is_there() {
        let new = Offset::new;
        let facts = |committed: Option<i64>, at_time: Option<i64>| Facts {
            committed: committed.map(new),
            start: new(10),
            end: new(20),
            at_time: at_time.map(new),
        };
        for (destination, facts, expected) in [
            (Destination::Earliest, facts(None, None), Some(10)),
            (Destination::Latest, facts(Some(12), None), Some(20)),
            (Destination::Offset(15), facts(None, None), Some(15)),
            (Destination::Offset(3), facts(None, None), Some(10)),
            (Destination::Offset(99), facts(None, None), Some(20)),
            (Destination::Time(1), facts(None, Some(17)), Some(17)),
            (Destination::Time(1), facts(None, None), Some(20)),
            (Destination::By(-2), facts(Some(15), None), Some(13)),
            (Destination::By(-9), facts(Some(15), None), Some(10)),
            (Destination::By(i64::MAX), facts(Some(15), None), Some(20)),
            (Destination::By(1), facts(None, None), None),
        ] {
            assert_eq!(decide(destination, facts), expected.map(new), "{destination:?}");
        }
    }
}
