//! How far each file was read, and what a file is by which it is known again.
//!
//! In the group's offsets, partition 0 counts the records copied so far. Each further number
//! stands for one file: its offset is the number of bytes read, its metadata the [`FilePosition`]
//! as JSON. So a commit writes the files that moved, and no more.
//! **A file is known by its path and by the bytes that were read of it last**: one that has others
//! there, or is shorter, is another file, and is read from its beginning.

use serde::{Deserialize, Serialize};

/// So many bytes before the position are compared.
pub(super) const MARK_BYTES_MAX: u64 = 1024;

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilePosition {
    /// The version of this form: 1.
    #[serde(deserialize_with = "only_version_1")]
    pub version: u32,
    /// As the pattern found it.
    pub path: String,
    /// The next line begins here.
    pub bytes: u64,
    /// CRC-32 of the (at most [`MARK_BYTES_MAX`]) bytes before.
    pub mark: u32,
    /// Survives a new name, unlike the path. Absent where the file system does not tell.
    pub identity: Option<Identity>,
}

/// A file under whatever name: an inode may be used again, but not with the same time of birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub inode: u64,
    pub born_ns: u64,
}

impl FilePosition {
    /// The beginning of a file.
    pub fn start(path: &str, identity: Option<Identity>) -> Self {
        Self { version: 1, path: path.to_owned(), bytes: 0, mark: crc32fast::hash(b""), identity }
    }

    /// Where the compared bytes begin.
    pub fn mark_start(&self) -> u64 {
        self.bytes.saturating_sub(MARK_BYTES_MAX)
    }
}

fn only_version_1<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        1 => Ok(1),
        other => Err(serde::de::Error::custom(format!("version {other} is not known, only 1 is"))),
    }
}

/// What to do with a file that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Read on at the position.
    GoOn,
    /// It is another file than it was, or one cut short: read it from its beginning.
    StartOver,
}

/// Decides from facts already read: the file's size, and the checksum of the bytes at the mark.
pub(super) fn decide(known: &FilePosition, size: u64, mark: Option<u32>) -> Decision {
    if size >= known.bytes && mark == Some(known.mark) {
        Decision::GoOn
    } else {
        Decision::StartOver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_file_again() {
        let known = FilePosition { bytes: 100, mark: 7, ..FilePosition::start("a", None) };
        for (size, mark, expected) in [
            (100, Some(7), Decision::GoOn),
            (200, Some(7), Decision::GoOn),
            (99, Some(7), Decision::StartOver),
            (200, Some(8), Decision::StartOver),
            (200, None, Decision::StartOver),
        ] {
            assert_eq!(decide(&known, size, mark), expected, "{size} {mark:?}");
        }
    }

    #[test]
    fn has_a_form_that_lasts() {
        let identity = Some(Identity { inode: 5, born_ns: 6 });
        let position = FilePosition { bytes: 3, ..FilePosition::start("/a \"b\"/ü", identity) };
        let json = serde_json::to_string(&position).unwrap();
        let expected = r#"{"version":1,"path":"/a \"b\"/ü","bytes":3,"mark":0,"identity":{"inode":5,"born_ns":6}}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<FilePosition>(&json).unwrap(), position);
        let newer = json.replace("\"version\":1", "\"version\":2");
        let error = serde_json::from_str::<FilePosition>(&newer).unwrap_err();
        assert!(error.to_string().contains("version 2 is not known"), "{error}");
    }
}
