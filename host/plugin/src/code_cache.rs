//! Compiled code on disk, by component digest and engine fingerprint.
//!
//! **Only files that this host wrote, whole, are ever run.** Native code is loaded as it is, so the
//! folder belongs to the host's user alone (mode 0700), and a file has magic, version, digest,
//! fingerprint, length and CRC-32. Whatever does not fit is compiled again and replaced. A cache
//! that cannot be used costs time, never a plugin.

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::digest::Digest;

const MAGIC: [u8; 8] = *b"TMCODE\r\n";
const VERSION: u32 = 1;
const CODE_SUFFIX: &str = ".code";
const TEMPORARY_SUFFIX: &str = ".tmp";
const FINGERPRINT_BYTES: usize = 32;
/// Magic, version, CRC-32 of the code, its length, digest, fingerprint.
const HEADER_BYTES: usize = 8 + 4 + 4 + 8 + 32 + FINGERPRINT_BYTES;

/// A folder that must not be used for code.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CodeCacheError {
    /// The folder cannot be made or read.
    #[error("use the code cache `{}`", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Somebody else could put code into it.
    #[error("the code cache `{}` has mode {mode:o} and owner {owner}: others could put code there", folder.display())]
    NotPrivate {
        /// The folder.
        folder: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner.
        owner: u32,
    },
}

impl CodeCacheError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Io { .. } => "make the folder writable for the user of the host".to_owned(),
            Self::NotPrivate { folder, .. } => {
                format!("`chmod 700 {0}` and `chown` it to the user of the host", folder.display())
            }
        }
    }
}

/// Compiled code of one engine.
#[derive(Debug)]
pub(crate) struct CodeCache {
    folder: PathBuf,
    fingerprint: [u8; FINGERPRINT_BYTES],
}

/// Numbers temporary files, over all caches of this process.
static TEMPORARY_FILES: AtomicU64 = AtomicU64::new(0);

impl CodeCache {
    /// Opens or makes the cache in `folder`.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self, CodeCacheError> {
        let io_error = |cause| CodeCacheError::Io { folder: folder.to_owned(), cause };
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(io_error)?;
        }
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(io_error(error));
            }
            _ => {}
        }
        let cache = Self { folder: folder.to_owned(), fingerprint: fingerprint(engine) };
        cache.check_private()?;
        cache.remove_leftovers().map_err(io_error)?;
        Ok(cache)
    }

    /// Removes what no start of this engine will use: code of other engines, and what a crash left.
    fn remove_leftovers(&self) -> io::Result<()> {
        let ours = self.suffix();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_code = name.ends_with(CODE_SUFFIX) && !name.ends_with(&ours);
            if is_code || name.ends_with(TEMPORARY_SUFFIX) {
                // Another host of this folder may have been faster, or still want it: it can compile.
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }

    /// The folder is ours alone. Our own user id is that of a file we make.
    fn check_private(&self) -> Result<(), CodeCacheError> {
        let io_error = |cause| CodeCacheError::Io { folder: self.folder.clone(), cause };
        let probe = self.temporary();
        let ours = new_file(&probe).and_then(|file| file.metadata()).map_err(io_error)?.uid();
        fs::remove_file(&probe).map_err(io_error)?;
        let metadata = fs::symlink_metadata(&self.folder).map_err(io_error)?;
        let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
        if owner != ours || mode & 0o077 != 0 || !metadata.is_dir() {
            return Err(CodeCacheError::NotPrivate { folder: self.folder.clone(), mode, owner });
        }
        Ok(())
    }

    /// The compiled component, or none where there is none that can be trusted.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let path = self.path(digest);
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled code cannot be read");
                return None;
            }
        };
        let Some(code) = self.checked(&file, digest) else {
            tracing::warn!(path = %path.display(), "compiled code is damaged and is made again");
            return None;
        };
        match deserialize(engine, code) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled code is not accepted");
                None
            }
        }
    }

    /// Keeps compiled code. A failure is logged: the next start compiles again.
    pub(crate) fn store(&self, digest: &Digest, component: &Component) {
        let written = component
            .serialize()
            .map_err(|error| io::Error::other(error.to_string()))
            .and_then(|code| self.write(digest, &code));
        if let Err(error) = written {
            tracing::warn!(%digest, %error, "compiled code is not kept");
        }
    }

    fn write(&self, digest: &Digest, code: &[u8]) -> io::Result<()> {
        let temporary = self.temporary();
        let write = || {
            let mut file = new_file(&temporary)?;
            file.write_all(&self.header(digest, code))?;
            file.write_all(code)?;
            // No fsync: a torn file fails its CRC and is made again.
            fs::rename(&temporary, self.path(digest))
        };
        write().inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
    }

    fn header(&self, digest: &Digest, code: &[u8]) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend(MAGIC);
        header.extend(VERSION.to_le_bytes());
        header.extend(crc32fast::hash(code).to_le_bytes());
        header.extend((code.len() as u64).to_le_bytes());
        header.extend(digest.as_bytes());
        header.extend(self.fingerprint);
        header
    }

    /// The code in `file`, if the header is exactly the one that this cache writes for it.
    fn checked<'f>(&self, file: &'f [u8], digest: &Digest) -> Option<&'f [u8]> {
        let (header, code) = file.split_at_checked(HEADER_BYTES)?;
        (header == self.header(digest, code)).then_some(code)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}{}", digest.to_hex(), self.suffix()))
    }

    /// Enough of the fingerprint to tell engines apart; the header has all of it.
    fn suffix(&self) -> String {
        let engine: String = self.fingerprint.iter().take(4).map(|b| format!("{b:02x}")).collect();
        format!("-{engine}{CODE_SUFFIX}")
    }

    fn temporary(&self) -> PathBuf {
        let number = TEMPORARY_FILES.fetch_add(1, Relaxed);
        self.folder.join(format!(".{}-{number}{TEMPORARY_SUFFIX}", std::process::id()))
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    // Left over from a process with our id that was killed.
    let _ = fs::remove_file(path);
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

#[allow(unsafe_code, reason = "loads native code that this host compiled")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the caller has checked length, digest, fingerprint and CRC-32 of a file in a folder
    // that only this host's user can write, so these are the bytes that `Component::serialize` gave.
    unsafe { Component::deserialize(engine, code) }
}

/// Everything that compiled code depends on: wasmtime's version, its settings, the CPU's features.
fn fingerprint(engine: &Engine) -> [u8; FINGERPRINT_BYTES] {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut sha = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut sha);
    sha.0.finalize().into()
}
