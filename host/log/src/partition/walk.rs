//! Finds the wanted batches in a piece of a segment: pure.
//!
//! **Every batch is checked against its place**, for the checksum covers neither its offset
//! nor its leader epoch.

use super::Durable;
use crate::batch::{Batch, BatchError};
use crate::identity::Offset;
use crate::segment::{Damage, DamageKind};

/// A piece of a segment that begins with a batch.
pub(super) struct Piece<'a> {
    pub bytes: &'a [u8],
    /// Where it is in the file.
    pub position: u64,
    /// The base offset that its first batch must have.
    pub offset: Offset,
}

/// What a reader wants.
pub(super) struct Wanted<'a> {
    pub from: Offset,
    /// Nothing at or after it.
    pub limit: Offset,
    pub bytes_max: usize,
    /// Tells the epoch that a batch must have.
    pub facts: &'a Durable,
}

/// What was found in a piece of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// The wanted batches, as a range of the piece.
    Found { first: usize, end: usize, next: Offset },
    /// The batch of `offset`, at `at`, is the first of interest and not there whole.
    Short { at: usize, needed: usize, offset: Offset },
}

/// Finds the batches from the one that contains `wanted.from`: at least one.
pub(super) fn walk(piece: &Piece<'_>, wanted: &Wanted<'_>) -> Result<Walk, Damage> {
    let mut at = 0;
    let mut offset = piece.offset;
    let mut first = None;
    loop {
        let found = |first| Walk::Found { first, end: at, next: offset };
        let is_wanted = |batch: &Batch<'_>| batch.header().next_offset() > wanted.from;
        let batch = match batch_at(piece, at, offset, wanted.facts, is_wanted) {
            Ok(batch) => batch,
            // What is before is good; the next read finds the rest, or reports it.
            Err(kind) => match (first, kind) {
                (Some(first), _) => return Ok(found(first)),
                (None, DamageKind::Batch(BatchError::Truncated { needed, .. })) => {
                    return Ok(Walk::Short { at, needed, offset });
                }
                (None, kind) => {
                    let position = piece.position + at as u64;
                    return Err(Damage { position, offset, kind });
                }
            },
        };
        let bytes = batch.header().bytes;
        if let Some(first) = first.filter(|first| at + bytes - first > wanted.bytes_max) {
            return Ok(found(first));
        }
        if is_wanted(&batch) {
            first.get_or_insert(at);
        }
        at += bytes;
        offset = batch.header().next_offset();
        if let Some(first) = first.filter(|_| offset >= wanted.limit) {
            return Ok(Walk::Found { first, end: at, next: offset });
        }
    }
}

/// The batch at `at`; its checksum is compared only where it `is_wanted`.
fn batch_at<'a>(
    piece: &Piece<'a>,
    at: usize,
    offset: Offset,
    facts: &Durable,
    is_wanted: impl Fn(&Batch<'_>) -> bool,
) -> Result<Batch<'a>, DamageKind> {
    let batch = Batch::parse_front(piece.bytes.get(at..).unwrap_or_default())?;
    facts.check_place(batch.header(), offset)?;
    if is_wanted(&batch) {
        batch.verify()?;
    }
    Ok(batch)
}
