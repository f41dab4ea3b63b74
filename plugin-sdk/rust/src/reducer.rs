//! Reducers: one accumulator for each key (and window), folded, merged and finished.
//!
//! **`merge` must be associative, and folding records must equal merging the folds of any cut of them
//! that keeps their order.** The host folds parts of a batch on many cores and relies on it;
//! [`testing::check_reducer`](crate::testing::check_reducer) tries it on records of yours.

use crate::accumulator::Accumulator;
use crate::batch::Batch;
use crate::column::Column;
use crate::emit::{Bytes, Content, Kind, Source};
use crate::failure::Failure;
use crate::plugin::{Migrate, Reduce};
use alloc::format;
use alloc::vec::Vec;

/// A window: `start` is inside, `end` is not. Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// First millisecond.
    pub start: i64,
    /// First millisecond after it.
    pub end: i64,
}

/// A reducer. Implement it for the type of the settings and put `#[reducer]` on the `impl`.
pub trait Reducer: Sized {
    /// What is kept for each key; its `Default` is that of a key without records.
    type Accumulator: Accumulator + Default;

    /// Adds a record.
    ///
    /// # Errors
    /// The call fails.
    fn fold(&self, accumulator: &mut Self::Accumulator, item: Item<'_>) -> Result<(), Failure>;

    /// Adds what was folded from the records that came after those of `accumulator`.
    ///
    /// # Errors
    /// The call fails.
    fn merge(
        &self,
        accumulator: &mut Self::Accumulator,
        later: &Self::Accumulator,
    ) -> Result<(), Failure>;

    /// Sets the value of the group's record; without it the record has none.
    ///
    /// # Errors
    /// The call fails.
    fn finish(
        &self,
        group: Group<'_>,
        accumulator: &Self::Accumulator,
        out: &mut Summary<'_>,
    ) -> Result<(), Failure>;
}

/// A record as a reducer sees it: its group's key is not part of it.
#[derive(Clone, Copy, Debug)]
pub struct Item<'b> {
    values: &'b Column,
    timestamps: &'b [i64],
    index: usize,
}

impl<'b> Item<'b> {
    /// The value; empty where it is absent. Needs `reads(values)`.
    #[inline]
    #[must_use]
    pub fn value(self) -> &'b [u8] {
        self.value_if_present().unwrap_or_default()
    }

    /// The value, or `None` where the record has none. Needs `reads(values)`.
    #[inline]
    #[must_use]
    pub fn value_if_present(self) -> Option<&'b [u8]> {
        self.values.get(self.index)
    }

    /// Event time in milliseconds since 1970-01-01 UTC; `None` without `reads(timestamps)`.
    #[inline]
    #[must_use]
    pub fn timestamp(self) -> Option<i64> {
        self.timestamps.get(self.index).copied()
    }
}

/// What a finished accumulator belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Group<'b> {
    /// The key; `None` for records without one.
    pub key: Option<&'b [u8]>,
    /// The window; `None` for running totals.
    pub window: Option<Window>,
}

/// Takes the value of a group's record.
#[derive(Debug)]
pub struct Summary<'o> {
    data: &'o mut Bytes,
    /// Where this group's value begins.
    start: usize,
    written: bool,
}

impl Summary<'_> {
    /// Sets the value. The last call counts.
    pub fn value(&mut self, content: impl Content) {
        self.written = content.kind() != Kind::Null && content.kind() != Kind::Inherit;
        self.data.0.truncate(self.start);
        content.write(self.data, Source(&[]));
    }
}

/// Folds records into accumulators, one for each group; an absent one belongs to a new group.
///
/// # Errors
/// The call failed, or a group or an accumulator is not what the contract says.
pub fn fold<P: Reduce>(
    settings: &P::Settings,
    groups: &[u32],
    values: &Column,
    timestamps: &[i64],
    accumulators: Column,
) -> Result<Column, Failure> {
    let mut folded = decode_all::<P::Settings>(&accumulators)?;
    let mut one = |index: usize, group: u32| {
        let accumulator = folded.get_mut(group as usize).ok_or_else(|| unknown_group(group))?;
        settings.fold(accumulator, Item { values, timestamps, index })
    };
    // Four at a time: each step back of a loop asks whether the call's time is over.
    let (fours, rest) = groups.as_chunks::<4>();
    for (four, &[a, b, c, d]) in fours.iter().enumerate() {
        one(four * 4, a)?;
        one(four * 4 + 1, b)?;
        one(four * 4 + 2, c)?;
        one(four * 4 + 3, d)?;
    }
    for (index, &group) in (fours.len() * 4..).zip(rest) {
        one(index, group)?;
    }
    Ok(encode_all(folded.iter(), accumulators))
}

