//! What the coordinator is told.

use std::time::Duration;

use crate::group::GroupLimits;

/// Settings of all groups. The defaults are Kafka's where Kafka has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// The bounds of each group.
    pub limits: GroupLimits,
    /// The most groups with members, those included that had some and are remembered.
    pub groups_max: usize,
    /// The most bytes that the members of all groups together may say about themselves.
    pub member_bytes_max: usize,
    /// The longest metadata of a committed offset.
    pub metadata_bytes_max: usize,
    /// Offsets that nobody has used for longer are forgotten.
    pub offsets_retention: Duration,
    /// How often offsets are looked at for that.
    pub upkeep_interval: Duration,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            limits: GroupLimits::default(),
            groups_max: 100_000,
            member_bytes_max: 256 << 20,
            metadata_bytes_max: 4096,
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            upkeep_interval: Duration::from_secs(600),
        }
    }
}
