//! Where a record came from, through all operators back to its source.
//!
//! The calls of a stage are nested, so each step leaves a frame on the stack that borrows what it
//! has anyway: counts, a bitmap, indices. **A good record costs nothing**; for a bad one the frames
//! are followed back, and the stored batches of its task are read once more for the offset.

use std::cell::OnceCell;

use tidemill_plugin::bit;

use crate::batch::read::Slice;
use crate::dead_letters::SourcePlace;

/// How the records of a step come from those of the step before.
pub enum Origin<'a> {
    /// A reducer made them: no single record is behind one.
    Reducer,
    /// They were read, the first being record `first` of its task.
    Read {
        /// The records of the task.
        positions: &'a Positions<'a>,
        /// Index of the first.
        first: usize,
    },
    /// Each record before emitted so many; empty: one each.
    Counted {
        /// How many.
        counts: &'a [u32],
        /// The step before.
        before: &'a Origin<'a>,
    },
    /// Those whose bit is set were kept.
    Kept {
        /// The bitmap.
        bitmap: &'a [u8],
        /// The step before.
        before: &'a Origin<'a>,
    },
    /// These were picked.
    Picked {
        /// Their indices.
        indices: &'a [u32],
        /// The step before.
        before: &'a Origin<'a>,
    },
    /// All from one on.
    From {
        /// Index of the first.
        first: u32,
        /// The step before.
        before: &'a Origin<'a>,
    },
}

/// What is known of where a record came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The record of a source behind it.
    pub place: Option<SourcePlace>,
    /// How often it was a dead letter before.
    pub attempts: u32,
}

impl Origin<'_> {
    /// Follows record `index` back.
    #[must_use]
    pub fn find(&self, index: usize) -> Found {
        match self {
            Self::Reducer => Found::default(),
            Self::Read { positions, first } => positions.find(first + index),
            Self::Counted { counts, before } => before.find(source_of(counts, index)),
            Self::Kept { bitmap, before } => before.find(kept(bitmap, index)),
            Self::Picked { indices, before } => {
                indices.get(index).map_or_else(Found::default, |at| before.find(*at as usize))
            }
            Self::From { first, before } => before.find(*first as usize + index),
        }
    }
}

/// The input record that emitted record `index`.
fn source_of(counts: &[u32], index: usize) -> usize {
    if counts.is_empty() {
        return index;
    }
    let mut left = index as u64;
    let emitter = counts.iter().position(|count| match left.checked_sub(u64::from(*count)) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    emitter.unwrap_or(usize::MAX)
}

/// The index of the set bit that has `index` set ones before it.
fn kept(bitmap: &[u8], index: usize) -> usize {
    let mut set = (0..bitmap.len() * 8).filter(|at| bit(bitmap, *at));
    set.nth(index).unwrap_or(usize::MAX)
}

/// Where the records of a task are stored; found out when it is first asked for.
pub struct Positions<'s> {
    slice: &'s Slice,
    found: OnceCell<Vec<Found>>,
}

impl<'s> Positions<'s> {
    /// Nothing is read yet.
    #[must_use]
    pub fn of(slice: &'s Slice) -> Self {
        Self { slice, found: OnceCell::new() }
    }

    fn find(&self, index: usize) -> Found {
        let found = self.found.get_or_init(|| self.slice.origins());
        found.get(index).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_lead_back() {
        for (counts, expected) in [
            (&[][..], [0, 1, 2]),
            (&[2, 0, 1], [0, 0, 2]),
            (&[0, 0, 3], [2, 2, 2]),
            (&[1, 1, 0, 0, 1], [0, 1, 4]),
        ] {
            let found = [0, 1, 2].map(|index| source_of(counts, index));
            assert_eq!(found, expected, "{counts:?}");
        }
        assert_eq!([0, 1, 2].map(|index| kept(&[0b1000_0010, 0b1], index)), [1, 7, 8]);
    }
}
