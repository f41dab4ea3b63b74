//! What groups have committed, as the records of the internal topic leave it: pure.
//!
//! **The newest record in the order of the log counts**, also for offsets of transactions,
//! which count later than they were written: compaction of the topic keeps the newest record,
//! so anything else would change its mind at the next start.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Change, CommittedOffset, Kind};
use crate::identity::{Offset, TopicName, TopicPartition};

/// Offsets of one group, in the order of the commit.
pub(crate) type Offsets = Vec<(TopicPartition, CommittedOffset)>;

/// All groups.
#[derive(Default)]
pub(super) struct Table {
    groups: BTreeMap<String, Group>,
    /// Whether something is forgotten, but remembered to have been.
    has_tombstones: bool,
}

#[derive(Default)]
struct Group {
    offsets: BTreeMap<TopicPartition, Placed<CommittedOffset>>,
    state: Option<Placed<Bytes>>,
}

/// A value, or the news that there is none, and where in the log that stands.
struct Placed<T> {
    value: Option<T>,
    log_offset: Offset,
}

impl<T> Placed<T> {
    fn is_older(&self, log_offset: Offset) -> bool {
        self.log_offset <= log_offset
    }

    /// Whether nothing older can come after it any more.
    fn is_settled(&self, before: Offset) -> bool {
        self.value.is_none() && self.log_offset < before
    }
}

impl Group {
    fn has_offsets(&self) -> bool {
        self.offsets.values().any(|placed| placed.value.is_some())
    }

    fn committed(&self) -> impl Iterator<Item = (&TopicPartition, &CommittedOffset)> {
        self.offsets.iter().filter_map(|(at, placed)| Some((at, placed.value.as_ref()?)))
    }
}

impl Table {
    /// Takes a change into account that was written at `log_offset`.
    pub(super) fn apply(&mut self, change: Change, log_offset: Offset) {
        let group = self.groups.entry(change.group).or_default();
        match change.kind {
            Kind::Offset { at, offset } => {
                self.has_tombstones |= offset.is_none();
                if group.offsets.get(&at).is_none_or(|known| known.is_older(log_offset)) {
                    group.offsets.insert(at, Placed { value: offset, log_offset });
                }
            }
            Kind::State(state) => {
                self.has_tombstones |= state.is_none();
                if group.state.as_ref().is_none_or(|known| known.is_older(log_offset)) {
                    group.state = Some(Placed { value: state, log_offset });
                }
            }
        }
    }

    /// Drops what is forgotten since before `settled`, where no transaction is open any more.
    pub(super) fn tidy(&mut self, settled: Offset) {
        if !self.has_tombstones {
            return;
        }
        self.has_tombstones = false;
        for group in self.groups.values_mut() {
            group.offsets.retain(|_, placed| !placed.is_settled(settled));
            group.state = group.state.take().filter(|placed| !placed.is_settled(settled));
            self.has_tombstones |= group.offsets.values().any(|placed| placed.value.is_none())
                || group.state.as_ref().is_some_and(|placed| placed.value.is_none());
        }
        self.groups.retain(|_, group| !group.offsets.is_empty() || group.state.is_some());
    }

    pub(super) fn committed(&self, group: &str) -> Offsets {
        let committed = self.groups.get(group).into_iter().flat_map(Group::committed);
        committed.map(|(at, offset)| (at.clone(), offset.clone())).collect()
    }

    pub(super) fn committed_at(&self, group: &str, at: &TopicPartition) -> Option<CommittedOffset> {
        self.groups.get(group)?.offsets.get(at)?.value.clone()
    }

    /// The groups that have offsets.
    pub(super) fn names(&self) -> Vec<String> {
        let with_offsets = self.groups.iter().filter(|(_, group)| group.has_offsets());
        with_offsets.map(|(name, _)| name.clone()).collect()
    }

    /// The groups that have a state, with it.
    pub(super) fn states(&self) -> Vec<(String, Bytes)> {
        let state = |(name, group): (&String, &Group)| {
            Some((name.clone(), group.state.as_ref()?.value.clone()?))
        };
        self.groups.iter().filter_map(state).collect()
    }

    /// The changes that forget what all groups know of `topic`.
    pub(super) fn without_topic(&self, topic: &TopicName) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, group) in &self.groups {
            let known = group.committed().filter(|(at, _)| at.topic == *topic);
            changes.extend(known.map(|(at, _)| Change::forget(name, at.clone())));
        }
        changes
    }

    /// The changes that forget `group`'s offsets for `partitions`.
    pub(super) fn without_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Vec<Change> {
        let known = partitions.iter().filter(|at| self.committed_at(group, at).is_some());
        known.map(|at| Change::forget(group, at.clone())).collect()
    }

    /// The changes that forget `group`.
    pub(super) fn without_group(&self, group: &str) -> Vec<Change> {
        let Some(known) = self.groups.get(group) else { return Vec::new() };
        let forget = |(at, _): (&TopicPartition, _)| Change::forget(group, at.clone());
        let mut changes: Vec<_> = known.committed().map(forget).collect();
        let state = known.state.as_ref().and_then(|placed| placed.value.as_ref());
        changes.extend(state.map(|_| Change::state(group, None)));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::PartitionId;

    fn at() -> TopicPartition {
        TopicPartition::new(TopicName::new("t").unwrap(), PartitionId::new(0))
    }

    fn commit(offset: i64) -> Change {
        Change::offset("g", at(), CommittedOffset::new(Offset::new(offset), ""))
    }

    fn committed(table: &Table) -> Option<i64> {
        table.committed_at("g", &at()).map(|committed| committed.offset.get())
    }

    #[test]
    fn the_newest_record_counts_in_any_order_of_arrival() {
        let mut table = Table::default();
        table.apply(commit(2), Offset::new(11));
        // A transaction wrote before, and committed after.
        table.apply(commit(1), Offset::new(10));
        assert_eq!(committed(&table), Some(2));
        table.apply(Change::forget("g", at()), Offset::new(12));
        table.apply(commit(3), Offset::new(11));
        assert_eq!(committed(&table), None);
        table.apply(commit(4), Offset::new(13));
        assert_eq!(committed(&table), Some(4));
    }

    #[test]
    fn what_is_forgotten_leaves_nothing_once_nothing_older_can_come() {
        let mut table = Table::default();
        table.apply(commit(1), Offset::new(1));
        table.apply(Change::state("g", Some(Bytes::from_static(b"s"))), Offset::new(2));
        for change in table.without_group("g") {
            table.apply(change, Offset::new(3));
        }
        assert!(table.names().is_empty() && table.states().is_empty());
        table.tidy(Offset::new(3));
        assert_eq!(table.groups.len(), 1, "something older may still come");
        table.tidy(Offset::new(4));
        assert!(table.groups.is_empty() && !table.has_tombstones);
    }
}
