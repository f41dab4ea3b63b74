//! A column of byte strings, laid out as it crosses the boundary between host and plugin.
//!
//! **Reading never panics**, whatever the three lists hold: an item that they do not describe is absent.

use alloc::vec::Vec;

/// A column of byte strings; item `i` is `data[offsets[i]..offsets[i + 1]]`, as in an Arrow `Binary` array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// The bytes of all items, one after the other.
    pub data: Vec<u8>,
    /// One entry more than there are items; none at all for a column without items.
    pub offsets: Vec<u32>,
    /// Bit `i`, least significant first, is set where item `i` is present. Empty: all are.
    pub validity: Vec<u8>,
}

impl Column {
    /// Number of items.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether the column has no items: no record has this part, or the plugin does not read it.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Item `index`, unless it is absent or beyond the end.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        if !self.validity.is_empty() && !self.is_valid(index) {
            return None;
        }
        let start = *self.offsets.get(index)? as usize;
        let end = *self.offsets.get(index + 1)? as usize;
        self.data.get(start..end)
    }

    fn is_valid(&self, index: usize) -> bool {
        self.validity.get(index / 8).is_some_and(|bits| bits >> (index % 8) & 1 == 1)
    }

    /// Appends an item. For tests and small columns; plugins emit through [`Emitter`](crate::Emitter).
    pub fn push(&mut self, item: Option<&[u8]>) {
        let index = self.len();
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.data.extend_from_slice(item.unwrap_or_default());
        self.offsets.push(self.data.len() as u32);
        if item.is_none() && self.validity.is_empty() {
            self.validity = all_valid(index);
        }
        if item.is_none() || !self.validity.is_empty() {
            set_bit(&mut self.validity, index, item.is_some());
        }
    }
}

impl<'i> FromIterator<Option<&'i [u8]>> for Column {
    fn from_iter<T: IntoIterator<Item = Option<&'i [u8]>>>(items: T) -> Self {
        let mut column = Self::default();
        for item in items {
            column.push(item);
        }
        column
    }
}

/// A bitmap of `count` set bits; the bits after them are zero.
pub(crate) fn all_valid(count: usize) -> Vec<u8> {
    let mut bits = alloc::vec![u8::MAX; count.div_ceil(8)];
    if let (Some(last), 1..) = (bits.last_mut(), count % 8) {
        *last = (1 << (count % 8)) - 1;
    }
    bits
}

/// Writes bit `index`, which is the next one after those that were written.
pub(crate) fn set_bit(bits: &mut Vec<u8>, index: usize, value: bool) {
    if bits.len() <= index / 8 {
        bits.resize(index / 8 + 1, 0);
    }
    if let Some(byte) = bits.get_mut(index / 8) {
        *byte |= u8::from(value) << (index % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_as_they_were_pushed() {
        let items: [Option<&[u8]>; 11] = [
            Some(b"one"),
            Some(b""),
            Some(b"three"),
            None,
            Some(b"x"),
            Some(b"y"),
            Some(b"z"),
            None,
            None,
            Some(b"ten"),
            Some(b""),
        ];
        let column: Column = items.into_iter().collect();
        assert_eq!(column.len(), items.len());
        for (index, item) in items.into_iter().enumerate() {
            assert_eq!(column.get(index), item, "item {index}");
        }
        assert_eq!(column.get(items.len()), None);
    }

    #[test]
    fn a_column_that_breaks_the_rules_reads_as_absent() {
        let column =
            Column { data: b"abc".to_vec(), offsets: alloc::vec![2, 1, 9], validity: Vec::new() };
        assert_eq!(column.get(0), None);
        assert_eq!(column.get(1), None);
        assert_eq!(column.get(usize::MAX - 1), None);
    }
}
