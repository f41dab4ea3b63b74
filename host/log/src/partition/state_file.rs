//! What must survive of a partition beside its records: where it starts, and its epochs.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::batch::Header;
use crate::disk::Disk;
use crate::framed::{Format, FrameError};
use crate::identity::{LeaderEpoch, Offset};
use crate::segment::{DamageKind, Swap};

const FORMAT: Format =
    Format { magic: *b"TMPART\0\0", version: 2, oldest: 1, name: "partition state" };

/// One leader epoch and its first offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EpochStart {
    pub epoch: LeaderEpoch,
    pub start: Offset,
}

/// The durable facts of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Durable {
    /// Records before it are deleted, whether their files are gone yet or not.
    pub log_start: Offset,
    /// Ascending in both fields; never empty. All are kept: there is one for each torn tail and
    /// each start of a relaxed topic, and the first segment may begin before `log_start`.
    pub epochs: Vec<EpochStart>,
    /// Records before it may be missing: they were compacted away.
    #[serde(default)]
    pub cleaned_to: Offset,
    /// A compacted segment is being put in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<Swap>,
}

impl Durable {
    pub(crate) fn new() -> Self {
        let first = EpochStart { epoch: LeaderEpoch::new(0), start: Offset::ZERO };
        let cleaned_to = Offset::ZERO;
        Self { log_start: Offset::ZERO, epochs: vec![first], cleaned_to, swap: None }
    }

    /// The epoch of the next append.
    pub(crate) fn epoch(&self) -> LeaderEpoch {
        self.epochs.last().map_or(LeaderEpoch::new(0), |last| last.epoch)
    }

    /// The epoch of the record at `offset`.
    pub(crate) fn epoch_at(&self, offset: Offset) -> LeaderEpoch {
        let after = self.epochs.partition_point(|entry| entry.start <= offset);
        let entry = after.checked_sub(1).and_then(|index| self.epochs.get(index));
        entry.map_or(LeaderEpoch::new(0), |entry| entry.epoch)
    }

    /// The newest epoch up to `epoch` that has begun, and where it ends: where the next one
    /// begins, or at `log_end`. `None` for an epoch that is still to come.
    pub(crate) fn end_of_epoch(
        &self,
        epoch: LeaderEpoch,
        log_end: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        if epoch > self.epoch() {
            return None;
        }
        let after = self.epochs.partition_point(|entry| entry.epoch <= epoch);
        let end = self.epochs.get(after).map_or(log_end, |next| next.start.min(log_end));
        let holder = after.checked_sub(1).and_then(|index| self.epochs.get(index));
        Some((holder.map_or(epoch, |holder| holder.epoch), end))
    }

    /// Checks what the checksum of a batch does not cover, where `expected` comes next.
    pub(crate) fn check_place(&self, header: &Header, expected: Offset) -> Result<(), DamageKind> {
        let found = header.base_offset;
        let is_compacted = found > expected && expected < self.cleaned_to;
        if found != expected && !is_compacted {
            return Err(DamageKind::Offset { expected, found });
        }
        let epoch = self.epoch_at(found);
        if header.leader_epoch != epoch {
            return Err(DamageKind::Epoch { expected: epoch, found: header.leader_epoch });
        }
        Ok(())
    }

    /// Begins a new epoch at `start`; those that began there or later had no record to keep.
    pub(crate) fn bump_epoch(&mut self, start: Offset) {
        let epoch = LeaderEpoch::new(self.epoch().get().saturating_add(1));
        self.epochs.retain(|entry| entry.start < start);
        self.epochs.push(EpochStart { epoch, start });
    }

    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join("partition.state")
    }

    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, FrameError> {
        let path = Self::path(dir);
        let payload = FORMAT.read(disk, &path)?;
        let parsed: Result<Self, _> = serde_json::from_slice(&payload);
        parsed.map_err(|error| FrameError::Damaged {
            name: FORMAT.name,
            path,
            position: 20,
            what: error.to_string(),
        })
    }

    /// Writes a new file, durable but for its name.
    pub(crate) fn write_new(&self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        FORMAT.write_new(disk, &Self::path(dir), &serde_json::to_vec(self)?)
    }

    pub(crate) fn write(&self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        FORMAT.replace(disk, &Self::path(dir), &serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_by_offset() {
        let mut durable = Durable::new();
        durable.bump_epoch(Offset::new(10));
        durable.bump_epoch(Offset::new(10));
        durable.bump_epoch(Offset::new(20));
        let at = |offset| durable.epoch_at(Offset::new(offset)).get();
        assert_eq!([at(0), at(9), at(10), at(19), at(20), at(99)], [0, 0, 2, 2, 3, 3]);
        let end = |epoch| {
            let end = durable.end_of_epoch(LeaderEpoch::new(epoch), Offset::new(25));
            end.map(|(epoch, end)| (epoch.get(), end.get()))
        };
        assert_eq!(end(-1), Some((-1, 0)));
        assert_eq!(end(0), Some((0, 10)));
        assert_eq!(end(1), Some((0, 10)), "an epoch that has no records");
        assert_eq!([end(2), end(3), end(4)], [Some((2, 20)), Some((3, 25)), None]);
    }
}
