//! Files and folders, behind one small trait.
//!
//! **A write is durable only after [`DiskFile::sync_data`], a name only after
//! [`Disk::sync_dir`] of its folder.** All calls are synchronous and may be slow.

mod real;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;

/// How [`Disk::open`] treats a file that is there, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist; for reading.
    Read,
    /// It must exist; for reading and writing.
    Write,
    /// It is made, or emptied if it exists; for reading and writing.
    Create,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name, without the folder. Names that are not UTF-8 are left out of listings.
    pub name: String,
    /// Whether it is a folder itself.
    pub is_dir: bool,
}

/// A place for files.
pub trait Disk: Send + Sync + 'static {
    /// Makes `dir` and its parents where they are missing.
    ///
    /// # Errors
    /// What the disk says.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// The names in `dir`, sorted.
    ///
    /// # Errors
    /// What the disk says; `NotFound` without such a folder.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Opens the file at `path`.
    ///
    /// # Errors
    /// What the disk says; `NotFound` if it must exist and does not.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Moves a file or folder in one step; a file at `to` is replaced.
    ///
    /// # Errors
    /// What the disk says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Those who have it open can go on reading.
    ///
    /// # Errors
    /// What the disk says; `NotFound` without such a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// What the disk says.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in `dir` durable.
    ///
    /// # Errors
    /// What the disk says; after an error it is unknown what is durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the lock at `path` (made where missing), until the result is dropped.
    ///
    /// # Errors
    /// `WouldBlock` while another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;
}

/// One open file. Positions are bytes from its start.
pub trait DiskFile: Send + Sync + 'static {
    /// Reads into `buffer` from `position`; returns how much, less only at the file's end.
    ///
    /// # Errors
    /// What the disk says.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Reads `length` bytes from `position`, less only at the file's end.
    ///
    /// A real disk reads into memory that was not zeroed before: zeroing costs nearly as much as the copy.
    ///
    /// # Errors
    /// What the disk says.
    fn read(&self, length: usize, position: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let read = self.read_at(&mut bytes, position)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Writes all of `bytes` at `position`; the file grows as needed.
    ///
    /// # Errors
    /// What the disk says; a part may have been written.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;

    /// Cuts the file, or fills it with zeros, to `length` bytes.
    ///
    /// # Errors
    /// What the disk says.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// What the disk says.
    fn length(&self) -> io::Result<u64>;

    /// Makes everything written so far, and the length, durable (fdatasync).
    ///
    /// # Errors
    /// What the disk says; after an error it is unknown what is durable.
    fn sync_data(&self) -> io::Result<()>;
}

/// A lock that is held until it is dropped.
pub trait DiskLock: Send + Sync + 'static {}

/// Reads a whole file of at most `bytes_max` bytes.
pub(crate) fn read_file(disk: &dyn Disk, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let length = file.length()?;
    if length > bytes_max {
        let message = format!("{length} bytes are more than the {bytes_max} expected");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Removes `path` with all that is in it; nothing there is fine.
pub(crate) fn remove_tree(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let entries = match disk.list(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let child = path.join(&entry.name);
        if entry.is_dir {
            remove_tree(disk, &child)?;
        } else {
            disk.remove_file(&child)?;
        }
    }
    disk.remove_dir(path)
}
