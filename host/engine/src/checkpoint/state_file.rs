//! The file that keeps what a batch changed in one task of one operator, or all of its state.
//!
//! Integers are little endian; a varint has seven bits a byte, least significant first, the high
//! bit set on all bytes but the last.
//!
//! ```text
//! magic "TMSTATE\0" · version u16 = 1
//! entries, each: tag u8, then
//!   1  pane:   i64                                the pane of the `set`s that follow
//!   2  set:    varint n · key n bytes · varint m · accumulator m bytes
//!   3  set, no key:                   varint m · accumulator m bytes
//!   4  evict:  i64                                drops every key of a pane, and ends the pane
//! number of entries (sets and evictions) u64 · CRC-32 of everything before u32
//! ```
//! Entries apply in order: a later one of the same pane and key wins. In a snapshot they rise by
//! (pane, key), no key first, and none evicts.
//! **Nothing is handed out of a file that is not whole**: checksum, structure and number of
//! entries are checked before the first entry, and no length is trusted for an allocation.

/// Begins every state file.
const MAGIC: [u8; 8] = *b"TMSTATE\0";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = MAGIC.len() + 2;
const TRAILER_BYTES: usize = 8 + 4;

const TAG_PANE: u8 = 1;
const TAG_SET: u8 = 2;
const TAG_SET_NO_KEY: u8 = 3;
const TAG_EVICT: u8 = 4;

/// Writes one state file into memory.
#[derive(Debug)]
pub struct StateWriter {
    bytes: Vec<u8>,
    pane: Option<i64>,
    entries: u64,
}

impl Default for StateWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl StateWriter {
    /// A file without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// A file without entries that grows to `bytes` without moving.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let mut file = Vec::with_capacity(HEADER_BYTES + bytes + TRAILER_BYTES);
        file.extend_from_slice(&MAGIC);
        file.extend_from_slice(&VERSION.to_le_bytes());
        Self { bytes: file, pane: None, entries: 0 }
    }

    /// The accumulator of a key in a pane is now this one. Quickest if all keys of a pane follow
    /// each other. An absent key is not the empty key.
    pub fn set(&mut self, pane: i64, key: Option<&[u8]>, accumulator: &[u8]) {
        if self.pane != Some(pane) {
            self.bytes.push(TAG_PANE);
            self.bytes.extend_from_slice(&pane.to_le_bytes());
            self.pane = Some(pane);
        }
        match key {
            Some(key) => {
                self.bytes.push(TAG_SET);
                self.push_item(key);
            }
            None => self.bytes.push(TAG_SET_NO_KEY),
        }
        self.push_item(accumulator);
        self.entries += 1;
    }

    /// All keys of a pane are gone.
    pub fn evict(&mut self, pane: i64) {
        self.bytes.push(TAG_EVICT);
        self.bytes.extend_from_slice(&pane.to_le_bytes());
        self.pane = None;
        self.entries += 1;
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The whole file.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&self.entries.to_le_bytes());
        let crc = crc32fast::hash(&self.bytes);
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        self.bytes
    }

    fn push_item(&mut self, item: &[u8]) {
        let mut length = item.len() as u64;
        while length >= 0x80 {
            self.bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.bytes.push(length as u8);
        self.bytes.extend_from_slice(item);
    }
}

/// One change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The accumulator of a key in a pane is now this one.
    Set {
        /// Start of the pane; what the engine passed to [`StateWriter::set`].
        pane: i64,
        /// Absent is not empty.
        key: Option<&'a [u8]>,
        /// As the plugin gave it back.
        accumulator: &'a [u8],
    },
    /// All keys of the pane are gone.
    Evict {
        /// Start of the pane.
        pane: i64,
    },
}

/// What is wrong with bytes that should be a state file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateFileError {
    /// It does not begin like one.
    #[error("not a state file: it begins with {found:02x?}")]
    Magic {
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// A newer Tidemill wrote it.
    #[error("state file of version {found}, but this Tidemill reads version {VERSION}")]
    Version {
        /// As written.
        found: u16,
    },
    /// It ends before its trailer.
    #[error("state file cut off after {length} bytes")]
    Truncated {
        /// Bytes there are.
        length: usize,
    },
    /// The bytes are not those that were written.
    #[error("state file is damaged: its CRC-32 is {found:08x}, but {expected:08x} was written")]
    Crc {
        /// As written in the trailer.
        expected: u32,
        /// Of the bytes read.
        found: u32,
    },
    /// The checksum fits, but what was written is no list of entries.
    #[error("state file has a wrong entry at byte {at}: {reason}")]
    Entry {
        /// Where the entry begins.
        at: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// There are fewer or more entries than were counted.
    #[error("state file has {found} entries, but {expected} were counted")]
    Count {
        /// As written in the trailer.
        expected: u64,
        /// Found.
        found: u64,
    },
}

impl StateFileError {
    /// Never: the bytes stay what they are.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

/// The entries of a file that was found to be whole, in order.
#[derive(Debug, Clone)]
pub struct StateEntries<'a> {
    cursor: Cursor<'a>,
    count: u64,
}

impl StateEntries<'_> {
    /// How many entries the file has.
    #[must_use]
    pub fn count_in_file(&self) -> u64 {
        self.count
    }
}

