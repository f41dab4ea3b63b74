//! Decides when a partition is compacted, and how far: pure.

use std::ops::Range;

use crate::config::TopicConfig;
use crate::identity::Offset;

/// What a plan needs to know of a closed, sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub base: Offset,
    pub next: Offset,
    pub bytes: u64,
    pub max_timestamp_ms: i64,
    /// When the first of its tombstones or markers may go.
    pub horizon_ms: Option<i64>,
}

/// What there is to compact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dirt {
    /// The offset up to which records may be replaced or dropped: the end of a segment.
    pub end: Offset,
    /// The share of the bytes before `end` that was not compacted yet.
    pub ratio: f64,
}

/// Decides whether compaction is due, from the closed segments in order.
///
/// Everything before `cleaned_to` was compacted before; nothing at or after `stable` is touched.
pub(super) fn decide(
    closed: &[Candidate],
    cleaned_to: Offset,
    stable: Offset,
    config: &TopicConfig,
    now_ms: i64,
) -> Option<Dirt> {
    let youngest_ms = now_ms.saturating_sub_unsigned(config.min_compaction_lag_ms);
    let is_cleanable = |segment: &&Candidate| {
        // What was compacted before does not get young again.
        let is_old = segment.next <= cleaned_to
            || config.min_compaction_lag_ms == 0
            || segment.max_timestamp_ms <= youngest_ms;
        segment.next <= stable && is_old
    };
    let cleanable: Vec<_> = closed.iter().take_while(is_cleanable).collect();
    let end = cleanable.last()?.next;
    let bytes = |segments: &mut dyn Iterator<Item = &&Candidate>| -> u64 {
        segments.map(|segment| segment.bytes).sum()
    };
    let total = bytes(&mut cleanable.iter());
    let dirty = bytes(&mut cleanable.iter().filter(|segment| segment.next > cleaned_to));
    #[allow(clippy::cast_precision_loss)] // A ratio.
    let ratio = if total == 0 { 0.0 } else { dirty as f64 / total as f64 };
    let has_expired = cleanable.iter().any(|it| it.horizon_ms.is_some_and(|at| at <= now_ms));
    let is_due = dirty > 0 && ratio >= config.min_cleanable_dirty_ratio.get() || has_expired;
    is_due.then_some(Dirt { end, ratio })
}

/// Cuts the segments before `end` into groups, each of which becomes one segment of at most
/// `segment_bytes` (unless it was larger before).
pub(super) fn group(closed: &[Candidate], end: Offset, segment_bytes: u64) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, segment) in closed.iter().enumerate().take_while(|(_, it)| it.base < end) {
        let fits = groups.last().and_then(|group| closed.get(group.start)).is_some_and(|first| {
            // The index holds offsets as 32 bits, and Kafka's as 31.
            let span = segment.next.get() - first.base.get();
            bytes + segment.bytes <= segment_bytes && span <= i64::from(i32::MAX)
        });
        match groups.last_mut().filter(|_| fits) {
            Some(group) => {
                group.end = index + 1;
                bytes += segment.bytes;
            }
            None => {
                groups.push(index..index + 1);
                bytes = segment.bytes;
            }
        }
    }
    groups
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a group of segments is a range")]
mod tests {
    use super::*;
    use crate::config::Ratio;

    fn closed() -> Vec<Candidate> {
        let candidate = |base: i64, bytes, max_timestamp_ms| Candidate {
            base: Offset::new(base),
            next: Offset::new(base + 10),
            bytes,
            max_timestamp_ms,
            horizon_ms: (base == 0).then_some(9_000),
        };
        vec![candidate(0, 100, 1_000), candidate(10, 100, 2_000), candidate(20, 200, 3_000)]
    }

    #[test]
    fn compaction_is_due_by_dirt_or_by_horizon() {
        let table = [
            // (cleaned to, stable, lag, ratio, now, end and ratio of the plan)
            (0, 30, 0, 500, 5_000, Some((30, 1.0))),
            (20, 30, 0, 500, 5_000, Some((30, 0.5))),
            (20, 30, 0, 501, 5_000, None),
            (30, 30, 0, 0, 5_000, None),
            (0, 29, 0, 500, 5_000, Some((20, 1.0))),
            (0, 5, 0, 0, 5_000, None),
            (0, 30, 2_500, 0, 5_000, Some((20, 1.0))),
            (0, 30, 4_500, 0, 5_000, None),
            (10, 30, 4_500, 0, 5_000, None),
            (30, 30, 0, 500, 9_000, Some((30, 0.0))),
        ];
        for (cleaned_to, stable, min_compaction_lag_ms, ratio, now_ms, expected) in table {
            let min_cleanable_dirty_ratio = Ratio::from_millionths(ratio * 1_000);
            let config = TopicConfig {
                min_compaction_lag_ms,
                min_cleanable_dirty_ratio,
                ..TopicConfig::default()
            };
            let (cleaned_to, stable) = (Offset::new(cleaned_to), Offset::new(stable));
            let dirt = decide(&closed(), cleaned_to, stable, &config, now_ms);
            let found = dirt.map(|dirt| (dirt.end.get(), dirt.ratio));
            assert_eq!(found, expected, "{cleaned_to} {stable} {min_compaction_lag_ms} {ratio}");
        }
    }

    #[test]
    fn small_segments_are_joined() {
        let end = |offset| Offset::new(offset);
        assert_eq!(group(&closed(), end(30), 400), [0..3]);
        assert_eq!(group(&closed(), end(30), 399), [0..2, 2..3]);
        assert_eq!(group(&closed(), end(30), 10), [0..1, 1..2, 2..3]);
        assert_eq!(group(&closed(), end(15), 400), [0..2]);
        assert!(group(&closed(), end(0), 400).is_empty());
    }
}
