//! What the coordinator has counted.

use std::sync::atomic::Ordering::Relaxed;

use super::Coordinator;
use crate::group::GroupState;

/// Counters and gauges of all groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMetrics {
    /// Groups by state.
    pub groups: Vec<(&'static str, u64)>,
    /// Members of all groups.
    pub members: u64,
    /// Bytes that members say about themselves.
    pub member_bytes: u64,
    /// Rebalances that began.
    pub rebalances_total: u64,
    /// Offsets that clients committed.
    pub commits_total: u64,
    /// Offsets that were forgotten because nobody used them.
    pub expired_total: u64,
}

impl Coordinator {
    /// What has happened so far, and how things are.
    pub fn metrics(&self) -> GroupMetrics {
        let groups = self.list();
        let in_state = |state: GroupState| {
            let count = groups.iter().filter(|group| group.state == state).count();
            (state.name(), count as u64)
        };
        let states = GroupState::ALL.into_iter().filter(|state| *state != GroupState::Dead);
        GroupMetrics {
            groups: states.map(in_state).collect(),
            members: groups.iter().map(|group| group.members as u64).sum(),
            member_bytes: self.shared.member_bytes.load(Relaxed) as u64,
            rebalances_total: self.shared.rebalances.load(Relaxed),
            commits_total: self.shared.commits.load(Relaxed),
            expired_total: self.shared.expired.load(Relaxed),
        }
    }
}
