//! Segments: the files that a partition is cut into.
//!
//! `00000000000000000000.log` holds record batches and nothing else, as Kafka lays them out.
//! Beside a closed one lies a `.seal` with its index, its checksum and the producers' state
//! at its end. **A segment with a seal never changes again**, but compaction may put another
//! one in its place.

mod index;
mod scan;
mod seal;
mod swap;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

pub(crate) use index::SegmentIndex;
pub use scan::{Damage, DamageKind};
pub(crate) use scan::{Scanned, batch_follows, scan, visit_batches};
pub(crate) use seal::Seal;
pub(crate) use swap::{CLEANED_SUFFIX, Swap, cleaned_path};

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::identity::Offset;
use crate::partition::AbortedTransaction;

const LOG_EXTENSION: &str = "log";
const SEAL_EXTENSION: &str = "seal";

/// The file of the segment that starts at `base`.
pub(crate) fn log_path(dir: &Path, base: Offset) -> PathBuf {
    dir.join(format!("{:020}.{LOG_EXTENSION}", base.get()))
}

/// The seal beside it.
pub(crate) fn seal_path(dir: &Path, base: Offset) -> PathBuf {
    dir.join(format!("{:020}.{SEAL_EXTENSION}", base.get()))
}

/// The base offset of a segment file's name; `None` for other files.
pub(crate) fn base_of(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(LOG_EXTENSION)?.strip_suffix('.')?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(Offset::new)).flatten()
}

/// The segment that is written.
pub(crate) struct Active {
    pub base: Offset,
    /// Closed while nobody needs it.
    file: Option<Arc<dyn DiskFile>>,
    /// Needed since the last call of [`Active::rest`].
    is_used: bool,
    pub bytes: u64,
    pub index: SegmentIndex,
    pub crc: crc32fast::Hasher,
    /// When the first batch came; decides when the segment is closed by age.
    pub started_ms: Option<i64>,
    pub aborted: Vec<AbortedTransaction>,
}

impl Active {
    /// Makes the file; its name is not durable yet.
    pub(crate) fn create(disk: &dyn Disk, dir: &Path, base: Offset) -> io::Result<Self> {
        let file = disk.open(&log_path(dir, base), OpenMode::Create)?;
        Ok(Self::of_file(base, file))
    }

    /// An empty segment, or one whose content the caller fills in.
    pub(crate) fn of_file(base: Offset, file: Arc<dyn DiskFile>) -> Self {
        Self {
            base,
            file: Some(file),
            is_used: true,
            bytes: 0,
            index: SegmentIndex::default(),
            crc: crc32fast::Hasher::new(),
            started_ms: None,
            aborted: Vec::new(),
        }
    }

    /// The file, opened where it is not.
    pub(crate) fn file(&mut self, disk: &dyn Disk, dir: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.is_used = true;
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let file = disk.open(&log_path(dir, self.base), OpenMode::Write)?;
        self.file = Some(file.clone());
        Ok(file)
    }

    /// The file, where it is open. What was written but not synced keeps it open.
    pub(crate) fn open_file(&self) -> Option<Arc<dyn DiskFile>> {
        self.file.clone()
    }

    /// Closes the file where nobody has needed it since the last call; everything in it must be
    /// synced.
    pub(crate) fn rest(&mut self) {
        if !std::mem::take(&mut self.is_used) {
            self.file = None;
        }
    }

    /// Closes the segment: `next` comes after its last record.
    pub(crate) fn close(self, next: Offset, file: Arc<dyn DiskFile>) -> Segment {
        Segment {
            base: self.base,
            next,
            bytes: self.bytes,
            max_timestamp_ms: self.index.max_timestamp_ms(),
            aborted: self.aborted,
            crc: self.crc.finalize(),
            horizon_ms: None,
            sealed: AtomicBool::new(false),
            used: AtomicBool::new(true),
            pinned: AtomicBool::new(false),
            loaded: Mutex::new(Some(Loaded { file, index: Arc::new(self.index) })),
        }
    }
}

