//! Walks a segment batch by batch and checks everything that can be checked.

use std::io;
use std::ops::ControlFlow;

use super::index::SegmentIndex;
use crate::batch::{Batch, BatchError, HEADER_BYTES, Header, check_crc};
use crate::disk::DiskFile;
use crate::identity::{LeaderEpoch, Offset};

/// How much is read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// How far behind damage a valid batch is looked for.
const SEARCH_BYTES_MAX: u64 = 64 << 20;

/// What is wrong at a position of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The position in the file, in bytes.
    pub position: u64,
    /// The offset that should be there.
    pub offset: Offset,
    /// What is there instead.
    pub kind: DamageKind,
}

/// What is there instead of a good batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// No batch, or a damaged one.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A batch of another offset.
    #[error("the batch is for offset {found}, but {expected} comes next")]
    Offset {
        /// What should be there.
        expected: Offset,
        /// What is there.
        found: Offset,
    },
    /// A batch of another leader epoch.
    #[error("the batch is of leader epoch {found}, but should be of {expected}")]
    Epoch {
        /// What should be there.
        expected: LeaderEpoch,
        /// What is there.
        found: LeaderEpoch,
    },
    /// A segment that was closed has another length than then.
    #[error("the segment has {found} bytes, but had {sealed} when it was closed")]
    Length {
        /// When it was closed.
        sealed: u64,
        /// Now.
        found: u64,
    },
    /// The file is there no longer, or shorter than it was.
    #[error("records are missing up to offset {until}")]
    Missing {
        /// The first offset that is there again.
        until: Offset,
    },
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "byte {} (offset {}): {}", self.position, self.offset, self.kind)
    }
}

/// The result of a walk.
pub(crate) struct Scanned {
    /// The offset after the last good batch.
    pub next: Offset,
    /// The position after it.
    pub bytes: u64,
    /// The length of the file.
    pub file_bytes: u64,
    /// The checksum of the good part.
    pub crc: crc32fast::Hasher,
    pub index: SegmentIndex,
    /// The first timestamp.
    pub started_ms: Option<i64>,
    /// What ended the walk before the file's end.
    pub damage: Option<Damage>,
}

/// Says whether a batch may stand where an offset is expected.
pub(crate) type Placement<'a> = &'a dyn Fn(&Header, Offset) -> Result<(), DamageKind>;

/// Walks the segment `file` from its start; `place` checks what no checksum covers.
///
/// # Errors
/// What the disk says. Damage is no error, but part of the result.
pub(crate) fn scan(
    file: &dyn DiskFile,
    base: Offset,
    interval: u64,
    place: Placement<'_>,
    visit: &mut dyn FnMut(&Batch<'_>, u64),
) -> io::Result<Scanned> {
    let mut window = Window { file, bytes: Vec::new(), start: 0, length: file.length()? };
    let mut scanned = Scanned {
        next: base,
        bytes: 0,
        file_bytes: window.length,
        crc: crc32fast::Hasher::new(),
        index: SegmentIndex::default(),
        started_ms: None,
        damage: None,
    };
    while scanned.bytes < window.length {
        let position = scanned.bytes;
        let checked = window.batch_at(position)?.and_then(|batch| {
            place(batch.header(), scanned.next)?;
            Ok(batch)
        });
        match checked {
            Ok(batch) => {
                visit(&batch, position);
                let header = batch.header();
                scanned.crc.update(batch.bytes());
                scanned.index.note(base, header, position, interval);
                scanned.started_ms.get_or_insert(header.max_timestamp_ms);
                scanned.bytes += header.bytes as u64;
                scanned.next = header.next_offset();
            }
            Err(kind) => {
                scanned.damage = Some(Damage { position, offset: scanned.next, kind });
                break;
            }
        }
    }
    Ok(scanned)
}

/// Visits the batches of the first `length` bytes of a segment that was sealed, until `visit`
/// says to stop.
///
/// # Errors
/// What the disk says, or `visit`; `InvalidData` for damage.
pub(crate) fn visit_batches(
    file: &dyn DiskFile,
    length: u64,
    visit: &mut dyn FnMut(&Batch<'_>) -> io::Result<ControlFlow<()>>,
) -> io::Result<()> {
    let mut window = Window { file, bytes: Vec::new(), start: 0, length };
    let mut position = 0;
    while position < length {
        let batch = window.batch_at(position)?;
        let batch = batch.map_err(|kind| {
            let what = format!("byte {position}: {kind}");
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?;
        if visit(&batch)?.is_break() {
            return Ok(());
        }
        position += batch.header().bytes as u64;
    }
    Ok(())
}

/// Whether a valid batch of a later offset follows somewhere behind `damage`: then what is
/// damaged is in the middle.
pub(crate) fn batch_follows(file: &dyn DiskFile, damage: &Damage) -> io::Result<bool> {
    let start = damage.position + 1;
    let length = file.length()?.saturating_sub(start).min(SEARCH_BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let read = file.read_at(&mut bytes, start)?;
    bytes.truncate(read);
    Ok((0..bytes.len()).any(|from| {
        let rest = bytes.get(from..).unwrap_or_default();
        Header::parse(rest).is_ok_and(|header| {
            header.base_offset > damage.offset && check_crc(&header, rest).is_ok()
        })
    }))
}

/// A part of a file, read in large pieces.
struct Window<'a> {
    file: &'a dyn DiskFile,
    bytes: Vec<u8>,
    start: u64,
    length: u64,
}

impl Window<'_> {
    /// The batch at `position`, its checksum compared.
    fn batch_at(&mut self, position: u64) -> io::Result<Result<Batch<'_>, DamageKind>> {
        let header = match Header::parse(self.bytes_at(position, HEADER_BYTES)?) {
            Ok(header) => header,
            Err(error) => return Ok(Err(error.into())),
        };
        // Not more than the file has, whatever the header claims.
        let bytes = self.bytes_at(position, header.bytes)?;
        let batch = Batch::parse_front(bytes).and_then(|batch| {
            batch.verify()?;
            Ok(batch)
        });
        Ok(batch.map_err(DamageKind::from))
    }

    /// At least `count` bytes from `position` on, or all that there are.
    fn bytes_at(&mut self, position: u64, count: usize) -> io::Result<&[u8]> {
        let wanted = (count as u64).min(self.length.saturating_sub(position));
        let end = self.start + self.bytes.len() as u64;
        if position < self.start || position + wanted > end {
            let chunk = wanted.max(CHUNK_BYTES as u64).min(self.length.saturating_sub(position));
            self.bytes.resize(usize::try_from(chunk).unwrap_or(0), 0);
            let read = self.file.read_at(&mut self.bytes, position)?;
            self.bytes.truncate(read);
            self.start = position;
        }
        let from = usize::try_from(position - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..).unwrap_or_default())
    }
}
