//! Files that are there whole or not at all, also after a crash.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const TEMPORARY_SUFFIX: &str = ".tmp";

/// Whether a file was made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Linked {
    /// It was.
    New,
    /// There was one of that name; it is as it was.
    Existed,
}

/// Makes `folder` and those above it, durably.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => make_folder(parent)?,
        _ => {}
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_folder_of(folder)
}

/// Makes the file `path` with `content`, unless there is one. Durable on return.
pub(super) fn create(path: &Path, content: &[u8]) -> io::Result<Linked> {
    if path.exists() {
        return Ok(Linked::Existed);
    }
    let temporary = temporary_beside(path);
    let linked = write_synced(&temporary, content).and_then(|()| link(&temporary, path));
    // The link is what counts; a file that is left over here is removed at the next start.
    let _ = fs::remove_file(&temporary);
    let linked = linked?;
    sync_folder_of(path)?;
    Ok(linked)
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Unlike a rename, a link never replaces what is there.
fn link(temporary: &Path, path: &Path) -> io::Result<Linked> {
    match fs::hard_link(temporary, path) {
        Ok(()) => Ok(Linked::New),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Linked::Existed),
        Err(error) => Err(error),
    }
}

fn temporary_beside(path: &Path) -> PathBuf {
    static FILES: AtomicU64 = AtomicU64::new(0);
    let number = FILES.fetch_add(1, Relaxed);
    path.with_file_name(format!(".{}-{number}{TEMPORARY_SUFFIX}", std::process::id()))
}

/// A name is durable when its folder is.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Removes the file `path`, if there is one. Durable on return.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_folder_of(path),
    }
}

/// Removes what a crash left in `folder`.
pub(super) fn remove_temporary(folder: &Path) -> io::Result<()> {
    for name in names_with_suffix(folder, TEMPORARY_SUFFIX)? {
        fs::remove_file(folder.join(name))?;
    }
    Ok(())
}

/// Names in `folder` that end with `suffix`, in no order.
pub(super) fn names_with_suffix(folder: &Path, suffix: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        match entry?.file_name().into_string() {
            Ok(name) if name.ends_with(suffix) => names.push(name),
            // Not one of ours.
            _ => {}
        }
    }
    Ok(names)
}
