//! What a read returns, and which of it counts.

use bytes::Bytes;

use super::{AbortedTransaction, Offsets};
use crate::batch::{Batch, BatchError, Batches};
use crate::identity::Offset;

/// Which records a reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All that are durable.
    Uncommitted,
    /// Only up to the last stable offset, with the list of aborted transactions.
    Committed,
}

/// What a read returns: whole batches, perhaps none.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Whole batches as stored; the first one contains the offset asked for.
    pub bytes: Bytes,
    /// Where to read on.
    pub next: Offset,
    /// Where the partition begins and ends.
    pub offsets: Offsets,
    /// Those that overlap the batches, by first offset; empty for uncommitted reads.
    pub aborted: Vec<AbortedTransaction>,
}

impl Fetched {
    /// The batches of data that count: no markers, and nothing from the aborted transactions.
    ///
    /// The first batch can begin before the offset asked for: its records say where they are.
    pub fn batches(&self) -> FetchedBatches<'_> {
        FetchedBatches { batches: Batches::new(&self.bytes), aborted: &self.aborted }
    }
}

/// The batches of a [`Fetched`] that count.
#[derive(Clone, Debug)]
pub struct FetchedBatches<'a> {
    batches: Batches<'a>,
    aborted: &'a [AbortedTransaction],
}

impl FetchedBatches<'_> {
    fn counts(&self, batch: &Batch<'_>) -> bool {
        let header = batch.header();
        let attributes = header.attributes;
        let is_aborted = || self.aborted.iter().any(|it| it.covers(header));
        if attributes.is_transactional() && is_aborted() {
            return false;
        }
        !attributes.is_control()
    }
}

impl<'a> Iterator for FetchedBatches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.batches.next()? {
                Ok(batch) if !self.counts(&batch) => {}
                other => return Some(other),
            }
        }
    }
}
