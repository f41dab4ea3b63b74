//! Keys and their accumulators: the hash table behind partial folds and behind state.
//!
//! Groups are numbered in order of first occurrence, and everything that is read out comes in
//! that order: **the hash, whose seed differs from run to run, never shows in a result.**
//! Keys and accumulators lie in two growing arenas; nothing is allocated for a key. Keys of up to
//! eight bytes are compared and hashed as one integer.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;
use tidemill_plugin::ColumnRef;

/// A key as it is looked up; absent keys form a group of their own.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    bytes: Option<&'a [u8]>,
    /// The first eight bytes, little endian, zero behind the end.
    head: u64,
}

impl<'a> Key<'a> {
    /// Any key.
    #[must_use]
    pub fn new(bytes: Option<&'a [u8]>) -> Self {
        let all = bytes.unwrap_or_default();
        Self { bytes, head: head_of(all, 0, all.len()) }
    }

    /// Item `index` of a column: may look past its end within the column, which is faster.
    #[must_use]
    pub fn item(column: &ColumnRef<'a>, index: usize) -> Self {
        match column.get(index) {
            Some(bytes) => {
                let start = column.offsets().get(index).map_or(0, |start| *start as usize);
                Self { bytes: Some(bytes), head: head_of(column.data(), start, bytes.len()) }
            }
            None => Self { bytes: None, head: 0 },
        }
    }
}

#[derive(Clone, Copy)]
struct Entry {
    head: u64,
    key_start: usize,
    accumulator_start: usize,
    key_length: u32,
    accumulator_length: u32,
    /// The last call that touched the group (the first is 1), and its number within that call.
    call: u32,
    local: u32,
}

/// The length that stands for "absent".
const ABSENT: u32 = u32::MAX;
/// Below this, overwritten accumulators are not worth a copy of the live ones.
const GARBAGE_BYTES_MIN: usize = 64 << 10;

/// Groups by key, numbered in order of first occurrence.
#[derive(Default, Clone)]
pub struct Groups {
    index: HashTable<u32>,
    entries: Vec<Entry>,
    keys: Vec<u8>,
    accumulators: Vec<u8>,
    garbage: usize,
    seed: foldhash::fast::RandomState,
}

