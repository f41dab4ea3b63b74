//! What there is to know of groups: who, what, and how far behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidemill_log::{CommittedOffset, Offset, TopicPartition};

use super::Coordinator;
use crate::group::{Description, Generation, GroupState};

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// Its name.
    pub group: Arc<str>,
    /// What it is doing.
    pub state: GroupState,
    /// `consumer`, `connect`, …; empty of a group that nobody ever joined.
    pub protocol_type: Arc<str>,
    /// How many members it has.
    pub members: usize,
    /// The pipeline whose positions it holds.
    pub pipeline: Option<String>,
}

/// Everything about a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// State and members.
    pub group: Description,
    /// What it has committed, and how far that is behind.
    pub offsets: Vec<PartitionLag>,
    /// The pipeline whose positions it holds.
    pub pipeline: Option<String>,
}

/// How far a group has come in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    /// The partition.
    pub at: TopicPartition,
    /// What was committed.
    pub committed: CommittedOffset,
    /// Where the partition begins now.
    pub log_start: Offset,
    /// Where it ends now.
    pub log_end: Offset,
}

impl PartitionLag {
    /// Records that are there and were not read. Those that were deleted are no lag.
    pub fn lag(&self) -> u64 {
        let from = self.committed.offset.max(self.log_start);
        u64::try_from(self.log_end.get() - from.get()).unwrap_or_default()
    }
}

impl Coordinator {
    /// All groups, by name.
    pub fn list(&self) -> Vec<GroupSummary> {
        let shared = &self.shared;
        let summary = |name: Arc<str>| GroupSummary {
            pipeline: shared.owners.owner(&name),
            group: name,
            state: GroupState::Empty,
            protocol_type: "".into(),
            members: 0,
        };
        let with_offsets = shared.log.groups().into_iter().map(Arc::<str>::from);
        let mut groups: BTreeMap<Arc<str>, GroupSummary> =
            with_offsets.map(|name| (name.clone(), summary(name))).collect();
        let seats: Vec<_> = shared.seats.lock().values().cloned().collect();
        for seat in seats {
            let inner = seat.lock();
            let group = &inner.group;
            if group.is_blank() || group.is_dead() {
                continue;
            }
            let name = seat.name().clone();
            let known = groups.entry(name.clone()).or_insert_with(|| summary(name));
            known.state = group.state();
            known.members = group.member_count();
            known.protocol_type = group.protocol_type().cloned().unwrap_or_else(|| "".into());
        }
        groups.into_values().collect()
    }

    /// State and members of a group; `None` where there is no such group.
    pub fn describe_members(&self, group: &str) -> Option<Description> {
        if let Some(seat) = self.shared.seat(group) {
            let inner = seat.lock();
            if !inner.group.is_blank() && !inner.group.is_dead() {
                return Some(inner.group.describe());
            }
        }
        let has_offsets = !self.shared.log.committed(group).is_empty();
        has_offsets.then(|| Description {
            state: GroupState::Empty,
            generation: Generation::default(),
            protocol_type: None,
            protocol: None,
            members: Vec::new(),
        })
    }

    /// Everything about a group; `None` where there is no such group.
    pub fn describe(&self, group: &str) -> Option<GroupDescription> {
        let members = self.describe_members(group)?;
        let committed = self.shared.log.committed(group).into_iter();
        let offsets = committed.filter_map(|(at, committed)| self.lag_of(at, committed));
        Some(GroupDescription {
            group: members,
            offsets: offsets.collect(),
            pipeline: self.shared.owners.owner(group),
        })
    }

    /// `None` for a partition that is gone.
    fn lag_of(&self, at: TopicPartition, committed: CommittedOffset) -> Option<PartitionLag> {
        let offsets = self.shared.log.offsets(&at).ok()?;
        let (log_start, log_end) = (offsets.log_start, offsets.high_watermark);
        Some(PartitionLag { at, committed, log_start, log_end })
    }
}
