//! Many state files of one task become one snapshot.
//! **The snapshot holds what applying the files in order would give**, sorted by (pane, key).
//!
//! Held at once: the files' bytes, an index of the deltas' keys, and the snapshot being written.
//! An older snapshot is sorted, and is only walked over.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::error::{CheckpointError, Damage};
use super::manifest::{FileKind, StateFile};
use super::state_file::{Entry, StateEntries, StateFileError, StateWriter, read_state};
use super::store::CheckpointStore;

/// So many deltas are merged however small they are: each is a file to open at a restart.
const DELTAS_MAX: usize = 8;
/// Fewer bytes of deltas are not worth a file.
const DELTA_BYTES_MIN: u64 = 1 << 20;
/// Merging less than this does not hold up the other tasks of a thread.
const INLINE_BYTES_MAX: usize = 1 << 18;

/// Whether one task's files (oldest first) should become a snapshot: there are many deltas, or
/// they outweigh the snapshot that they follow.
#[must_use]
pub fn decide_compaction(files: &[StateFile]) -> bool {
    let snapshot = files.iter().rposition(|file| file.kind == FileKind::Snapshot);
    let base = snapshot.and_then(|at| files.get(at)).map_or(0, |file| file.length);
    let deltas = files.get(snapshot.map_or(0, |at| at + 1)..).unwrap_or_default();
    let bytes: u64 = deltas.iter().map(|file| file.length).fold(0, u64::saturating_add);
    deltas.len() >= DELTAS_MAX || (deltas.len() > 1 && bytes > base.max(DELTA_BYTES_MIN))
}

impl CheckpointStore {
    /// Merges the files of one task of one operator, oldest first, into a snapshot with the state
    /// after the last of them. The files themselves stay until garbage is collected.
    ///
    /// `in_flight` is a batch that is not committed yet. The snapshot carries it in its name, so
    /// that an earlier owner of the pipeline, who does not know the snapshot and may still be
    /// collecting garbage up to its own last commit, does not take it for garbage.
    /// # Errors
    /// [`CheckpointError::Damaged`] if a file cannot be read; nothing has changed.
    /// # Panics
    /// If `files` is empty or of several tasks.
    pub async fn compact(
        &self,
        files: &[StateFile],
        in_flight: u64,
    ) -> Result<StateFile, CheckpointError> {
        let Some(last) = files.last() else { panic!("nothing to compact") };
        let same = |file: &StateFile| file.operator == last.operator && file.task == last.task;
        assert!(files.iter().all(same), "files of several tasks");
        // What came before the last snapshot is in it.
        let first = files.iter().rposition(|file| file.kind == FileKind::Snapshot).unwrap_or(0);
        let mut read = Vec::with_capacity(files.len() - first);
        for file in files.iter().skip(first) {
            read.push((file.path.clone(), self.read(file).await?));
        }
        let merged = merge_aside(read).await;
        let bytes = merged.map_err(|(path, error)| self.damaged(&path, Damage::State(error)))?;
        self.write_snapshot(&last.operator, last.task, last.batch, in_flight, bytes).await
    }
}

/// A path and the bytes there.
type Read = Vec<(String, Bytes)>;
/// The merged file, or which one is wrong.
type Merged = Result<Vec<u8>, (String, StateFileError)>;

async fn merge_aside(read: Read) -> Merged {
    if read.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() <= INLINE_BYTES_MAX {
        return merge(&read);
    }
    match tokio::task::spawn_blocking(move || merge(&read)).await {
        Ok(merged) => merged,
        // Only a panic ends it early; it goes on where it can be seen.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Applies the files in order. The first may be a snapshot.
fn merge(read: &[(String, Bytes)]) -> Merged {
    let mut files =
        read.iter().map(|(path, bytes)| read_state(bytes).map_err(|error| (path.clone(), error)));
    let Some(base) = files.next().transpose()? else { return Ok(StateWriter::new().finish()) };
    let mut changes = Changes::default();
    // A delta may come first: then nothing is known to be sorted, and everything is indexed.
    let base = if is_sorted(base.clone()) {
        Some(base)
    } else {
        changes.apply(base);
        None
    };
    for file in files {
        changes.apply(file?);
    }
    Ok(changes.over(base.into_iter().flatten(), read.iter().map(|(_, bytes)| bytes.len()).sum()))
}

/// Whether the entries are as in a snapshot.
fn is_sorted(entries: StateEntries<'_>) -> bool {
    let mut before = None;
    entries.into_iter().all(|entry| match entry {
        Entry::Set { pane, key, .. } => {
            let rises = before < Some((pane, key));
            before = Some((pane, key));
            rises
        }
        Entry::Evict { .. } => false,
    })
}

/// What deltas change, by pane and key.
#[derive(Default)]
struct Changes<'a> {
    panes: BTreeMap<i64, PaneChanges<'a>>,
}

#[derive(Default)]
struct PaneChanges<'a> {
    /// Whether what the base has of this pane is gone.
    evicted: bool,
    set: BTreeMap<Option<&'a [u8]>, &'a [u8]>,
}

