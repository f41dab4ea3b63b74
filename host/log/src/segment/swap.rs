//! Puts a compacted segment in the place of those that it was made from.
//!
//! **The facts of the partition say that a swap is under way before a name changes**, and go
//! on saying so until all names are durable: after a crash it is carried on, any number of
//! times.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{log_path, seal_path};
use crate::disk::{Disk, OpenMode};
use crate::identity::Offset;

/// The suffix of a file that waits for its place.
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";

/// A swap that has been decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Swap {
    /// The segment that is replaced.
    pub base: Offset,
    /// The length of the new one.
    pub bytes: u64,
    /// The segments behind it whose records it contains, too.
    pub joined: Vec<Offset>,
}

/// Where the new segment waits.
pub(crate) fn cleaned_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(CLEANED_SUFFIX);
    PathBuf::from(name)
}

impl Swap {
    /// Where the new segment's records are by now.
    pub(crate) fn log_path(&self, disk: &dyn Disk, dir: &Path) -> PathBuf {
        moved_or_not(disk, log_path(dir, self.base))
    }

    /// Where the new segment's seal is by now.
    pub(crate) fn seal_path(&self, disk: &dyn Disk, dir: &Path) -> PathBuf {
        moved_or_not(disk, seal_path(dir, self.base))
    }

    /// Moves the new segment to its place and removes the others; durable on return.
    pub(crate) fn carry_on(&self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        let path = log_path(dir, self.base);
        for path in [&path, &seal_path(dir, self.base)] {
            ignore_missing(disk.rename(&cleaned_path(path), path))?;
        }
        let found = disk.open(&path, OpenMode::Read)?.length()?;
        if found != self.bytes {
            let what = format!("{found} bytes, but the compacted segment has {}", self.bytes);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        for &base in &self.joined {
            ignore_missing(disk.remove_file(&seal_path(dir, base)))?;
            ignore_missing(disk.remove_file(&log_path(dir, base)))?;
        }
        disk.sync_dir(dir)
    }
}

fn moved_or_not(disk: &dyn Disk, path: PathBuf) -> PathBuf {
    let waiting = cleaned_path(&path);
    if disk.open(&waiting, OpenMode::Read).is_ok() { waiting } else { path }
}

/// An earlier attempt has done it.
fn ignore_missing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
