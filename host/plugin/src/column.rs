//! A column of byte strings, laid out like an Arrow `Binary` array.
//!
//! **A [`ColumnRef`] is always valid**: its only constructor checks every rule of the contract, so
//! that whoever holds one may slice without looking again. A column without items stands for
//! "no record has this part".

use thiserror::Error;

/// Offsets stay below this, as Arrow's 32-bit offsets do.
pub const COLUMN_BYTES_MAX: usize = (1 << 31) - 1;

/// A checked view of a column: `data[offsets[i]..offsets[i + 1]]` is item i.
#[derive(Clone, Copy, Debug, Default)]
pub struct ColumnRef<'a> {
    data: &'a [u8],
    offsets: &'a [u32],
    validity: &'a [u8],
}

/// A rule of the column contract that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ColumnFault {
    /// The first offset is not 0.
    #[error("its first offset is {first}, not 0")]
    FirstOffset {
        /// What it is instead.
        first: u32,
    },
    /// An offset is lower than the one before.
    #[error("its offsets fall from {from} to {to} after item {item}")]
    FallingOffsets {
        /// Index of the item that would have a negative length.
        item: usize,
        /// Where the item starts.
        from: u32,
        /// Where it would end.
        to: u32,
    },
    /// The last offset lies past the data.
    #[error("its last offset is {last}, but it has {bytes} bytes of data")]
    OffsetPastData {
        /// The last offset.
        last: u32,
        /// Length of the data.
        bytes: usize,
    },
    /// An offset of 2^31 or above.
    #[error("it has an offset of {offset}, above the limit of 2^31 - 1")]
    OffsetTooLarge {
        /// The offset.
        offset: u32,
    },
    /// The bitmap has another length than the items need.
    #[error("its validity bitmap has {bytes} bytes for {items} items")]
    ValidityLength {
        /// Length of the bitmap.
        bytes: usize,
        /// Number of items.
        items: usize,
    },
    /// An absent item has bytes.
    #[error("its item {item} is absent, yet has {bytes} bytes")]
    AbsentItemWithBytes {
        /// Index of the item.
        item: usize,
        /// Its length.
        bytes: u32,
    },
}

impl<'a> ColumnRef<'a> {
    /// A column without items.
    pub const EMPTY: ColumnRef<'static> = ColumnRef { data: &[], offsets: &[], validity: &[] };

    /// Checks the three parts of a column against the contract.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(
        data: &'a [u8],
        offsets: &'a [u32],
        validity: &'a [u8],
    ) -> Result<Self, ColumnFault> {
        let column = Self { data, offsets, validity };
        column.check_offsets()?;
        column.check_validity()?;
        Ok(column)
    }

    fn check_offsets(&self) -> Result<(), ColumnFault> {
        let (Some(&first), Some(&last)) = (self.offsets.first(), self.offsets.last()) else {
            return Ok(());
        };
        if first != 0 {
            return Err(ColumnFault::FirstOffset { first });
        }
        // As signed numbers, offsets that never fall from 0 are also all below 2^31. No early exit:
        // the loop compiles to wide compares, and a fault is rare.
        let next = self.offsets.get(1..).unwrap_or_default();
        let pairs = self.offsets.iter().zip(next);
        if pairs.fold(false, |falls, (&from, &to)| falls | (from as i32 > to as i32)) {
            return Err(self.first_fall());
        }
        if last as usize > self.data.len() {
            return Err(ColumnFault::OffsetPastData { last, bytes: self.data.len() });
        }
        Ok(())
    }

    #[cold]
    fn first_fall(&self) -> ColumnFault {
        let mut pairs = self.offsets.array_windows().enumerate();
        match pairs.find(|(_, [from, to])| *from as i32 > *to as i32) {
            Some((_, &[_, offset])) if offset as usize > COLUMN_BYTES_MAX => {
                ColumnFault::OffsetTooLarge { offset }
            }
            Some((item, &[from, to])) => ColumnFault::FallingOffsets { item, from, to },
            None => unreachable!("a fall was seen"),
        }
    }

    fn check_validity(&self) -> Result<(), ColumnFault> {
        if self.validity.is_empty() {
            return Ok(());
        }
        let items = self.len();
        if self.validity.len() != items.div_ceil(8) {
            return Err(ColumnFault::ValidityLength { bytes: self.validity.len(), items });
        }
        for (item, [start, end]) in self.offsets.array_windows().enumerate() {
            if start != end && !bit(self.validity, item) {
                return Err(ColumnFault::AbsentItemWithBytes { item, bytes: end - start });
            }
        }
        Ok(())
    }

    /// Number of items, present or absent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// True for a column without items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True where item `index` exists and is present.
    #[must_use]
    pub fn is_present(&self, index: usize) -> bool {
        index < self.len() && (self.validity.is_empty() || bit(self.validity, index))
    }

    /// True where no item is absent.
    #[must_use]
    pub fn all_present(&self) -> bool {
        self.first_absent().is_none()
    }

    /// Index of the first absent item.
    #[must_use]
    pub fn first_absent(&self) -> Option<usize> {
        if self.validity.is_empty() {
            return None;
        }
        (0..self.len()).find(|&index| !bit(self.validity, index))
    }

    /// Item `index`; `None` where it is absent or there is no such item.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let start = *self.offsets.get(index)?;
        let end = *self.offsets.get(index + 1)?;
        if !self.validity.is_empty() && !bit(self.validity, index) {
            return None;
        }
        self.data.get(start as usize..end as usize)
    }

    /// All items in order, absent ones as `None`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&'a [u8]>> + use<'a> {
        let column = *self;
        self.offsets.array_windows().enumerate().map(move |(index, &[start, end])| {
            let present = column.validity.is_empty() || bit(column.validity, index);
            if present { column.data.get(start as usize..end as usize) } else { None }
        })
    }

    /// The bytes that the offsets point into. May be longer than the last offset.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The offsets: one more than items, or none at all for a column without items.
    #[must_use]
    pub fn offsets(&self) -> &'a [u32] {
        self.offsets
    }

    /// The bitmap of present items; empty where all are.
    #[must_use]
    pub fn validity(&self) -> &'a [u8] {
        self.validity
    }

    /// Bytes that the items take together.
    #[must_use]
    pub fn item_bytes(&self) -> usize {
        self.offsets.last().map_or(0, |&last| last as usize)
    }

    /// Bytes of all three parts, as they cross the boundary.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.data.len() + size_of_val(self.offsets) + self.validity.len()
    }
}