impl<'a> Iterator for StateEntries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        // `read_state` has walked over the same bytes and found no error.
        self.cursor.next_entry().ok().flatten()
    }
}

/// Checks a whole file and gives back its entries.
/// # Errors
/// What is wrong with it; nothing of it should be used.
pub fn read_state(bytes: &[u8]) -> Result<StateEntries<'_>, StateFileError> {
    let body = checked_body(bytes)?;
    let (entries, count) = match body.split_last_chunk::<8>() {
        Some((entries, count)) => (entries, u64::from_le_bytes(*count)),
        None => return Err(StateFileError::Truncated { length: bytes.len() }),
    };
    let cursor = Cursor { rest: entries, at: HEADER_BYTES, pane: None };
    let mut walk = cursor.clone();
    let mut found = 0;
    while walk.next_entry()?.is_some() {
        found += 1;
    }
    if found != count {
        return Err(StateFileError::Count { expected: count, found });
    }
    Ok(StateEntries { cursor, count })
}

/// What stands between header and checksum, once both are right.
fn checked_body(bytes: &[u8]) -> Result<&[u8], StateFileError> {
    let truncated = StateFileError::Truncated { length: bytes.len() };
    if !bytes.starts_with(&MAGIC) {
        if MAGIC.starts_with(bytes) {
            return Err(truncated);
        }
        let found = bytes.iter().copied().take(MAGIC.len()).collect();
        return Err(StateFileError::Magic { found });
    }
    let after_magic = bytes.get(MAGIC.len()..).unwrap_or_default();
    let Some((version, _)) = after_magic.split_first_chunk::<2>() else { return Err(truncated) };
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(StateFileError::Version { found: version });
    }
    if bytes.len() < HEADER_BYTES + TRAILER_BYTES {
        return Err(truncated);
    }
    let Some((content, crc)) = bytes.split_last_chunk::<4>() else { return Err(truncated) };
    let expected = u32::from_le_bytes(*crc);
    let found = crc32fast::hash(content);
    if found != expected {
        return Err(StateFileError::Crc { expected, found });
    }
    Ok(content.get(HEADER_BYTES..).unwrap_or_default())
}

#[derive(Debug, Clone)]
struct Cursor<'a> {
    rest: &'a [u8],
    at: usize,
    pane: Option<i64>,
}

