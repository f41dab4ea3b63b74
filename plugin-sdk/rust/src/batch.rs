//! The records of one call, as columns, and one of them as its author sees it.

use crate::column::Column;
use crate::headers::Headers;
use alloc::vec::Vec;
use core::str::Utf8Error;

/// The records of one call. Each column has one item for each record, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Keys.
    pub keys: Column,
    /// Values.
    pub values: Column,
    /// Headers, in Kafka's record-header encoding.
    pub headers: Column,
    /// Event times, milliseconds since 1970-01-01 UTC.
    pub timestamps: Vec<i64>,
}

impl Batch {
    /// Number of records: that of the longest column, for a column that is not read has no items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len().max(self.values.len()).max(self.headers.len()).max(self.timestamps.len())
    }

    /// Whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One record of a batch. Cheap to copy; its parts are slices of the batch itself.
#[derive(Clone, Copy, Debug)]
pub struct Record<'b> {
    pub(crate) batch: &'b Batch,
    pub(crate) index: usize,
}

impl<'b> Record<'b> {
    /// The value; empty where it is absent. Needs `reads(values)`.
    #[inline]
    #[must_use]
    pub fn value(self) -> &'b [u8] {
        self.value_if_present().unwrap_or_default()
    }

    /// The value, or `None` where the record has none (a tombstone). Needs `reads(values)`.
    #[inline]
    #[must_use]
    pub fn value_if_present(self) -> Option<&'b [u8]> {
        self.batch.values.get(self.index)
    }

    /// The value as text; empty where it is absent. Needs `reads(values)`.
    ///
    /// # Errors
    /// The value is not UTF-8.
    #[inline]
    pub fn value_text(self) -> Result<&'b str, Utf8Error> {
        core::str::from_utf8(self.value())
    }

    /// The key; empty where it is absent. Needs `reads(keys)`.
    #[inline]
    #[must_use]
    pub fn key(self) -> &'b [u8] {
        self.key_if_present().unwrap_or_default()
    }

    /// The key, or `None` where the record has none. Needs `reads(keys)`.
    #[inline]
    #[must_use]
    pub fn key_if_present(self) -> Option<&'b [u8]> {
        self.batch.keys.get(self.index)
    }

    /// The headers. Needs `reads(headers)`.
    #[inline]
    #[must_use]
    pub fn headers(self) -> Headers<'b> {
        Headers::new(self.batch.headers.get(self.index).unwrap_or_default())
    }

    /// Event time in milliseconds since 1970-01-01 UTC; `None` without `reads(timestamps)`.
    #[inline]
    #[must_use]
    pub fn timestamp(self) -> Option<i64> {
        self.batch.timestamps.get(self.index).copied()
    }
}
