//! What can go wrong while a source is copied.

use std::io;
use std::path::PathBuf;

use crate::broker::BrokerError;

use super::lines::LINE_BYTES_MAX;

/// A failure to copy a source.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The folder that a pattern begins with is not there.
    #[error("open the folder {} of the pattern `{pattern}`", path.display())]
    Folder {
        /// The part of the pattern without wildcards.
        path: PathBuf,
        /// The pattern.
        pattern: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file cannot be looked at or read.
    #[error("{action} {}", path.display())]
    File {
        /// What was tried, verb first.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A line is longer than a record may be.
    #[error("the line at byte {at} of {origin} is longer than {LINE_BYTES_MAX} bytes")]
    Line {
        /// The file, or the address of a socket.
        origin: String,
        /// Where the line begins; for a socket, counted from the connection's begin.
        at: u64,
    },
    /// More files than positions are kept for.
    #[error("the pattern `{pattern}` matches more than {max} files")]
    TooMany {
        /// The pattern.
        pattern: String,
        /// The bound.
        max: usize,
    },
    /// A stored position makes no sense.
    #[error("the position `{text}` of group `{group}` cannot be read")]
    Position {
        /// The group that it was stored for.
        group: String,
        /// As stored.
        text: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Somebody else has moved the group's positions.
    #[error("group `{group}` has copied {found} records, not {expected}")]
    Foreign {
        /// The group.
        group: String,
        /// Records that this ingester knows of.
        expected: i64,
        /// Records that the log knows of.
        found: i64,
    },
    /// The log failed.
    #[error("copy into the topic `{topic}`")]
    Broker {
        /// The internal topic.
        topic: String,
        /// Why it failed.
        #[source]
        source: BrokerError,
    },
    /// It was told to stop.
    #[error("the copying was stopped")]
    Stopped,
}

impl IngestError {
    /// Whether to start again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Broker { source, .. } => source.is_retryable(),
            Self::File { source, .. } => source.kind() != io::ErrorKind::PermissionDenied,
            Self::Stopped => true,
            _ => false,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Folder { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "create the folder, or correct the pattern; a relative one starts where the host was started"
            }
            Self::Folder { .. } | Self::File { .. } => "the host's user must be allowed to read it",
            Self::Line { .. } => "cut the line, or leave the file out of the pattern",
            Self::TooMany { .. } => "use a narrower pattern, or several sources",
            Self::Position { .. } | Self::Foreign { .. } => {
                "something else commits to this group: keep it out, or delete the pipeline to start over"
            }
            Self::Broker { .. } | Self::Stopped => return None,
        };
        Some(hint.to_owned())
    }
}
