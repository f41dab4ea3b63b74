//! Step 1, plan: what the next batch reads, from facts already gathered.
//! **Pure**: the same facts give the same plan, and the same plan gives the same bytes.

use serde::{Deserialize, Serialize};

use super::watermark::Watermarks;
use crate::broker::{Bounds, TopicPartition};
use crate::rate;

/// Everything that a batch's result depends on, besides records, state and plugins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchPlan {
    /// Counted from 0 over the life of the pipeline.
    pub id: u64,
    /// The batch's time, milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// What is read, by source and partition. Empty where only windows are to be closed.
    pub ranges: Vec<PlannedRange>,
    /// By reducer.
    pub watermarks: Vec<Watermarks>,
    /// The trigger has ended and every window is closed, whatever the watermark was.
    pub flush: bool,
}

impl BatchPlan {
    /// Offsets that it covers: as many records, but for what retention or compaction took.
    #[must_use]
    pub fn records(&self) -> u64 {
        let counts = self.ranges.iter().map(|range| range.to.abs_diff(range.from));
        counts.fold(0, u64::saturating_add)
    }
}

/// Consecutive offsets of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRange {
    /// Index of the source.
    pub source: usize,
    /// Its partition.
    pub at: TopicPartition,
    /// The first offset.
    pub from: i64,
    /// One past the last.
    pub to: i64,
    /// One past the last that could have been read.
    pub latest: i64,
}

/// One partition of one source, just before planning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionFacts {
    /// Index of the source.
    pub source: usize,
    /// The partition.
    pub at: TopicPartition,
    /// The next offset to read.
    pub position: i64,
    /// What is there.
    pub bounds: Bounds,
}

impl PartitionFacts {
    /// Where reading goes on: a position that retention has overtaken moves to the oldest record.
    #[must_use]
    pub fn from(&self) -> i64 {
        self.position.max(self.bounds.start)
    }

    /// Offsets not yet read.
    #[must_use]
    pub fn lag(&self) -> u64 {
        u64::try_from(self.bounds.end - self.from()).unwrap_or(0)
    }

    fn bytes_unread(&self) -> u64 {
        let all = u64::try_from(self.bounds.end - self.bounds.start).unwrap_or(0).max(1);
        let share = u128::from(self.bounds.bytes) * u128::from(self.lag()) / u128::from(all);
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

/// What the next batch reads: everything, or as much as `records_max` and `bytes_max` allow, shared
/// over the partitions by how much of each is unread. `turn` is the batch's number: a limit below the
/// number of partitions goes round.
#[must_use]
pub fn plan_ranges(
    facts: &[PartitionFacts],
    records_max: Option<u64>,
    bytes_max: u64,
    turn: u64,
) -> Vec<PlannedRange> {
    let lags: Vec<u64> = facts.iter().map(PartitionFacts::lag).collect();
    let unread: u64 = lags.iter().sum();
    let bytes: u64 = facts.iter().map(PartitionFacts::bytes_unread).fold(0, u64::saturating_add);
    let fitting = match bytes {
        all if all <= bytes_max => unread,
        all => u64::try_from(u128::from(unread) * u128::from(bytes_max) / u128::from(all))
            .unwrap_or(unread)
            .max(1),
    };
    let limit = records_max.map_or(fitting, |most| most.max(1).min(fitting));
    let shares = if limit >= unread { lags } else { rate::share_in_turn(limit, &lags, turn) };
    let planned = facts.iter().zip(shares).filter(|(_, share)| *share > 0);
    planned
        .map(|(partition, share)| PlannedRange {
            source: partition.source,
            at: partition.at.clone(),
            from: partition.from(),
            to: partition.from().saturating_add_unsigned(share).min(partition.bounds.end),
            latest: partition.bounds.end,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(
        partition: u32,
        position: i64,
        start: i64,
        end: i64,
        bytes: u64,
    ) -> PartitionFacts {
        let at = TopicPartition { topic: "t".into(), partition };
        PartitionFacts { source: 0, at, position, bounds: Bounds { start, end, bytes } }
    }

    fn spans(ranges: &[PlannedRange]) -> Vec<(u32, i64, i64)> {
        ranges.iter().map(|range| (range.at.partition, range.from, range.to)).collect()
    }

    #[test]
    fn everything_is_read_where_nothing_limits() {
        let facts = [partition(0, 5, 0, 10, 1000), partition(1, 3, 0, 3, 300)];
        assert_eq!(spans(&plan_ranges(&facts, None, u64::MAX, 0)), [(0, 5, 10)]);
    }

    #[test]
    fn a_position_behind_retention_moves_to_the_oldest_record() {
        let facts = [partition(0, 5, 8, 10, 1000)];
        assert_eq!(spans(&plan_ranges(&facts, None, u64::MAX, 0)), [(0, 8, 10)]);
    }

    #[test]
    fn a_limit_is_shared_by_lag() {
        let facts = [partition(0, 0, 0, 900, 0), partition(1, 0, 0, 100, 0)];
        let ranges = plan_ranges(&facts, Some(100), u64::MAX, 0);
        assert_eq!(ranges.iter().map(|range| range.to - range.from).sum::<i64>(), 100);
        assert!(ranges.iter().all(|range| range.to > range.from), "none starves: {ranges:?}");
    }

    #[test]
    fn bytes_limit_records_by_their_average() {
        let facts = [partition(0, 0, 0, 1000, 100_000)];
        assert_eq!(spans(&plan_ranges(&facts, None, 10_000, 0)), [(0, 0, 100)]);
        // Something is always read.
        assert_eq!(spans(&plan_ranges(&facts, None, 1, 0)), [(0, 0, 1)]);
    }
}