/// A segment that is no longer written.
pub(crate) struct Segment {
    pub base: Offset,
    pub next: Offset,
    pub bytes: u64,
    pub max_timestamp_ms: i64,
    pub aborted: Vec<AbortedTransaction>,
    pub crc: u32,
    /// When the first of its tombstones or markers may go, if compaction left any.
    pub horizon_ms: Option<i64>,
    sealed: AtomicBool,
    /// Read since the last call of [`Segment::rest`].
    used: AtomicBool,
    /// Its files are about to be replaced: what is open stays open.
    pinned: AtomicBool,
    loaded: Mutex<Option<Loaded>>,
}

/// What is needed for reading.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub file: Arc<dyn DiskFile>,
    pub index: Arc<SegmentIndex>,
}

impl Segment {
    /// A segment whose seal was read; its file is opened when it is needed.
    pub(crate) fn from_seal(seal: &Seal) -> Self {
        Self {
            base: seal.base,
            next: seal.next,
            bytes: seal.bytes,
            max_timestamp_ms: seal.index.max_timestamp_ms(),
            aborted: seal.aborted.clone(),
            crc: seal.crc,
            horizon_ms: seal.horizon_ms,
            sealed: AtomicBool::new(true),
            used: AtomicBool::new(false),
            pinned: AtomicBool::new(false),
            loaded: Mutex::new(None),
        }
    }

    /// Whether the seal is on disk.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    pub(crate) fn mark_sealed(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    /// The file and its index, opened where they are not.
    ///
    /// # Errors
    /// What the disk says; `InvalidData` where the seal has been damaged since.
    pub(crate) fn load(&self, disk: &dyn Disk, dir: &Path) -> io::Result<Loaded> {
        self.used.store(true, Ordering::Relaxed);
        let mut loaded = self.loaded.lock();
        if let Some(loaded) = &*loaded {
            return Ok(loaded.clone());
        }
        let file = disk.open(&log_path(dir, self.base), OpenMode::Read)?;
        let seal = Seal::read(disk, dir, self.base).map_err(io::Error::other)?;
        let fresh = Loaded { file, index: Arc::new(seal.index) };
        *loaded = Some(fresh.clone());
        Ok(fresh)
    }

    /// Closes the file and drops the index where nobody has read since the last call.
    pub(crate) fn rest(&self) {
        if self.is_sealed() && !self.used.swap(false, Ordering::Relaxed) {
            let mut loaded = self.loaded.lock();
            if !self.pinned.load(Ordering::Acquire) {
                *loaded = None;
            }
        }
    }

    /// Opens the file for good: whoever reads this segment is not to find another one under
    /// its name.
    ///
    /// # Errors
    /// As [`Segment::load`].
    pub(crate) fn pin(&self, disk: &dyn Disk, dir: &Path) -> io::Result<Loaded> {
        self.pinned.store(true, Ordering::Release);
        self.load(disk, dir)
    }

    /// Lets go of the file again.
    pub(crate) fn unpin(&self) {
        self.pinned.store(false, Ordering::Release);
    }

    /// The file, where it is open.
    pub(crate) fn open_file(&self) -> Option<Arc<dyn DiskFile>> {
        self.loaded.lock().as_ref().map(|loaded| loaded.file.clone())
    }

    /// The index, where it is in memory.
    pub(crate) fn index(&self) -> Option<Arc<SegmentIndex>> {
        self.loaded.lock().as_ref().map(|loaded| loaded.index.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        let path = log_path(Path::new("d"), Offset::new(1234));
        assert_eq!(path, Path::new("d/00000000000000001234.log"));
        assert_eq!(base_of("00000000000000001234.log"), Some(Offset::new(1234)));
        for other in ["1234.log", "0000000000000000123x.log", "00000000000000001234.seal", ".log"] {
            assert_eq!(base_of(other), None, "{other}");
        }
    }
}
