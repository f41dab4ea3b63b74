//! A pipeline's state between batches: immutable files in a folder or a bucket, and a manifest
//! for each batch that names the files which make up its state.
//!
//! A batch writes its state files ([`StateWriter`]), then publishes a [`Manifest`]; the log's
//! commit carries the [`Pointer`] to it. Later, deltas are compacted into snapshots and files that
//! nobody names are collected.
//! **A file is nothing until a commit leads to it, and none that a commit leads to is ever changed
//! or deleted**: a crash at any point leaves files that are collected later, and no more.

mod location;
mod state_file;
mod manifest;
mod pointer;
mod store;
mod plan;
mod restore;
mod compaction;
mod garbage;
mod error;

#[cfg(test)]
mod tests;

/// A manifest that was committed, and where it is.
pub type Checkpoint = (Pointer, std::sync::Arc<Manifest>);

pub use compaction::decide_compaction;
pub use error::{CheckpointError, Damage};
pub use garbage::{Collected, Keep};
pub use location::{Opened, open_location};
pub use manifest::{
    FileKind, MANIFEST_FORMAT, Manifest, OperatorWatermark, SourceOffset, StateFile,
};
pub use pointer::{Pointer, PointerError};
pub use restore::{Observed, Restore, RestoreError, Seen, check_positions, decide_restore};
pub use state_file::{Entry, StateEntries, StateFileError, StateWriter, read_state};
pub use store::{CheckpointStore, Ids, Newest};
