//! Finds the wanted batches in a piece of a segment: pure.

use crate::batch::{Batch, BatchError};
use crate::identity::Offset;
use crate::segment::Damage;

/// What was found in a piece of a segment.
pub(super) enum Walk {
    /// The wanted batches, as a range of the piece.
    Found { first: usize, end: usize, next: Offset },
    /// The batch at `at` is the first of interest and not there whole.
    Short { at: usize, needed: usize },
}

/// Finds the batches from the one that contains `from`, within `limit` and `bytes_max`.
pub(super) fn walk(
    bytes: &[u8],
    start: u64,
    from: Offset,
    limit: Offset,
    bytes_max: usize,
) -> Result<Walk, Damage> {
    let mut at = 0;
    let mut found: Option<(usize, Offset)> = None;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let batch = match Batch::parse_front(rest) {
            Ok(batch) => batch,
            Err(BatchError::Truncated { needed, .. }) => {
                return Ok(match found {
                    Some((first, next)) => Walk::Found { first, end: at, next },
                    None => Walk::Short { at, needed },
                });
            }
            Err(error) => return damage_or(found, at, start, from, error),
        };
        let header = batch.header();
        let next = header.next_offset();
        if next > from {
            let first = found.map_or(at, |(first, _)| first);
            if found.is_some() && at + header.bytes - first > bytes_max {
                return Ok(Walk::Found { first, end: at, next: header.base_offset });
            }
            if let Err(error) = batch.verify() {
                return damage_or(found, at, start, from, error);
            }
            found = Some((first, next));
        }
        at += header.bytes;
        if let Some((first, next)) = found.filter(|(_, next)| *next >= limit) {
            return Ok(Walk::Found { first, end: at, next });
        }
    }
}

/// The batches before the damage are good; the next read reports it.
fn damage_or(
    found: Option<(usize, Offset)>,
    at: usize,
    start: u64,
    from: Offset,
    error: BatchError,
) -> Result<Walk, Damage> {
    match found {
        Some((first, next)) => Ok(Walk::Found { first, end: at, next }),
        None => Err(Damage { position: start + at as u64, offset: from, kind: error.into() }),
    }
}
