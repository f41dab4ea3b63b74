//! The durable mark: up to which offset the log is known to have been synced.
//!
//! Recovery needs it to tell a torn tail from damage in the middle: **records below the mark
//! were acknowledged, so they are never cut off.** It is written after every sync but synced
//! seldom, so that it costs no fdatasync: after a power loss it may be behind, never ahead.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::framed::{FrameError, TEMPORARY_SUFFIX};
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

/// The mark of one partition. Its file is open while marks come.
pub(crate) struct Mark {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    exists: bool,
    file: Option<Arc<dyn DiskFile>>,
    newest: Newest,
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    /// Grows with every write; the newest slot counts.
    turn: u64,
    /// Everything before it was synced.
    pub offset: Offset,
    /// Which of the synced slots is written next: the older one.
    next_slot: usize,
    /// What the synced slots say.
    synced: Offset,
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

    /// The newest mark in the file; `None` where it is missing or no slot is whole.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<Newest>, FrameError> {
        let path = Self::path(dir);
        let failed = |source| FrameError::Read { name: NAME, path: path.clone(), source };
        let file = match disk.open(&path, OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let mut bytes = [0; FILE_BYTES];
        if file.read_at(&mut bytes, 0).map_err(failed)? < PREFIX_BYTES {
            return Ok(None);
        }
        check_prefix(path, &bytes)?;
        let slots: Vec<_> = bytes[PREFIX_BYTES..].chunks_exact(SLOT_BYTES).map(decode).collect();
        let (first, second) = (slots.first().copied().flatten(), slots.get(1).copied().flatten());
        let newest = slots.iter().flatten().max();
        Ok(newest.map(|newest| Newest {
            turn: newest.turn,
            offset: newest.offset,
            next_slot: usize::from(first > second),
            synced: first.max(second).map_or(Offset::ZERO, |slot| slot.offset),
        }))
    }

    /// A mark that goes on from what was read, or begins at `start`. Nothing is written yet.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        read: Option<Newest>,
        start: Offset,
    ) -> Self {
        let (turn, next_slot, synced) = (0, 0, Offset::ZERO);
        let newest = read.unwrap_or(Newest { turn, offset: start, next_slot, synced });
        Self { disk, dir, exists: read.is_some(), file: None, newest }
    }

    /// Everything before it was synced.
    pub(crate) const fn offset(&self) -> Offset {
        self.newest.offset
    }

    /// Closes the file until the next mark comes.
    pub(crate) fn rest(&mut self) {
        self.file = None;
    }

    /// Notes that everything before `offset` has been synced. Not synced itself.
    pub(crate) fn note(&mut self, offset: Offset) -> io::Result<()> {
        if offset <= self.newest.offset {
            return Ok(());
        }
        self.write(QUICK_SLOT, offset).map(drop)
    }

    /// Whether [`Mark::sync`] has something to do.
    pub(crate) fn is_behind(&self, offset: Offset) -> bool {
        let has_begun = self.newest.turn > 0 || offset > self.newest.offset;
        has_begun && offset.max(self.newest.offset) != self.newest.synced
    }

    /// Notes the same, durably.
    pub(crate) fn sync(&mut self, offset: Offset) -> io::Result<()> {
        if !self.is_behind(offset) {
            return Ok(());
        }
        let offset = offset.max(self.newest.offset);
        let file = self.write(self.newest.next_slot, offset)?;
        file.sync_data()?;
        self.newest.synced = offset;
        self.newest.next_slot = (self.newest.next_slot + 1) % SYNCED_SLOTS;
        Ok(())
    }

    fn write(&mut self, slot: usize, offset: Offset) -> io::Result<Arc<dyn DiskFile>> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => self.open()?,
        };
        self.file = Some(file.clone());
        self.newest.turn += 1;
        let position = PREFIX_BYTES + slot * SLOT_BYTES;
        let slot = Slot { turn: self.newest.turn, offset };
        file.write_at(&encode(slot), position as u64)?;
        self.newest.offset = offset;
        Ok(file)
    }

    fn open(&mut self) -> io::Result<Arc<dyn DiskFile>> {
        if !self.exists {
            let file = Self::create(&*self.disk, &self.dir)?;
            self.disk.sync_dir(&self.dir)?;
            self.exists = true;
            return Ok(file);
        }
        self.disk.open(&Self::path(&self.dir), OpenMode::Write)
    }

    /// Makes the file, with a mark at the beginning; whole and durable but for its name.
    pub(crate) fn create(disk: &dyn Disk, dir: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let path = Self::path(dir);
        let temporary = path.with_extension(format!("mark{TEMPORARY_SUFFIX}"));
        let file = disk.open(&temporary, OpenMode::Create)?;
        let mut bytes = [0; FILE_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..PREFIX_BYTES].copy_from_slice(&VERSION.to_be_bytes());
        let first = encode(Slot { turn: 0, offset: Offset::ZERO });
        bytes[PREFIX_BYTES..PREFIX_BYTES + SLOT_BYTES].copy_from_slice(&first);
        file.write_at(&bytes, 0)?;
        file.sync_data()?;
        disk.rename(&temporary, &path)?;
        Ok(file)
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
