//! Records as columns, as they cross the boundary.
//!
//! **Every column of a batch has one item for each record, or none at all.** What a column without
//! items means in a batch that a plugin returned is said where it is returned.

use thiserror::Error;

use crate::column::{Column, ColumnRef};

/// A checked view of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchRef<'a> {
    keys: ColumnRef<'a>,
    values: ColumnRef<'a>,
    headers: ColumnRef<'a>,
    timestamps: &'a [i64],
    records: usize,
}

/// A part of a batch that has neither one item for each record nor none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{part}` has {items} items for {records} records")]
pub struct BatchFault {
    /// The part: `keys`, `values`, `headers` or `timestamps`.
    pub part: &'static str,
    /// How many items it has.
    pub items: usize,
    /// How many records the batch has.
    pub records: usize,
}

impl<'a> BatchRef<'a> {
    /// A batch of as many records as its longest part has items.
    ///
    /// # Errors
    /// A part that has items, but fewer.
    pub fn new(
        keys: ColumnRef<'a>,
        values: ColumnRef<'a>,
        headers: ColumnRef<'a>,
        timestamps: &'a [i64],
    ) -> Result<Self, BatchFault> {
        let longest = keys.len().max(values.len()).max(headers.len()).max(timestamps.len());
        Self::of_records(longest, keys, values, headers, timestamps)
    }

    /// A batch of exactly `records` records, though no part may have items.
    pub fn of_records(
        records: usize,
        keys: ColumnRef<'a>,
        values: ColumnRef<'a>,
        headers: ColumnRef<'a>,
        timestamps: &'a [i64],
    ) -> Result<Self, BatchFault> {
        let parts = [
            ("keys", keys.len()),
            ("values", values.len()),
            ("headers", headers.len()),
            ("timestamps", timestamps.len()),
        ];
        for (part, items) in parts {
            if items != 0 && items != records {
                return Err(BatchFault { part, items, records });
            }
        }
        Ok(Self { keys, values, headers, timestamps, records })
    }

    /// The same records with other parts, each the batch's own or without items.
    pub(crate) fn with_parts(
        self,
        keys: ColumnRef<'a>,
        values: ColumnRef<'a>,
        headers: ColumnRef<'a>,
        timestamps: &'a [i64],
    ) -> Self {
        Self { keys, values, headers, timestamps, records: self.records }
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records
    }

    /// True for a batch without records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The records' keys.
    #[must_use]
    pub fn keys(&self) -> ColumnRef<'a> {
        self.keys
    }

    /// The records' values.
    #[must_use]
    pub fn values(&self) -> ColumnRef<'a> {
        self.values
    }

    /// Each record's headers in Kafka's encoding: a varint count, then each.
    #[must_use]
    pub fn headers(&self) -> ColumnRef<'a> {
        self.headers
    }

    /// Event times, milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn timestamps(&self) -> &'a [i64] {
        self.timestamps
    }

    /// Bytes of all parts, as they cross the boundary.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.keys.total_bytes()
            + self.values.total_bytes()
            + self.headers.total_bytes()
            + size_of_val(self.timestamps)
    }
}

/// A batch that owns its columns; `clear` keeps the memory for the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records' keys.
    pub keys: Column,
    /// The records' values.
    pub values: Column,
    /// Each record's headers in Kafka's encoding.
    pub headers: Column,
    /// Event times, milliseconds since 1970-01-01 UTC.
    pub timestamps: Vec<i64>,
}

impl Batch {
    /// Removes all records and keeps the memory.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
        self.headers.clear();
        self.timestamps.clear();
    }

    /// The batch as a view.
    ///
    /// # Errors
    /// A part that has items, but not one for each record.
    pub fn as_ref(&self) -> Result<BatchRef<'_>, BatchFault> {
        BatchRef::new(
            self.keys.as_ref(),
            self.values.as_ref(),
            self.headers.as_ref(),
            &self.timestamps,
        )
    }
}
