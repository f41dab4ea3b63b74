//! Records of a trial, and the columns that they become.

use tidemill_log::{HeaderIter, write_header, write_header_count};
use tidemill_plugin::{BatchFault, BatchRef, Column, ColumnRef};

/// A name, and a value or none.
pub type Header = (String, Option<Vec<u8>>);

/// A record that goes into a plugin or came out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// In Kafka's encoding.
    pub headers: Option<Vec<u8>>,
    pub timestamp: i64,
}

impl Record {
    pub fn new(key: Option<&str>, value: &str, timestamp: i64) -> Record {
        Record {
            key: key.map(|key| key.as_bytes().to_vec()),
            value: Some(value.as_bytes().to_vec()),
            headers: None,
            timestamp,
        }
    }

    pub fn set_headers(&mut self, headers: &[Header]) {
        let mut encoded = Vec::new();
        write_header_count(&mut encoded, headers.len());
        for (name, value) in headers {
            write_header(&mut encoded, name.as_bytes(), value.as_deref());
        }
        self.headers = Some(encoded);
    }

    pub fn decoded_headers(&self) -> Vec<Header> {
        let headers = HeaderIter::new(self.headers.as_deref().unwrap_or_default());
        let header = headers.map(|header| {
            (String::from_utf8_lossy(header.name).into_owned(), header.value.map(<[u8]>::to_vec))
        });
        header.collect()
    }
}

/// Records as columns.
pub struct Columns {
    pub keys: Column,
    pub values: Column,
    pub headers: Column,
    pub timestamps: Vec<i64>,
}

impl Columns {
    pub fn of(records: &[Record]) -> Columns {
        let part = |part: fn(&Record) -> Option<&[u8]>| {
            let mut column = Column::new();
            // No record has that part: a column without items, as a host hands it over.
            if records.iter().any(|record| part(record).is_some()) {
                records.iter().for_each(|record| column.push(part(record)));
            }
            column
        };
        Columns {
            keys: part(|record| record.key.as_deref()),
            values: part(|record| record.value.as_deref()),
            headers: part(|record| record.headers.as_deref()),
            timestamps: records.iter().map(|record| record.timestamp).collect(),
        }
    }

    pub fn batch(&self) -> Result<BatchRef<'_>, BatchFault> {
        BatchRef::new(
            self.keys.as_ref(),
            self.values.as_ref(),
            self.headers.as_ref(),
            &self.timestamps,
        )
    }
}

/// Item `index` of a column that a plugin returned, or what it inherits.
pub fn part(column: ColumnRef<'_>, index: usize, inherited: Option<&Vec<u8>>) -> Option<Vec<u8>> {
    if column.is_empty() {
        return inherited.cloned();
    }
    column.get(index).map(<[u8]>::to_vec)
}
