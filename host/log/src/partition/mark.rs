//! The durable mark: up to which offset the log is known to have been synced.
//!
//! Recovery needs it to tell a torn tail from damage in the middle: **records below the mark
//! were acknowledged, so they are never cut off.** It is written after every sync but synced
//! seldom, so that it costs no fdatasync: after a power loss it may be behind, never ahead.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::framed::FrameError;
use crate::identity::Offset;

const MAGIC: [u8; 8] = *b"TMMARK\0\0";
const VERSION: u32 = 1;
const NAME: &str = "durable mark";

/// Magic and version; then the slots.
const PREFIX_BYTES: usize = 12;
/// A number that grows, an offset, a CRC-32 of both.
const SLOT_BYTES: usize = 20;
/// Slots 0 and 1 are written in turn and synced at once, so one of them is always whole.
const SYNCED_SLOTS: usize = 2;
/// Slot 2 takes the marks that are not synced.
const QUICK_SLOT: usize = 2;
const FILE_BYTES: usize = PREFIX_BYTES + 3 * SLOT_BYTES;

/// The mark of one partition.
pub(crate) struct Mark {
    file: Arc<dyn DiskFile>,
    /// Grows with every write; the newest slot counts.
    turn: u64,
    offset: Offset,
    /// What is known to survive a power loss.
    synced_offset: Offset,
    /// Which of the synced slots is written next: the older one.
    next_slot: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    turn: u64,
    offset: Offset,
}

impl Mark {
    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join("durable.mark")
    }

    /// Makes the file, durable but for its name.
    pub(crate) fn create(disk: &dyn Disk, dir: &Path, offset: Offset) -> io::Result<Self> {
        let file = disk.open(&Self::path(dir), OpenMode::Create)?;
        let mut empty = [0; FILE_BYTES];
        empty[..8].copy_from_slice(&MAGIC);
        empty[8..PREFIX_BYTES].copy_from_slice(&VERSION.to_be_bytes());
        file.write_at(&empty, 0)?;
        let mut mark = Self { file, turn: 0, offset, synced_offset: offset, next_slot: 0 };
        mark.sync(offset)?;
        Ok(mark)
    }

    /// Opens the file with the newest mark in it; `None` where it is missing or no slot is whole.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        mode: OpenMode,
    ) -> Result<Option<Self>, FrameError> {
        let path = Self::path(dir);
        let failed = |source| FrameError::Read { name: NAME, path: path.clone(), source };
        let file = match disk.open(&path, mode) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let mut bytes = [0; FILE_BYTES];
        if file.read_at(&mut bytes, 0).map_err(failed)? < PREFIX_BYTES {
            return Ok(None);
        }
        check_prefix(path, &bytes)?;
        let slots: Vec<_> = bytes[PREFIX_BYTES..].chunks_exact(SLOT_BYTES).map(decode).collect();
        let Some(newest) = slots.iter().flatten().max().copied() else { return Ok(None) };
        let (first, second) = (slots.first().copied().flatten(), slots.get(1).copied().flatten());
        Ok(Some(Self {
            file,
            turn: newest.turn,
            offset: newest.offset,
            synced_offset: Offset::ZERO,
            next_slot: usize::from(first > second),
        }))
    }

    /// Everything before it was synced.
    pub(crate) const fn offset(&self) -> Offset {
        self.offset
    }

    /// Notes that everything before `offset` has been synced. Not synced itself.
    pub(crate) fn note(&mut self, offset: Offset) -> io::Result<()> {
        if offset <= self.offset {
            return Ok(());
        }
        self.write(QUICK_SLOT, offset)
    }

    /// Notes the same, durably.
    pub(crate) fn sync(&mut self, offset: Offset) -> io::Result<()> {
        let offset = offset.max(self.offset);
        if self.turn > 0 && offset == self.synced_offset {
            return Ok(());
        }
        self.write(self.next_slot, offset)?;
        self.file.sync_data()?;
        self.synced_offset = offset;
        self.next_slot = (self.next_slot + 1) % SYNCED_SLOTS;
        Ok(())
    }

    fn write(&mut self, slot: usize, offset: Offset) -> io::Result<()> {
        self.turn += 1;
        let position = PREFIX_BYTES + slot * SLOT_BYTES;
        self.file.write_at(&encode(Slot { turn: self.turn, offset }), position as u64)?;
        self.offset = offset;
        Ok(())
    }
}

fn check_prefix(path: PathBuf, bytes: &[u8; FILE_BYTES]) -> Result<(), FrameError> {
    if bytes[..8] != MAGIC {
        return Err(FrameError::Magic { name: NAME, path, found: bytes[..8].to_vec() });
    }
    let mut found = [0; 4];
    found.copy_from_slice(&bytes[8..PREFIX_BYTES]);
    let found = u32::from_be_bytes(found);
    if found != VERSION {
        return Err(FrameError::Version { name: NAME, path, found, known: VERSION });
    }
    Ok(())
}

fn encode(slot: Slot) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..8].copy_from_slice(&slot.turn.to_be_bytes());
    bytes[8..16].copy_from_slice(&slot.offset.get().to_be_bytes());
    let crc = crc32fast::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Slot> {
    let (turn, rest) = bytes.split_first_chunk()?;
    let (offset, rest) = rest.split_first_chunk()?;
    let crc = rest.first_chunk()?;
    (crc32fast::hash(bytes.get(..16)?) == u32::from_be_bytes(*crc)).then_some(Slot {
        turn: u64::from_be_bytes(*turn),
        offset: Offset::new(i64::from_be_bytes(*offset)),
    })
}
