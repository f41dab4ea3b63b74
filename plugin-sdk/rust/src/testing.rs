//! Running a plugin natively, as the host would: for `cargo test`.
//!
//! A plugin sees only the parts that it declares to read, so that a missing `reads(…)` shows in its tests.

use crate::batch::Batch;
use crate::column::Column;
use crate::description::Parts;
use crate::emit::Buffers;
use crate::failure::Failure;
use crate::parameters::Settings;
use crate::plugin::{Filter, Plugin, Transform};
use crate::transform::{Outcome, transform};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

mod reducing;

pub use reducing::{check_reducer, reduce, reduce_window};

/// A record with its own bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Option<Vec<u8>>,
    /// Headers, in Kafka's record-header encoding.
    pub headers: Option<Vec<u8>>,
    /// Event time, milliseconds since 1970-01-01 UTC.
    pub timestamp: i64,
    /// The output it was sent to; 0 for input records.
    pub port: u16,
}

impl OwnedRecord {
    /// With this key.
    #[must_use]
    pub fn with_key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(key.as_ref().to_vec());
        self
    }

    /// With this event time.
    #[must_use]
    pub fn at(mut self, timestamp: i64) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// The key as text; empty where there is none.
    #[must_use]
    pub fn key_text(&self) -> String {
        text(&self.key)
    }

    /// The value as text; empty where there is none.
    #[must_use]
    pub fn value_text(&self) -> String {
        text(&self.value)
    }
}

fn text(bytes: &Option<Vec<u8>>) -> String {
    String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
}

/// A record with this value and nothing else.
pub fn value(value: impl AsRef<[u8]>) -> OwnedRecord {
    OwnedRecord { value: Some(value.as_ref().to_vec()), ..OwnedRecord::default() }
}

/// What a transform made of some records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// The emitted records, whole: what they inherit is filled in.
    pub emitted: Vec<OwnedRecord>,
    /// Index and reason of the refused ones.
    pub rejected: Vec<(usize, String)>,
}

/// Runs a transform over records and returns what it emits.
///
/// # Errors
/// The call failed, or a record was refused; [`run_all`] returns refused records instead.
pub fn run<P: Transform>(
    settings: &P::Settings,
    records: impl IntoIterator<Item = OwnedRecord>,
) -> Result<Vec<OwnedRecord>, Failure> {
    let ran = run_all::<P>(settings, records)?;
    match ran.rejected.into_iter().next() {
        Some((index, reason)) => {
            Err(Failure::Fatal(alloc::format!("record {index} refused: {reason}")))
        }
        None => Ok(ran.emitted),
    }
}

/// Runs a transform over records.
///
/// # Errors
/// The call failed.
pub fn run_all<P: Transform>(
    settings: &P::Settings,
    records: impl IntoIterator<Item = OwnedRecord>,
) -> Result<Ran, Failure> {
    let all = batch(records);
    let outcome = transform::<P>(settings, &only(P::READS, &all), Buffers::default())?;
    Ok(Ran {
        emitted: resolve(&all, &outcome),
        rejected: outcome
            .rejected
            .iter()
            .map(|rejected| (rejected.index as usize, rejected.reason.to_string()))
            .collect(),
    })
}

/// Runs a filter over records and returns those that it keeps.
///
/// # Errors
/// The call failed.
pub fn kept<P: Filter>(
    settings: &P::Settings,
    records: impl IntoIterator<Item = OwnedRecord>,
) -> Result<Vec<OwnedRecord>, Failure> {
    let records: Vec<OwnedRecord> = records.into_iter().collect();
    let bitmap =
        crate::filter::keep::<P>(settings, &only(P::READS, &batch(records.iter().cloned())))?;
    let is_kept =
        |index: usize| bitmap.get(index / 8).is_some_and(|bits| bits >> (index % 8) & 1 == 1);
    Ok(records
        .into_iter()
        .enumerate()
        .filter(|(index, _)| is_kept(*index))
        .map(|(_, record)| record)
        .collect())
}

/// Reads settings as a pipeline file would set them.
///
/// # Errors
/// What the person who applied the pipeline would read.
pub fn configure<P: Plugin>(settings: impl Into<Settings>) -> Result<P::Settings, String> {
    P::settings(&settings.into())
}

impl<const N: usize> From<[(&str, crate::Value); N]> for Settings {
    fn from(settings: [(&str, crate::Value); N]) -> Self {
        settings.into_iter().collect()
    }
}

/// Records as columns.
#[must_use]
pub fn batch(records: impl IntoIterator<Item = OwnedRecord>) -> Batch {
    let mut batch = Batch::default();
    let mut has_headers = false;
    for record in records {
        batch.keys.push(record.key.as_deref());
        batch.values.push(record.value.as_deref());
        batch.headers.push(record.headers.as_deref());
        batch.timestamps.push(record.timestamp);
        has_headers |= record.headers.is_some();
    }
    if !has_headers {
        batch.headers = Column::default();
    }
    batch
}

/// The parts of a batch that a plugin reads; the others are left out, as the host does. Where it reads
/// nothing that there is, timestamps show how many records there are.
fn only(reads: Parts, all: &Batch) -> Batch {
    let column = |part, column: &Column| {
        if reads.contains(part) { column.clone() } else { Column::default() }
    };
    let mut chosen = Batch {
        keys: column(Parts::KEYS, &all.keys),
        values: column(Parts::VALUES, &all.values),
        headers: column(Parts::HEADERS, &all.headers),
        timestamps: Vec::new(),
    };
    if reads.contains(Parts::TIMESTAMPS) || chosen.is_empty() {
        chosen.timestamps.clone_from(&all.timestamps);
    }
    chosen
}

/// The emitted records with what they inherit.
#[must_use]
pub fn resolve(input: &Batch, outcome: &Outcome) -> Vec<OwnedRecord> {
    let counts = |index: usize| outcome.counts.get(index).copied().unwrap_or(1) as usize;
    let sources = (0..input.len()).flat_map(|index| core::iter::repeat_n(index, counts(index)));
    let part = |emitted: &Column, input: &Column, item: usize, source: usize| {
        let column = if emitted.is_empty() { (input, source) } else { (emitted, item) };
        column.0.get(column.1).map(<[u8]>::to_vec)
    };
    let out = &outcome.emitted;
    sources
        .enumerate()
        .map(|(item, source)| OwnedRecord {
            key: part(&out.keys, &input.keys, item, source),
            value: part(&out.values, &input.values, item, source),
            headers: part(&out.headers, &input.headers, item, source),
            timestamp: out
                .timestamps
                .get(item)
                .or(input.timestamps.get(source))
                .copied()
                .unwrap_or_default(),
            port: outcome.ports.get(item).copied().unwrap_or_default(),
        })
        .collect()
}