impl<'a> Changes<'a> {
    fn apply(&mut self, entries: StateEntries<'a>) {
        for entry in entries {
            match entry {
                Entry::Set { pane, key, accumulator } => {
                    self.panes.entry(pane).or_default().set.insert(key, accumulator);
                }
                Entry::Evict { pane } => {
                    let evicted = PaneChanges { evicted: true, set: BTreeMap::new() };
                    self.panes.insert(pane, evicted);
                }
            }
        }
    }

    /// Writes the base's entries, which rise by (pane, key), with these changes over them.
    fn over(&self, base: impl Iterator<Item = Entry<'a>>, bytes_max: usize) -> Vec<u8> {
        let mut writer = StateWriter::with_capacity(bytes_max);
        let changed = self.panes.iter().flat_map(|(pane, changes)| {
            changes.set.iter().map(|(key, accumulator)| (*pane, *key, *accumulator))
        });
        let mut changed = changed.peekable();
        for entry in base {
            let Entry::Set { pane, key, accumulator } = entry else { continue };
            while let Some((pane, key, accumulator)) =
                changed.next_if(|change| (change.0, change.1) < (pane, key))
            {
                writer.set(pane, key, accumulator);
            }
            let gone = self
                .panes
                .get(&pane)
                .is_some_and(|changes| changes.evicted || changes.set.contains_key(&key));
            if !gone {
                writer.set(pane, key, accumulator);
            }
        }
        for (pane, key, accumulator) in changed {
            writer.set(pane, key, accumulator);
        }
        writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(kind: FileKind, length: u64) -> StateFile {
        StateFile {
            operator: "count".to_owned(),
            task: 0,
            batch: 0,
            kind,
            path: String::new(),
            length,
            crc32: 0,
        }
    }

    #[test]
    fn compacts_many_or_heavy_deltas() {
        let snapshot = |length| file(FileKind::Snapshot, length);
        let deltas = |count, length| vec![file(FileKind::Delta, length); count];
        let after = |first: StateFile, rest: Vec<StateFile>| [vec![first], rest].concat();
        for (files, expected) in [
            (vec![], false),
            (deltas(1, 1 << 30), false),
            (deltas(7, 1), false),
            (deltas(8, 1), true),
            (deltas(2, 1 << 20), true),
            (deltas(2, 1 << 19), false),
            (after(snapshot(1 << 30), vec![]), false),
            (after(snapshot(1 << 30), deltas(7, 1 << 20)), false),
            (after(snapshot(1 << 30), deltas(8, 1)), true),
            (after(snapshot(1 << 21), deltas(2, 1 << 20)), false),
            (after(snapshot(1 << 21), deltas(3, 1 << 20)), true),
            // What a later snapshot holds counts no more.
            ([deltas(9, 9), vec![snapshot(1)], deltas(1, 1)].concat(), false),
        ] {
            assert_eq!(decide_compaction(&files), expected, "{files:?}");
        }
    }

    type State = BTreeMap<(i64, Option<Vec<u8>>), Vec<u8>>;

    fn apply(state: &mut State, bytes: &[u8]) {
        for entry in read_state(bytes).unwrap() {
            match entry {
                Entry::Set { pane, key, accumulator } => {
                    state.insert((pane, key.map(<[u8]>::to_vec)), accumulator.to_vec());
                }
                Entry::Evict { pane } => state.retain(|(of, _), _| *of != pane),
            }
        }
    }

    fn delta() -> impl Strategy<Value = Vec<u8>> {
        let set = (0..4_i64, prop::option::of(prop::collection::vec(0..3_u8, 0..3)), any::<u8>());
        let change = prop_oneof![5 => set.prop_map(Some), 1 => Just(None)];
        prop::collection::vec((change, 0..4_i64), 0..12).prop_map(|changes| {
            let mut writer = StateWriter::new();
            for (change, evicted) in changes {
                match change {
                    Some((pane, key, value)) => writer.set(pane, key.as_deref(), &[value]),
                    None => writer.evict(evicted),
                }
            }
            writer.finish()
        })
    }

    fn merged(files: &[Vec<u8>]) -> Vec<u8> {
        let read: Read =
            files.iter().map(|file| (String::new(), Bytes::from(file.clone()))).collect();
        merge(&read).unwrap()
    }

    proptest! {
        /// Merged at once or in two steps, the state is that of the files one after the other,
        /// and so are the bytes.
        #[test]
        fn merging_is_applying_in_order(files in prop::collection::vec(delta(), 1..6), cut in 0..6_usize) {
            let mut expected = State::new();
            files.iter().for_each(|file| apply(&mut expected, file));
            let whole = merged(&files);
            prop_assert!(is_sorted(read_state(&whole).unwrap()));
            let mut found = State::new();
            apply(&mut found, &whole);
            prop_assert_eq!(&found, &expected);
            let (first, rest) = files.split_at(cut.min(files.len()));
            let mut steps = vec![merged(first)];
            steps.extend_from_slice(rest);
            prop_assert_eq!(merged(&steps), whole);
        }
    }
}