impl Groups {
    /// How many groups there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of keys, accumulators and their bookkeeping.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.keys.len() + self.accumulators.len() + self.entries.len() * size_of::<Entry>()
    }

    /// The group of `key`, new or not.
    pub fn find_or_insert(&mut self, key: Key<'_>) -> u32 {
        let Self { index, entries, keys, seed, .. } = self;
        let hash = hash_of(seed, key.bytes, key.head);
        if let Some(group) = index.find(hash, |group| is_key(entries, keys, *group, &key)) {
            return *group;
        }
        // Four thousand million groups in one pane of one task would not fit into memory first.
        let group = u32::try_from(entries.len()).expect("fewer than 2^32 groups");
        entries.push(Entry {
            head: key.head,
            key_start: keys.len(),
            accumulator_start: 0,
            key_length: length_of(key.bytes),
            accumulator_length: ABSENT,
            call: 0,
            local: 0,
        });
        keys.extend_from_slice(key.bytes.unwrap_or_default());
        index.insert_unique(hash, group, |group| {
            let entry = &entries[*group as usize];
            hash_of(seed, key_bytes(entry, keys), entry.head)
        });
        group
    }

    /// Removes the group that came last.
    ///
    /// # Panics
    /// If another came after it.
    pub fn take_back(&mut self, group: u32) {
        let Self { index, entries, keys, seed, .. } = self;
        assert!(group as usize + 1 == entries.len(), "only the last group is taken back");
        if let Some(entry) = entries.pop() {
            let hash = hash_of(seed, key_bytes(&entry, keys), entry.head);
            if let Ok(found) = index.find_entry(hash, |at| *at == group) {
                found.remove();
            }
            keys.truncate(entry.key_start);
        }
    }

    /// The group's number within `call`; a group that it has not touched yet gets `next`, and true.
    #[inline]
    pub fn local(&mut self, group: u32, call: u32, next: u32) -> (u32, bool) {
        let entry = &mut self.entries[group as usize];
        if entry.call == call {
            return (entry.local, false);
        }
        entry.call = call;
        entry.local = next;
        (next, true)
    }

    /// The group's key; `None` for the group of absent keys.
    #[must_use]
    pub fn key(&self, group: u32) -> Option<&[u8]> {
        key_bytes(&self.entries[group as usize], &self.keys)
    }

    /// The group's accumulator, once it has one.
    #[must_use]
    pub fn accumulator(&self, group: u32) -> Option<&[u8]> {
        let entry = &self.entries[group as usize];
        (entry.accumulator_length != ABSENT).then(|| {
            &self.accumulators[entry.accumulator_start..][..entry.accumulator_length as usize]
        })
    }

    /// Sets the group's accumulator; in place where its length stays.
    pub fn set_accumulator(&mut self, group: u32, bytes: &[u8]) {
        let entry = &mut self.entries[group as usize];
        if entry.accumulator_length as usize == bytes.len() {
            self.accumulators[entry.accumulator_start..][..bytes.len()].copy_from_slice(bytes);
            return;
        }
        if entry.accumulator_length != ABSENT {
            self.garbage += entry.accumulator_length as usize;
        }
        entry.accumulator_start = self.accumulators.len();
        entry.accumulator_length = length_of(Some(bytes));
        self.accumulators.extend_from_slice(bytes);
        if self.garbage > GARBAGE_BYTES_MIN && self.garbage > self.accumulators.len() / 2 {
            self.drop_garbage();
        }
    }

    /// Group numbers in order of their keys' bytes; absent first. For results that must not depend
    /// on when a key was first seen.
    #[must_use]
    pub fn sorted_by_key(&self) -> Vec<u32> {
        let mut groups: Vec<u32> = (0u32..).take(self.entries.len()).collect();
        groups.sort_unstable_by(|left, right| self.key(*left).cmp(&self.key(*right)));
        groups
    }

    fn drop_garbage(&mut self) {
        let mut live = Vec::with_capacity(self.accumulators.len() - self.garbage);
        for entry in self.entries.iter_mut().filter(|entry| entry.accumulator_length != ABSENT) {
            let bytes =
                &self.accumulators[entry.accumulator_start..][..entry.accumulator_length as usize];
            entry.accumulator_start = live.len();
            live.extend_from_slice(bytes);
        }
        self.accumulators = live;
        self.garbage = 0;
    }
}

fn length_of(bytes: Option<&[u8]>) -> u32 {
    // Columns hold less than 2^31 bytes.
    bytes.map_or(ABSENT, |bytes| u32::try_from(bytes.len()).expect("an item of a column"))
}

fn key_bytes<'a>(entry: &Entry, keys: &'a [u8]) -> Option<&'a [u8]> {
    (entry.key_length != ABSENT).then(|| &keys[entry.key_start..][..entry.key_length as usize])
}

#[inline]
fn is_key(entries: &[Entry], keys: &[u8], group: u32, key: &Key<'_>) -> bool {
    let entry = &entries[group as usize];
    if entry.head != key.head {
        return false;
    }
    match key.bytes {
        Some(bytes) if bytes.len() <= 8 => entry.key_length as usize == bytes.len(),
        bytes => key_bytes(entry, keys) == bytes,
    }
}

#[inline]
fn hash_of(seed: &foldhash::fast::RandomState, key: Option<&[u8]>, head: u64) -> u64 {
    let mut hasher = seed.build_hasher();
    match key {
        Some(bytes) if bytes.len() <= 8 => {
            hasher.write_u64(head ^ ((bytes.len() as u64) << 56).rotate_left(3))
        }
        Some(bytes) => hasher.write(bytes),
        None => hasher.write_u8(0),
    }
    hasher.finish()
}

