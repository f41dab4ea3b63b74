//! Deletes files that nothing leads to any more.
//! **Only what is named by no kept manifest *and* is no newer than the last commit goes.** Files of
//! batches in flight are newer; so are those of a later owner of the pipeline, whom this one may
//! not know of yet: his files carry batches above every commit that this one can have seen.

use std::collections::HashSet;

use super::Checkpoint;
use super::error::CheckpointError;
use super::manifest::StateFile;
use super::store::{CheckpointStore, batch_of};

/// Files deleted in one go; the rest is left for the next.
const DELETED_MAX: usize = 10_000;

/// What must stay.
#[derive(Debug, Clone, Copy)]
pub struct Keep<'a> {
    /// The committed manifests that a restart may still need: the last one, and some before it.
    pub manifests: &'a [Checkpoint],
    /// Older ones that a person may go back to.
    pub upgrades: &'a [Checkpoint],
    /// Other files that must stay. Snapshots made by the same store stay by themselves until a
    /// manifest names them.
    pub files: &'a [StateFile],
    /// The last committed batch. Files of later batches are never touched.
    pub committed: u64,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many files.
    pub files: usize,
    /// Their lengths, added up.
    pub bytes: u64,
    /// Whether there is more to delete.
    pub more: bool,
}

impl CheckpointStore {
    /// Lists everything, and deletes what is not to be kept. Without a manifest to keep, nothing.
    ///
    /// A crash or failure at any point leaves some of the garbage; manifests go first, so that
    /// none is ever left that names a file which is gone.
    /// # Errors
    /// [`CheckpointError::Store`]; try again later.
    pub async fn collect_garbage(&self, keep: &Keep<'_>) -> Result<Collected, CheckpointError> {
        let Some(oldest) = keep.manifests.iter().map(|(pointer, _)| pointer.batch).min() else {
            return Ok(Collected::default());
        };
        let named = self.named(keep);
        let mut collected = Collected::default();
        for (folder, up_to) in [
            ("manifests", Some(keep.committed)),
            // A plan is followed when its batch runs again: needed as long as one may go back before it.
            ("plans", oldest.checked_sub(1)),
            ("state", Some(keep.committed)),
        ] {
            let Some(up_to) = up_to else { continue };
            let mut files = self.list(folder).await?;
            files.retain(|(path, _)| is_garbage(path, &named, up_to));
            let room = DELETED_MAX - collected.files;
            collected.more |= files.len() > room;
            files.truncate(room);
            collected.files += files.len();
            collected.bytes += files.iter().map(|(_, length)| length).sum::<u64>();
            self.delete(files.into_iter().map(|(path, _)| path).collect()).await?;
            if collected.more {
                break;
            }
        }
        Ok(collected)
    }

    /// The paths of everything that must stay.
    fn named(&self, keep: &Keep<'_>) -> HashSet<String> {
        let mut named = HashSet::new();
        for (pointer, manifest) in keep.manifests.iter().chain(keep.upgrades) {
            named.insert(self.manifest_path(pointer.batch, pointer.id));
            named.extend(manifest.state.iter().map(|file| file.path.clone()));
        }
        named.extend(keep.files.iter().map(|file| file.path.clone()));
        let mut pending = self.pending.lock();
        // From here on the manifests hold them, or let them go.
        pending.retain(|path| !named.contains(path));
        named.extend(pending.iter().cloned());
        named
    }
}

/// A file whose name is none that we give is not ours to delete.
fn is_garbage(path: &str, named: &HashSet<String>, up_to: u64) -> bool {
    batch_of(path).is_some_and(|batch| batch <= up_to) && !named.contains(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_old_files_that_nobody_names() {
        let id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        let path = |batch: u64| format!("p/state/op/0/{batch:020}-{id}");
        let named = HashSet::from([path(3)]);
        for (path, expected) in [
            (path(2), true),
            (path(3), false),
            (path(5), true),
            (path(6), false),
            (format!("p/manifests/{:020}-{id}.json", 1), true),
            (format!("p/plans/{:020}.json", 1), true),
            ("p/state/op/0/notes.txt".to_owned(), false),
            (format!("p/state/op/0/{:020}.old", 1), false),
            (format!("p/state/op/0/{:019}-{id}", 1), false),
            (format!("p/state/op/0/+{:019}-{id}", 1), false),
            (String::new(), false),
        ] {
            assert_eq!(is_garbage(&path, &named, 5), expected, "{path}");
        }
    }
}
