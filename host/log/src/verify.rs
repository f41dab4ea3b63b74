//! Reads a whole data folder that no host has open, and says what is wrong with it.
//!
//! **Nothing is changed.** A torn tail is no finding: the next start cuts it off.

use std::io;
use std::path::{Path, PathBuf};

use crate::batch::{Batch, ControlKind, Header, RecordReader};
use crate::disk::{Disk, OpenMode};
use crate::dump::DumpError;
use crate::environment::Environment;
use crate::framed::FrameError;
use crate::identity::Offset;
use crate::log::Log;
use crate::open::{require_format, take_lock};
use crate::partition::{Durable, Mark};
use crate::segment::{Scanned, Seal, base_of, log_path, scan, seal_path};
use crate::topics::partition_dirs;

/// Something that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub position: u64,
    /// What.
    pub what: String,
    /// Whether records are lost by it. An index that is damaged is made again.
    pub is_loss: bool,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`, byte {}: {}", self.file.display(), self.position, self.what)
    }
}

/// What was read, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many partitions were read.
    pub partitions: u64,
    /// How many segments.
    pub segments: u64,
    /// How many batches were good.
    pub batches: u64,
    /// How many records they have.
    pub records: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Bytes of torn tails, which the next start cuts off.
    pub torn_bytes: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Log {
    /// Reads the whole data folder `dir` and checks every byte: batches, seals, records.
    ///
    /// May take as long as reading the folder takes.
    /// # Errors
    /// [`DumpError`] where the folder is in use or cannot be read at all. Damage is part of
    /// the result.
    pub fn verify(dir: &Path, environment: &Environment) -> Result<Verified, DumpError> {
        let disk = &*environment.disk;
        require_format(disk, dir)?;
        let _lock = take_lock(disk, dir)?;
        let mut verified = Verified::default();
        for (_, folder) in partition_dirs(disk, dir)? {
            verified.partitions += 1;
            verified.read_partition(disk, &folder)?;
        }
        Ok(verified)
    }
}

impl Verified {
    /// Whether no record is damaged or missing.
    pub fn is_sound(&self) -> bool {
        !self.findings.iter().any(|finding| finding.is_loss)
    }

    fn read_partition(&mut self, disk: &dyn Disk, dir: &Path) -> Result<(), DumpError> {
        let facts = match Durable::read(disk, dir) {
            Ok(facts) => facts,
            Err(error) => return self.found_frame(error, &Durable::path(dir)),
        };
        let floor = match Mark::read(disk, dir) {
            Ok(mark) => mark.map_or(facts.log_start, |mark| mark.offset),
            Err(error) => return self.found_frame(error, &Mark::path(dir)),
        };
        let entries = disk.list(dir).map_err(|it| DumpError::disk("list", dir, it))?;
        let mut bases: Vec<_> = entries.iter().filter_map(|entry| base_of(&entry.name)).collect();
        bases.sort_unstable();
        // The next start removes what a swap has joined.
        let is_joined = |base: &Offset| facts.swap.iter().any(|swap| swap.joined.contains(base));
        bases.retain(|base| !is_joined(base));
        let mut next = bases.first().copied().filter(|first| *first <= facts.log_start);
        for (index, base) in bases.iter().copied().enumerate() {
            let is_compacted = next.is_some_and(|next| next < base && next < facts.cleaned_to);
            if next != Some(base) && !is_compacted {
                let from = next.unwrap_or(facts.log_start);
                let what = format!("records from offset {from} to {base} are missing");
                self.found(log_path(dir, base), 0, what, true);
            }
            let is_last = index + 1 == bases.len();
            next = Some(self.read_segment(disk, dir, base, &facts, (is_last, floor))?);
        }
        let end = next.unwrap_or(facts.log_start);
        if end < floor {
            let what = format!("records from offset {end} to {floor} are missing");
            self.found(log_path(dir, bases.last().copied().unwrap_or(end)), 0, what, true);
        }
        Ok(())
    }

    /// Returns the offset that should come after the segment.
    fn read_segment(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        base: Offset,
        facts: &Durable,
        (is_last, floor): (bool, Offset),
    ) -> Result<Offset, DumpError> {
        let swapped = facts.swap.as_ref().filter(|swap| swap.base == base);
        let path = swapped.map_or_else(|| log_path(dir, base), |swap| swap.log_path(disk, dir));
        let failed = |error: io::Error| DumpError::disk("read", &path, error);
        let file = disk.open(&path, OpenMode::Read).map_err(failed)?;
        self.segments += 1;
        let mut malformed = Vec::new();
        let mut reader = RecordReader::default();
        let mut visit = |batch: &Batch<'_>, position: u64| {
            self.batches += 1;
            self.records += u64::from(batch.header().record_count.unsigned_abs());
            if let Some(what) = malformed_record(batch, &mut reader) {
                malformed.push((position, what));
            }
        };
        let place = |header: &Header, expected| facts.check_place(header, expected);
        // An entry for every batch: those of the seal must be among them.
        let scanned = scan(&*file, base, 1, &place, &mut visit).map_err(failed)?;
        self.bytes += scanned.bytes;
        for (position, what) in malformed {
            self.found(path.clone(), position, what, true);
        }
        if let Some(damage) = &scanned.damage {
            if is_last && damage.offset >= floor {
                self.torn_bytes += scanned.file_bytes - scanned.bytes;
            } else {
                let what = format!("offset {}: {}", damage.offset, damage.kind);
                self.found(path.clone(), damage.position, what, true);
            }
        }
        let seal = swapped.map_or_else(|| seal_path(dir, base), |swap| swap.seal_path(disk, dir));
        Ok(self.compare_seal(disk, (path, seal), base, scanned))
    }

    fn compare_seal(
        &mut self,
        disk: &dyn Disk,
        (file, path): (PathBuf, PathBuf),
        base: Offset,
        scanned: Scanned,
    ) -> Offset {
        let seal = match Seal::read_from(disk, path.clone(), base) {
            Ok(seal) => seal,
            Err(error) if error.is_missing() => return scanned.next,
            Err(error) => {
                self.found(path, 0, error.to_string(), false);
                return scanned.next;
            }
        };
        if scanned.damage.is_none() && seal.crc != scanned.crc.finalize() {
            let what = "the checksum of the whole segment does not match".into();
            self.found(file, 0, what, true);
        }
        if scanned.damage.is_none() && !seal.index.is_part_of(&scanned.index) {
            self.found(path, 0, "the index does not match the segment".into(), false);
        }
        seal.next
    }

    fn found(&mut self, file: PathBuf, position: u64, what: String, is_loss: bool) {
        self.findings.push(Finding { file, position, what, is_loss });
    }

    fn found_frame(&mut self, error: FrameError, path: &Path) -> Result<(), DumpError> {
        if error.is_retryable() && !error.is_missing() {
            return Err(error.into());
        }
        self.found(path.to_path_buf(), 0, error.to_string(), true);
        Ok(())
    }
}

/// What is wrong with a batch whose checksum is right.
fn malformed_record(batch: &Batch<'_>, reader: &mut RecordReader) -> Option<String> {
    if batch.header().attributes.is_control() && ControlKind::of(batch).is_none() {
        return Some("a control batch of an unknown kind".into());
    }
    let found = match reader.records(batch) {
        Ok(mut records) => records.find_map(Result::err),
        Err(error) => Some(error),
    };
    found.map(|error| error.to_string())
}