impl<'a> Cursor<'a> {
    fn next_entry(&mut self) -> Result<Option<Entry<'a>>, StateFileError> {
        loop {
            let at = self.at;
            let wrong = |reason| StateFileError::Entry { at, reason };
            let Some((&tag, rest)) = self.rest.split_first() else { return Ok(None) };
            self.advance(rest);
            match tag {
                TAG_PANE => self.pane = Some(self.integer().ok_or(wrong("a pane is cut off"))?),
                TAG_EVICT => {
                    self.pane = None;
                    let pane = self.integer().ok_or(wrong("an eviction is cut off"))?;
                    return Ok(Some(Entry::Evict { pane }));
                }
                TAG_SET | TAG_SET_NO_KEY => {
                    let pane = self.pane.ok_or(wrong("a value without a pane"))?;
                    let key = match tag {
                        TAG_SET => Some(self.item().ok_or(wrong("a key is cut off"))?),
                        _ => None,
                    };
                    let accumulator = self.item().ok_or(wrong("a value is cut off"))?;
                    return Ok(Some(Entry::Set { pane, key, accumulator }));
                }
                _ => return Err(wrong("no such kind of entry")),
            }
        }
    }

    fn advance(&mut self, rest: &'a [u8]) {
        self.at += self.rest.len() - rest.len();
        self.rest = rest;
    }

    fn integer(&mut self) -> Option<i64> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>()?;
        self.advance(rest);
        Some(i64::from_le_bytes(*bytes))
    }

    fn item(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        let (item, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.advance(rest);
        Some(item)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.advance(rest);
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        // Nine bytes hold every length there can be.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An entry that owns what it holds.
    #[derive(Debug, Clone)]
    enum Owned {
        Set(i64, Option<Vec<u8>>, Vec<u8>),
        Evict(i64),
    }

    impl Owned {
        fn view(&self) -> Entry<'_> {
            match self {
                Self::Set(pane, key, accumulator) => {
                    Entry::Set { pane: *pane, key: key.as_deref(), accumulator }
                }
                Self::Evict(pane) => Entry::Evict { pane: *pane },
            }
        }
    }

    fn entries() -> impl Strategy<Value = Vec<Owned>> {
        let pane = prop_oneof![-2..3_i64, any::<i64>()];
        let bytes = prop::collection::vec(any::<u8>(), 0..200);
        let set = (pane.clone(), prop::option::of(bytes.clone()), bytes)
            .prop_map(|(pane, key, accumulator)| Owned::Set(pane, key, accumulator));
        prop::collection::vec(prop_oneof![4 => set, 1 => pane.prop_map(Owned::Evict)], 0..40)
    }

    fn write(entries: &[Owned]) -> Vec<u8> {
        let mut writer = StateWriter::new();
        for entry in entries {
            match entry {
                Owned::Set(pane, key, accumulator) => {
                    writer.set(*pane, key.as_deref(), accumulator)
                }
                Owned::Evict(pane) => writer.evict(*pane),
            }
        }
        assert_eq!(writer.is_empty(), entries.is_empty());
        writer.finish()
    }

    /// The trailer's checksum over other bytes, as an attacker would write it.
    fn reseal(mut bytes: Vec<u8>) -> Vec<u8> {
        let end = bytes.len() - 4;
        let crc = crc32fast::hash(&bytes[..end]).to_le_bytes();
        bytes[end..].copy_from_slice(&crc);
        bytes
    }

    proptest! {
        #[test]
        fn reads_what_was_written(entries in entries()) {
            let bytes = write(&entries);
            let read = read_state(&bytes).unwrap();
            prop_assert_eq!(read.count_in_file(), entries.len() as u64);
            let expected: Vec<_> = entries.iter().map(Owned::view).collect();
            prop_assert_eq!(read.collect::<Vec<_>>(), expected);
        }

        #[test]
        fn refuses_what_was_cut(entries in entries(), cut in any::<prop::sample::Index>()) {
            let bytes = write(&entries);
            prop_assert!(read_state(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn refuses_flipped_bits(entries in entries(), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let mut bytes = write(&entries);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(read_state(&bytes).is_err());
        }

        /// Whatever the bytes are, with a checksum that fits: an error or entries within the file.
        #[test]
        fn survives_lies(entries in entries(), lies in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut bytes = write(&entries);
            for (at, lie) in lies {
                let at = at.index(bytes.len());
                bytes[at] = lie;
            }
            let bytes = reseal(bytes);
            if let Ok(read) = read_state(&bytes) {
                let count = read.count_in_file();
                prop_assert_eq!(read.count() as u64, count);
            }
        }

        #[test]
        fn survives_noise(noise in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read_state(&noise).is_err());
            let mut bytes = MAGIC.to_vec();
            bytes.extend(VERSION.to_le_bytes());
            bytes.extend(noise);
            bytes.extend([0; 12]);
            let _ = read_state(&reseal(bytes)).map(Iterator::count);
        }
    }

    #[test]
    fn names_the_lie() {
        let file = |body: &[u8], count: u64| {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(VERSION.to_le_bytes());
            bytes.extend(body);
            bytes.extend(count.to_le_bytes());
            bytes.extend([0; 4]);
            read_state(&reseal(bytes)).map(|_| ()).unwrap_err().to_string()
        };
        let huge = [2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        let pane = [1, 0, 0, 0, 0, 0, 0, 0, 0];
        let cases = [
            file(&[9], 1),
            file(&[3, 0], 1),
            file(&[1, 0], 1),
            file(&[4, 0], 1),
            file(&[&pane[..], &huge].concat(), 1),
            file(
                &[&pane[..], &[2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]]
                    .concat(),
                1,
            ),
            file(&[&pane[..], &[3, 1]].concat(), 1),
            file(&pane, 1),
            read_state(b"PAR1 is not ours").map(|_| ()).unwrap_err().to_string(),
            read_state(b"TMSTATE\0\x02\0").map(|_| ()).unwrap_err().to_string(),
        ];
        insta::assert_snapshot!(cases.join("\n"));
    }
}
