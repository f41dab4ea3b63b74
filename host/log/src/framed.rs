//! Small files of our own: a magic, a version, a length, a checksum, then the payload.
//!
//! **A file is replaced as a whole or not at all**, and an unknown format is refused by name.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, OpenMode, read_file};

/// Magic (8), version (4), payload length (4), CRC-32 of the three and the payload (4).
const PREFIX_BYTES: usize = 20;

/// The largest file that is read at all.
const BYTES_MAX: u64 = 256 << 20;

/// The suffix of a file that is being written.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// A kind of file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// The first eight bytes.
    pub magic: [u8; 8],
    /// The version written, and the newest one read.
    pub version: u32,
    /// The oldest version read.
    pub oldest: u32,
    /// What a person calls it.
    pub name: &'static str,
}

/// Why a file of ours could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The disk said so.
    #[error("read {name} `{}`", path.display())]
    Read {
        /// What kind of file it should be.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The first bytes are those of another kind of file.
    #[error("`{}` is not a {name}: it starts with {found:02x?}", path.display())]
    Magic {
        /// What kind of file it should be.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// Another version of Tidemill wrote it.
    #[error(
        "`{}` is a {name} of version {found}; this build understands version {known}",
        path.display()
    )]
    Version {
        /// What kind of file it is.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that can be read.
        known: u32,
    },
    /// Length or checksum do not match.
    #[error("the {name} `{}` is damaged at byte {position}: {what}", path.display())]
    Damaged {
        /// What kind of file it is.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Where.
        position: u64,
        /// What is wrong.
        what: String,
    },
}

impl FrameError {
    /// Whether the same file can be read later: only where the disk failed.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Read { .. })
    }

    /// What the person can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the disk and the permissions of the data folder",
            Self::Magic { .. } => "is this a Tidemill data folder? restore the file from a backup",
            Self::Version { .. } => "start the version of Tidemill that wrote the folder",
            Self::Damaged { .. } => "restore the file from a backup; nothing was changed",
        }
    }

    /// Whether the file is not there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl Format {
    /// The whole file for `payload`.
    pub(crate) fn encode(&self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PREFIX_BYTES + payload.len());
        bytes.extend_from_slice(&self.magic);
        bytes.extend_from_slice(&self.version.to_be_bytes());
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(&bytes);
        crc.update(payload);
        bytes.extend_from_slice(&crc.finalize().to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    /// The payload in `bytes`, the whole content of the file at `path`.
    pub(crate) fn decode<'a>(&self, path: &Path, bytes: &'a [u8]) -> Result<&'a [u8], FrameError> {
        let (name, path) = (self.name, path.to_path_buf());
        if !bytes.starts_with(&self.magic) {
            let found = bytes.iter().take(self.magic.len()).copied().collect();
            return Err(FrameError::Magic { name, path, found });
        }
        let damaged = |position, what: String| FrameError::Damaged {
            name,
            path: path.clone(),
            position,
            what,
        };
        let Some((prefix, payload)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
            return Err(damaged(bytes.len() as u64, "it is cut off".into()));
        };
        let number = |start: usize| {
            let mut value = [0; 4];
            value.copy_from_slice(&prefix[start..start + 4]);
            u32::from_be_bytes(value)
        };
        let found = number(8);
        if !(self.oldest..=self.version).contains(&found) {
            return Err(FrameError::Version { name, path, found, known: self.version });
        }
        if number(12) as usize != payload.len() {
            let what = format!("{} bytes should follow, {} do", number(12), payload.len());
            return Err(damaged(12, what));
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&prefix[..16]);
        crc.update(payload);
        if crc.finalize() != number(16) {
            return Err(damaged(16, "the checksum does not match".into()));
        }
        Ok(payload)
    }

    /// Reads the file at `path` and returns its payload.
    pub(crate) fn read(&self, disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, FrameError> {
        let mut bytes = read_file(disk, path, BYTES_MAX).map_err(|source| FrameError::Read {
            name: self.name,
            path: path.to_path_buf(),
            source,
        })?;
        self.decode(path, &bytes)?;
        bytes.drain(..PREFIX_BYTES);
        Ok(bytes)
    }

    /// Replaces the file at `path`, durably, in one step.
    pub(crate) fn replace(&self, disk: &dyn Disk, path: &Path, payload: &[u8]) -> io::Result<()> {
        self.write_new(disk, path, payload)?;
        match path.parent() {
            Some(folder) => disk.sync_dir(folder),
            None => Ok(()),
        }
    }

    /// The same, but the name becomes durable only when the caller syncs the folder.
    pub(crate) fn write_new(&self, disk: &dyn Disk, path: &Path, payload: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_os_string();
        temporary.push(TEMPORARY_SUFFIX);
        let temporary = PathBuf::from(temporary);
        let file = disk.open(&temporary, OpenMode::Create)?;
        file.write_at(&self.encode(payload), 0)?;
        file.sync_data()?;
        disk.rename(&temporary, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format =
        Format { magic: *b"TMTEST\0\0", version: 3, oldest: 2, name: "test file" };

    #[test]
    fn every_flipped_bit_is_noticed() {
        let path = Path::new("f");
        let bytes = FORMAT.encode(b"payload");
        assert_eq!(FORMAT.decode(path, &bytes).ok(), Some(&b"payload"[..]));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(FORMAT.decode(path, &damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(FORMAT.decode(path, &bytes[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn an_unknown_version_is_refused_by_name() {
        let newer = Format { version: 9, ..FORMAT };
        let error = FORMAT.decode(Path::new("a/b"), &newer.encode(b"")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`a/b` is a test file of version 9; this build understands version 3"
        );
        let of_version = |version| Format { version, ..FORMAT }.encode(b"payload");
        assert_eq!(FORMAT.decode(Path::new("f"), &of_version(2)).ok(), Some(&b"payload"[..]));
        assert!(FORMAT.decode(Path::new("f"), &of_version(1)).is_err());
    }
}
