//! Writes the segment that takes the place of others.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::batch::Header;
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::identity::Offset;
use crate::partition::{AbortedTransaction, Producers};
use crate::segment::{Seal, SegmentIndex, cleaned_path, log_path, seal_path};

/// How much is written at once.
const CHUNK_BYTES: usize = 1 << 20;

/// A new segment, aside from those that are read.
pub(super) struct Writer {
    base: Offset,
    file: Arc<dyn DiskFile>,
    chunk: Vec<u8>,
    written: u64,
    crc: crc32fast::Hasher,
    index: SegmentIndex,
    index_interval_bytes: u64,
    horizon_ms: Option<i64>,
    /// The offsets of the markers that are left.
    markers: HashSet<Offset>,
}

impl Writer {
    pub(super) fn create(
        disk: &dyn Disk,
        dir: &Path,
        base: Offset,
        index_interval_bytes: u64,
    ) -> io::Result<Self> {
        Ok(Self {
            base,
            file: disk.open(&cleaned_path(&log_path(dir, base)), OpenMode::Create)?,
            chunk: Vec::new(),
            written: 0,
            crc: crc32fast::Hasher::new(),
            index: SegmentIndex::default(),
            index_interval_bytes,
            horizon_ms: None,
            markers: HashSet::new(),
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.written + self.chunk.len() as u64
    }

    /// Appends a batch, some of which can go from `horizon_ms` on.
    pub(super) fn push(
        &mut self,
        header: &Header,
        bytes: &[u8],
        horizon_ms: Option<i64>,
    ) -> io::Result<()> {
        self.index.note(self.base, header, self.bytes(), self.index_interval_bytes);
        if header.attributes.is_control() {
            self.markers.insert(header.last_offset());
        }
        self.horizon_ms = self.horizon_ms.into_iter().chain(horizon_ms).min();
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.chunk, self.written)?;
        self.crc.update(&self.chunk);
        self.written += self.chunk.len() as u64;
        self.chunk.clear();
        Ok(())
    }

    /// Makes records and seal durable, but for their names; `next` comes after the segment.
    /// Of the `aborted` transactions those stay whose markers do.
    pub(super) fn finish(
        mut self,
        disk: &dyn Disk,
        dir: &Path,
        next: Offset,
        aborted: impl Iterator<Item = AbortedTransaction>,
        producers: &Producers,
    ) -> io::Result<Seal> {
        self.flush()?;
        self.file.sync_data()?;
        let aborted: Vec<_> = aborted.filter(|it| self.markers.contains(&it.last_offset)).collect();
        let crc = self.crc.finalize();
        let seal = || Seal {
            base: self.base,
            next,
            bytes: self.written,
            crc,
            index: self.index.clone(),
            aborted: aborted.clone(),
            horizon_ms: self.horizon_ms,
            producers: producers.clone(),
        };
        seal().write_to(disk, &cleaned_path(&seal_path(dir, self.base)))?;
        Ok(seal())
    }
}
