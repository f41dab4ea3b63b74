//! What can go wrong with checkpoints, and what a person can do about it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use super::state_file::StateFileError;

/// A failure of the checkpoint store.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The location cannot be used at all.
    #[error("the location `{location}` cannot be used: {reason}")]
    Location {
        /// As configured.
        location: String,
        /// What is wrong with it.
        reason: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// The folder is not there and cannot be made.
    #[error("create the checkpoint folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The store refused or failed.
    #[error("{action} `{path}` in {location}")]
    Store {
        /// What was tried, verb first.
        action: &'static str,
        /// Below the location.
        path: String,
        /// Where checkpoints are kept.
        location: String,
        /// Why it failed.
        #[source]
        source: Box<object_store::Error>,
    },
    /// Something else stands where a new file was to be created.
    #[error("`{path}` in {location} exists already with other content")]
    Exists {
        /// Below the location.
        path: String,
        /// Where checkpoints are kept.
        location: String,
    },
    /// The bytes are not those that were written.
    #[error("`{path}` in {location} is damaged")]
    Damaged {
        /// Below the location.
        path: String,
        /// Where checkpoints are kept.
        location: String,
        /// In what way.
        #[source]
        source: Damage,
    },
    /// A newer Tidemill wrote it.
    #[error("`{path}` in {location} has format {found}, but this Tidemill reads format {known}")]
    Format {
        /// Below the location.
        path: String,
        /// Where checkpoints are kept.
        location: String,
        /// As written.
        found: u64,
        /// What is read.
        known: u32,
    },
    /// It belongs to another pipeline or batch.
    #[error("`{path}` in {location} is of {found}, not of {expected}")]
    Foreign {
        /// Below the location.
        path: String,
        /// Where checkpoints are kept.
        location: String,
        /// What it says of itself.
        found: String,
        /// What was asked for.
        expected: String,
    },
}

/// How bytes differ from those that were written.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Too many or too few.
    #[error("it has {found} bytes, but {expected} were written")]
    Length {
        /// Written.
        expected: u64,
        /// Found.
        found: u64,
    },
    /// As many, but others.
    #[error("its CRC-32 is {found:08x}, but {expected:08x} was written")]
    Crc {
        /// Written.
        expected: u32,
        /// Found.
        found: u32,
    },
    /// The checksum fits, but not the content.
    #[error("its content makes no sense")]
    Json(#[source] serde_json::Error),
    /// The checksum fits, but not the content.
    #[error("its content makes no sense")]
    State(#[source] StateFileError),
    /// A plan that does not end in a line with its checksum.
    #[error("its last line is not a checksum")]
    Trailer,
}

impl CheckpointError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        use object_store::Error as E;
        match self {
            Self::Store { source, .. } => {
                let passing = matches!(**source, E::Generic { .. } | E::JoinError { .. });
                passing && !self.io_kind().is_some_and(is_lasting)
            }
            Self::Folder { source, .. } => !is_lasting(source.kind()),
            _ => false,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Location { hint, .. } => return hint.clone(),
            Self::Exists { .. } => {
                "another host seems to use this location for a pipeline of the same name: give each its own"
            }
            Self::Damaged { .. } | Self::Foreign { .. } => {
                "restore the file from a copy, or delete the pipeline and apply it again to start over"
            }
            Self::Format { .. } => "start the newer Tidemill that wrote it",
            Self::Store { action, source, .. } => match store_hint(action, source) {
                Some(hint) => hint,
                None => return self.io_kind().and_then(io_hint),
            },
            Self::Folder { .. } => return self.io_kind().and_then(io_hint),
        };
        Some(hint.to_owned())
    }

    /// What the operating system said, if it said something.
    fn io_kind(&self) -> Option<io::ErrorKind> {
        let mut cause: Option<&(dyn Error + 'static)> = self.source();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return Some(error.kind());
            }
            cause = error.source();
        }
        None
    }
}

fn store_hint(action: &str, source: &object_store::Error) -> Option<&'static str> {
    use object_store::Error as E;
    match source {
        E::NotFound { .. } if action == "read" => Some(
            "a file that the log refers to is gone: restore it, or delete the pipeline and apply it again to start over",
        ),
        E::NotFound { .. } => Some("does the bucket or folder exist?"),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => Some(
            "the host must be allowed to write there; keys of S3 come from the variables AWS_*",
        ),
        _ => None,
    }
}

/// Whether it takes a person to change this.
fn is_lasting(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as K;
    matches!(
        kind,
        K::PermissionDenied
            | K::ReadOnlyFilesystem
            | K::NotADirectory
            | K::IsADirectory
            | K::InvalidInput
    )
}

fn io_hint(kind: io::ErrorKind) -> Option<String> {
    use io::ErrorKind as K;
    let hint = match kind {
        K::PermissionDenied => "the host's user must be allowed to write there",
        K::ReadOnlyFilesystem => "the file system is mounted read-only",
        K::StorageFull | K::QuotaExceeded => "the disk is full: free some space",
        K::NotADirectory => "a part of the path is a file, not a folder",
        K::ConnectionRefused => "nothing listens at the endpoint: check AWS_ENDPOINT_URL",
        _ => return None,
    };
    Some(hint.to_owned())
}
