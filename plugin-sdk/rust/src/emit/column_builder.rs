//! One column of the emitted records, while it grows.

use super::bytes::Bytes;
use super::content::{Content, Kind, Source};
use crate::column::{Column, all_valid, set_bit};
use alloc::vec::Vec;
use core::mem::take;

/// A column under construction. Which of its lists are kept depends on the [`Kind`] it has reached:
/// inherited and all-empty columns keep none, and are filled in when a record first differs.
#[derive(Debug, Default)]
pub(crate) struct ColumnBuilder {
    pub data: Bytes,
    /// The end of each item, after a first 0.
    pub offsets: Vec<u32>,
    pub validity: Vec<u8>,
}

impl ColumnBuilder {
    /// A builder that goes on in the buffers of a column that is no longer needed.
    pub fn reusing(mut column: Column) -> Self {
        column.data.clear();
        column.offsets.clear();
        column.validity.clear();
        Self { data: Bytes(column.data), offsets: column.offsets, validity: column.validity }
    }

    /// Starts to keep offsets, with `items` empty items before. `bytes` are expected, and `records` items.
    pub fn start(&mut self, items: usize, records: usize, bytes: usize) {
        self.offsets.reserve(records.max(items) + 1);
        self.offsets.resize(items + 1, 0);
        // Room for the over-copy of the last piece, so that the usual batch never grows.
        self.data.reserve(bytes + super::bytes::STEP);
    }

    /// Appends an item to a column that keeps offsets and no validity.
    #[inline(always)]
    pub fn push(&mut self, content: impl Content, source: Source<'_>, pace: Pace) {
        content.write(&mut self.data, source);
        self.reserve_items(1, pace);
        let items = self.offsets.len();
        // SAFETY: the check above leaves room for one entry behind `items`, which is written before
        // the length grows by it.
        #[allow(unsafe_code)]
        unsafe {
            self.offsets.as_mut_ptr().add(items).write(self.data.len() as u32);
            self.offsets.set_len(items + 1);
        }
    }

    /// Whether so many bytes and items more can be appended as it is.
    #[inline(always)]
    pub fn has_room(&self, bytes: usize, items: usize) -> bool {
        self.data.0.capacity() - self.data.len() >= bytes
            && self.data.len().saturating_add(bytes) <= u32::MAX as usize
            && self.offsets.capacity() - self.offsets.len() >= items
    }

    /// Makes room for `additional` items.
    #[inline(always)]
    pub fn reserve_items(&mut self, additional: usize, pace: Pace) {
        if self.offsets.capacity() - self.offsets.len() < additional {
            self.offsets = grow(take(&mut self.offsets), additional, pace);
        }
    }

    /// Appends an item to a column that keeps a validity bitmap.
    pub fn push_nullable(&mut self, content: impl Content, source: Source<'_>, pace: Pace) {
        let item = self.offsets.len() - 1;
        set_bit(&mut self.validity, item, content.kind() != Kind::Null);
        self.push(content, source, pace);
    }

    /// Starts to keep a validity bitmap.
    pub fn start_validity(&mut self) {
        self.validity = all_valid(self.offsets.len() - 1);
    }

    /// Takes back all items from `items` on.
    pub fn truncate(&mut self, items: usize) {
        let Some(&end) = self.offsets.get(items) else { return };
        self.offsets.truncate(items + 1);
        self.data.0.truncate(end as usize);
        if !self.validity.is_empty() {
            self.validity.truncate(items.div_ceil(8));
            if let (Some(last), 1..) = (self.validity.last_mut(), items % 8) {
                *last &= (1 << (items % 8)) - 1;
            }
        }
    }

    /// Forgets all items.
    pub fn clear(&mut self) {
        self.data.0.clear();
        self.offsets.clear();
        self.validity.clear();
    }

    pub fn finish(self) -> Column {
        Column { data: self.data.0, offsets: self.offsets, validity: self.validity }
    }
}

/// Reserves `additional` entries, and what the rest of the batch will need if it goes on like this. By
/// value, as in [`Bytes`](super::bytes).
#[cold]
#[inline(never)]
fn grow(mut offsets: Vec<u32>, additional: usize, pace: Pace) -> Vec<u32> {
    let still_to_come = pace.all.saturating_sub(pace.done);
    let expected = (offsets.len() / (pace.done + 1)).saturating_mul(still_to_come);
    // One record of a million words does not speak for the others: there are hardly more items than bytes.
    let expected = expected.min(pace.bytes);
    offsets.reserve(additional.max(expected + expected / 8 + 64));
    offsets
}

/// How far the call is, for guesses of what is still to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Input records before the present one.
    pub done: usize,
    /// Input records of the call.
    pub all: usize,
    /// Bytes of their values.
    pub bytes: usize,
}