/// Up to eight bytes of `data` from `start`, of which `length` count.
#[inline]
fn head_of(data: &[u8], start: usize, length: usize) -> u64 {
    if let Some(Ok(eight)) = data.get(start..start + 8).map(<[u8; 8]>::try_from) {
        let unused = 8usize.saturating_sub(length) * 8;
        return u64::from_le_bytes(eight)
            .checked_shl(u32::try_from(unused).unwrap_or(64))
            .map_or(0, |kept| kept >> unused);
    }
    let mut head = [0; 8];
    let tail = &data[start..][..length.min(8)];
    head[..tail.len()].copy_from_slice(tail);
    u64::from_le_bytes(head)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use tidemill_plugin::Column;

    use super::*;

    #[test]
    fn absent_and_empty_keys_are_two_groups() {
        let mut groups = Groups::default();
        let absent = groups.find_or_insert(Key::new(None));
        let empty = groups.find_or_insert(Key::new(Some(b"")));
        assert_ne!(absent, empty);
        assert_eq!(groups.key(absent), None);
        assert_eq!(groups.key(empty), Some(&b""[..]));
        assert_eq!(groups.find_or_insert(Key::new(None)), absent);
    }

    #[test]
    fn zero_bytes_at_the_end_count() {
        let mut groups = Groups::default();
        let short = groups.find_or_insert(Key::new(Some(b"a")));
        let long = groups.find_or_insert(Key::new(Some(b"a\0")));
        assert_ne!(short, long);
    }

    #[test]
    fn a_group_that_is_taken_back_was_never_there() {
        let mut groups = Groups::default();
        let long = b"a key of more than eight bytes".as_slice();
        for key in [Some(&b"a"[..]), Some(long), None] {
            let kept = groups.find_or_insert(Key::new(Some(b"kept")));
            let group = groups.find_or_insert(Key::new(key));
            groups.take_back(group);
            assert_eq!((groups.len(), groups.key(kept)), (1, Some(&b"kept"[..])));
            assert_eq!(groups.find_or_insert(Key::new(Some(b"next"))), 1);
            groups.take_back(1);
        }
    }

    proptest! {
        #[test]
        fn as_a_map_would(keys in prop::collection::vec(prop::option::of(prop::collection::vec(0u8..4, 0..12)), 0..300)) {
            let mut column = Column::default();
            keys.iter().for_each(|key| column.push(key.as_deref()));
            let view = column.as_ref();
            let mut groups = Groups::default();
            let mut model: HashMap<Option<Vec<u8>>, u32> = HashMap::new();
            for (index, key) in keys.iter().enumerate() {
                let next = u32::try_from(model.len()).unwrap();
                let expected = *model.entry(key.clone()).or_insert(next);
                prop_assert_eq!(groups.find_or_insert(Key::item(&view, index)), expected);
                prop_assert_eq!(groups.find_or_insert(Key::new(key.as_deref())), expected);
            }
            for (key, group) in &model {
                prop_assert_eq!(groups.key(*group), key.as_deref());
            }
        }

        #[test]
        fn accumulators_of_changing_length_stay_apart(sets in prop::collection::vec((0u32..8, 0usize..3000), 0..300)) {
            let mut groups = Groups::default();
            for key in 0u8..8 {
                groups.find_or_insert(Key::new(Some(&[key])));
            }
            let mut model = HashMap::new();
            for (step, (group, length)) in sets.into_iter().enumerate() {
                let bytes = vec![u8::try_from(step % 251).unwrap(); length];
                groups.set_accumulator(group, &bytes);
                model.insert(group, bytes);
            }
            for group in 0..8 {
                prop_assert_eq!(groups.accumulator(group), model.get(&group).map(Vec::as_slice));
            }
        }
    }
}
