//! The newest offset of every key, in bounded memory.
//!
//! A key stands as 128 bits of its SHA-256: nobody can find two keys with the same, so that
//! **no record is taken for a newer one of another key**.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use sha2::{Digest, Sha256};

use crate::identity::Offset;

type Print = [u8; 16];

/// What an entry takes, with the table's spare room.
const ENTRY_BYTES: usize = 64;

/// The newest offset of every key.
pub(super) struct KeyMap {
    newest: HashMap<Print, Offset, BuildHasherDefault<FirstBytes>>,
    entries_max: usize,
}

/// The prints are random already: their first bytes are as good as any hash of them.
#[derive(Default)]
pub(super) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length of an array: the same for all.
    fn write_usize(&mut self, _: usize) {}
}

fn print(key: &[u8]) -> Print {
    let digest = Sha256::digest(key);
    digest.first_chunk().copied().unwrap_or_default()
}

impl KeyMap {
    /// An empty map that takes at most about `bytes_max`, but a few keys in any case.
    pub(super) fn new(bytes_max: u64) -> Self {
        let entries_max = usize::try_from(bytes_max).unwrap_or(usize::MAX) / ENTRY_BYTES;
        Self { newest: HashMap::default(), entries_max: entries_max.max(16) }
    }

    /// Takes note of a record; false where there is no room for its key.
    #[must_use]
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let print = print(key);
        if self.newest.len() >= self.entries_max && !self.newest.contains_key(&print) {
            return false;
        }
        self.newest.insert(print, offset);
        true
    }

    /// Whether a record of `key` at `offset` has been replaced by a later one.
    pub(super) fn is_replaced(&self, key: &[u8], offset: Offset) -> bool {
        self.newest.get(&print(key)).is_some_and(|newest| *newest > offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_counts_until_the_map_is_full() {
        let mut map = KeyMap::new(0);
        for key in 0..16_u8 {
            assert!(map.put(&[key], Offset::new(i64::from(key))));
        }
        assert!(!map.put(b"one more", Offset::new(99)));
        assert!(map.put(&[3], Offset::new(50)), "a known key needs no room");
        assert!(map.is_replaced(&[3], Offset::new(3)));
        assert!(!map.is_replaced(&[3], Offset::new(50)));
        assert!(!map.is_replaced(b"one more", Offset::ZERO));
    }
}