/// Merges item by item; the records of `right` come later.
///
/// # Errors
/// The call failed, or the columns do not belong together.
pub fn merge<P: Reduce>(
    settings: &P::Settings,
    left: Column,
    right: &Column,
) -> Result<Column, Failure> {
    let mut merged = decode_all::<P::Settings>(&left)?;
    let later = decode_all::<P::Settings>(right)?;
    if merged.len() != later.len() {
        return Err(Failure::Fatal(format!(
            "{} accumulators to merge with {}",
            merged.len(),
            later.len()
        )));
    }
    for (accumulator, later) in merged.iter_mut().zip(&later) {
        settings.merge(accumulator, later)?;
    }
    Ok(encode_all(merged.iter(), left))
}

/// Rewrites accumulators that were written under the state version `from_version`.
///
/// # Errors
/// One of them cannot be read.
pub fn migrate<P: Migrate>(from_version: u32, states: Column) -> Result<Column, Failure> {
    let mut migrated = Vec::with_capacity(states.len());
    for index in 0..states.len() {
        migrated.push(P::migrate(from_version, states.get(index).unwrap_or_default())?);
    }
    Ok(encode_all(migrated.iter(), states))
}

/// Makes a record of each group.
///
/// # Errors
/// The call failed, or an accumulator cannot be read.
pub fn finish<P: Reduce>(
    settings: &P::Settings,
    keys: &Column,
    windows: &[Window],
    accumulators: &Column,
) -> Result<Batch, Failure> {
    let accumulators = decode_all::<P::Settings>(accumulators)?;
    let mut values = ValuesOut::new(accumulators.len());
    for (index, accumulator) in accumulators.iter().enumerate() {
        let group = Group { key: keys.get(index), window: windows.get(index).copied() };
        values.push(|out| settings.finish(group, accumulator, out))?;
    }
    Ok(Batch { values: values.0, ..Batch::default() })
}

/// The values of the finished groups.
struct ValuesOut(Column);

impl ValuesOut {
    fn new(groups: usize) -> Self {
        let mut offsets = Vec::with_capacity(groups + 1);
        offsets.push(0);
        Self(Column { offsets, ..Column::default() })
    }

    fn push(
        &mut self,
        write: impl FnOnce(&mut Summary<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let start = self.0.data.len();
        let mut data = Bytes(core::mem::take(&mut self.0.data));
        let mut summary = Summary { data: &mut data, start, written: false };
        write(&mut summary)?;
        let written = summary.written;
        self.0.data = data.0;
        if written {
            let index = self.0.len();
            self.0.offsets.push(self.0.data.len() as u32);
            if !self.0.validity.is_empty() {
                crate::column::set_bit(&mut self.0.validity, index, true);
            }
        } else {
            self.0.data.truncate(start);
            self.0.push(None);
        }
        Ok(())
    }
}

fn decode_all<R: Reducer>(column: &Column) -> Result<Vec<R::Accumulator>, Failure> {
    let mut decoded = Vec::with_capacity(column.len());
    for index in 0..column.len() {
        decoded.push(match column.get(index) {
            None => R::Accumulator::default(),
            Some(bytes) => R::Accumulator::decode(bytes).ok_or_else(|| unreadable(index, bytes))?,
        });
    }
    Ok(decoded)
}

/// Encodes into the buffers of the column that the accumulators came in.
fn encode_all<'a, A: Accumulator + 'a>(
    accumulators: impl ExactSizeIterator<Item = &'a A>,
    into: Column,
) -> Column {
    let count = accumulators.len();
    let Column { mut data, mut offsets, mut validity } = into;
    data.clear();
    offsets.clear();
    validity.clear();
    data.reserve(count * A::BYTES_EXPECTED);
    offsets.reserve(count + 1);
    offsets.push(0);
    for accumulator in accumulators {
        accumulator.encode(&mut data);
        offsets.push(data.len() as u32);
    }
    Column { data, offsets, validity }
}

#[cold]
fn unknown_group(group: u32) -> Failure {
    Failure::Fatal(format!("a record of group {group}, for which there is no accumulator"))
}

#[cold]
fn unreadable(index: usize, bytes: &[u8]) -> Failure {
    Failure::Fatal(format!(
        "accumulator {index} of {} bytes was not written by this version of the plugin",
        bytes.len()
    ))
}
