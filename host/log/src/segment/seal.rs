//! The seal of a closed segment: everything that can be known about it without reading it.
//!
//! Only the checksum of the segment is lost with it; the rest is rebuilt from the log.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::index::{IndexEntry, SegmentIndex};
use super::seal_path;
use crate::disk::Disk;
use crate::framed::{Format, FrameError};
use crate::identity::Offset;
use crate::partition::{AbortedTransaction, Producers};

const FORMAT: Format =
    Format { magic: *b"TMSEAL\0\0", version: 1, oldest: 1, name: "segment seal" };

const ENTRY_BYTES: usize = 20;

/// What the seal of a segment says.
#[derive(Debug)]
pub(crate) struct Seal {
    pub base: Offset,
    pub next: Offset,
    pub bytes: u64,
    /// CRC-32 of the whole segment.
    pub crc: u32,
    pub index: SegmentIndex,
    pub aborted: Vec<AbortedTransaction>,
    /// When the first of its tombstones or markers may go, if compaction left any.
    pub horizon_ms: Option<i64>,
    /// The producers at the segment's end.
    pub producers: Producers,
}

/// The part that is JSON; the index entries follow it.
#[derive(Serialize, Deserialize)]
struct Summary {
    base: Offset,
    next: Offset,
    bytes: u64,
    crc: u32,
    max_timestamp_ms: i64,
    aborted: Vec<AbortedTransaction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    horizon_ms: Option<i64>,
    producers: Producers,
}

impl Seal {
    /// Writes the seal; the caller syncs the folder.
    pub(crate) fn write(self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        let path = seal_path(dir, self.base);
        self.write_to(disk, &path)
    }

    /// The same, to another file.
    pub(crate) fn write_to(self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        FORMAT.write_new(disk, path, &self.encode()?)
    }

    fn encode(self) -> io::Result<Vec<u8>> {
        let summary = Summary {
            base: self.base,
            next: self.next,
            bytes: self.bytes,
            crc: self.crc,
            max_timestamp_ms: self.index.max_timestamp_ms(),
            aborted: self.aborted,
            horizon_ms: self.horizon_ms,
            producers: self.producers,
        };
        let json = serde_json::to_vec(&summary)?;
        let length = u32::try_from(json.len()).map_err(io::Error::other)?;
        let mut payload = length.to_be_bytes().to_vec();
        payload.extend_from_slice(&json);
        for entry in self.index.entries() {
            payload.extend_from_slice(&encode_entry(entry));
        }
        Ok(payload)
    }

    /// Reads the seal of the segment that starts at `base`.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path, base: Offset) -> Result<Self, FrameError> {
        Self::read_from(disk, seal_path(dir, base), base)
    }

    /// The same, from another file.
    pub(crate) fn read_from(
        disk: &dyn Disk,
        path: PathBuf,
        base: Offset,
    ) -> Result<Self, FrameError> {
        let payload = FORMAT.read(disk, &path)?;
        Self::decode(&payload).filter(|seal| seal.base == base).ok_or_else(|| FrameError::Damaged {
            name: FORMAT.name,
            path,
            position: 0,
            what: "its content contradicts itself".into(),
        })
    }

    fn decode(payload: &[u8]) -> Option<Self> {
        let (length, rest) = payload.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (json, entries) = rest.split_at_checked(length)?;
        let summary: Summary = serde_json::from_slice(json).ok()?;
        let entries = entries.chunks(ENTRY_BYTES).map(decode_entry).collect::<Option<Vec<_>>>()?;
        Some(Self {
            base: summary.base,
            next: summary.next,
            bytes: summary.bytes,
            crc: summary.crc,
            index: SegmentIndex::from_parts(entries, summary.max_timestamp_ms),
            aborted: summary.aborted,
            horizon_ms: summary.horizon_ms,
            producers: summary.producers,
        })
    }
}

/// Offset delta, position, earlier maximum, and a CRC-32 of the three.
fn encode_entry(entry: &IndexEntry) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..4].copy_from_slice(&entry.offset_delta.to_be_bytes());
    bytes[4..8].copy_from_slice(&entry.position.to_be_bytes());
    bytes[8..16].copy_from_slice(&entry.earlier_max_ms.to_be_bytes());
    let crc = crc32fast::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn decode_entry(bytes: &[u8]) -> Option<IndexEntry> {
    let (offset_delta, rest) = bytes.split_first_chunk()?;
    let (position, rest) = rest.split_first_chunk()?;
    let (earlier_max_ms, rest) = rest.split_first_chunk()?;
    let crc = rest.first_chunk()?;
    (crc32fast::hash(bytes.get(..16)?) == u32::from_be_bytes(*crc)).then_some(IndexEntry {
        offset_delta: u32::from_be_bytes(*offset_delta),
        position: u32::from_be_bytes(*position),
        earlier_max_ms: i64::from_be_bytes(*earlier_max_ms),
    })
}