/// Bit `index` of a bitmap, least significant first; unset past the end.
#[inline]
#[must_use]
pub fn bit(bitmap: &[u8], index: usize) -> bool {
    bitmap.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// A column that owns its parts; `clear` keeps the memory for the next batch.
#[derive(Clone, Debug)]
pub struct Column {
    data: Vec<u8>,
    offsets: Vec<u32>,
    /// Empty until the first absent item.
    validity: Vec<u8>,
}

impl Default for Column {
    fn default() -> Self {
        Self::new()
    }
}

/// Equal where the items are, however their parts are written.
impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref().iter().eq(other.as_ref().iter())
    }
}

impl Eq for Column {}

impl Column {
    /// A column without items.
    #[must_use]
    pub fn new() -> Self {
        Self { data: Vec::new(), offsets: vec![0], validity: Vec::new() }
    }

    /// A column without items, with room for `items` of `bytes` together.
    #[must_use]
    pub fn with_capacity(items: usize, bytes: usize) -> Self {
        let mut column = Self::new();
        column.reserve(items, bytes);
        column
    }

    /// Makes room for `items` more of `bytes` together.
    pub fn reserve(&mut self, items: usize, bytes: usize) {
        self.data.reserve(bytes);
        self.offsets.reserve(items);
    }

    /// Removes all items and keeps the memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.offsets.truncate(1);
        self.validity.clear();
    }

    /// True where `bytes` more still fit under [`COLUMN_BYTES_MAX`].
    #[must_use]
    pub fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= COLUMN_BYTES_MAX - self.data.len()
    }

    /// Adds an item, present or absent.
    ///
    /// # Panics
    /// If the column would grow past [`COLUMN_BYTES_MAX`]: ask [`Column::has_room_for`] where the
    /// size is not bounded already.
    #[inline]
    pub fn push(&mut self, item: Option<&[u8]>) {
        let index = self.len();
        if let Some(bytes) = item {
            assert!(self.has_room_for(bytes.len()), "a column holds less than 2^31 bytes");
            self.data.extend_from_slice(bytes);
        }
        // Fits: the assertion above keeps it below 2^31.
        self.offsets.push(self.data.len() as u32);
        if item.is_none() || !self.validity.is_empty() {
            self.mark(index, item.is_some());
        }
    }

    fn mark(&mut self, index: usize, present: bool) {
        // Items so far were all present where there is no bitmap yet.
        if self.validity.is_empty() {
            self.validity.resize(index.div_ceil(8), 0xFF);
            clear_bits_from(&mut self.validity, index);
        }
        if index / 8 == self.validity.len() {
            self.validity.push(0);
        }
        if present && let Some(byte) = self.validity.last_mut() {
            *byte |= 1 << (index % 8);
        }
    }

    /// Adds all items of `items`.
    ///
    /// # Panics
    /// As [`Column::push`].
    pub fn extend(&mut self, items: ColumnRef<'_>) {
        if !self.validity.is_empty() || !items.validity.is_empty() {
            items.iter().for_each(|item| self.push(item));
            return;
        }
        let bytes = items.data.get(..items.item_bytes()).unwrap_or_default();
        assert!(self.has_room_for(bytes.len()), "a column holds less than 2^31 bytes");
        let base = self.data.len() as u32;
        self.data.extend_from_slice(bytes);
        self.offsets.extend(items.offsets.iter().skip(1).map(|offset| base + offset));
    }

    /// Number of items, present or absent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// True for a column without items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The column as a view.
    #[must_use]
    pub fn as_ref(&self) -> ColumnRef<'_> {
        ColumnRef { data: &self.data, offsets: &self.offsets, validity: &self.validity }
    }
}

fn clear_bits_from(bitmap: &mut [u8], first: usize) {
    if !first.is_multiple_of(8)
        && let Some(byte) = bitmap.get_mut(first / 8)
    {
        *byte &= (1 << (first % 8)) - 1;
    }
}

impl From<ColumnRef<'_>> for Column {
    /// A copy.
    fn from(column: ColumnRef<'_>) -> Self {
        let mut copy = Self::new();
        copy.extend(column);
        copy
    }
}

impl<'a> FromIterator<Option<&'a [u8]>> for Column {
    fn from_iter<I: IntoIterator<Item = Option<&'a [u8]>>>(items: I) -> Self {
        let mut column = Self::new();
        items.into_iter().for_each(|item| column.push(item));
        column
    }
}
