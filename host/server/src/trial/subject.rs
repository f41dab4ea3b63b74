//! A plugin under trial: records in, records out, whatever its world.

use tidemill_plugin::{
    BatchFault, CallContext, CallError, Column, Operator, OutcomeRef, Rejection, Window, World, bit,
};

use super::record::{Columns, Record, part};

/// Every call is the same one: what differs between two of them is the plugin's own doing.
const CONTEXT: CallContext<'static> =
    CallContext { pipeline: "test", batch: 1, task: 0, time_ms: 1_700_000_000_000 };

/// A record that came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    pub record: Record,
    pub port: usize,
}

/// What came of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    pub emitted: Vec<Emitted>,
    /// Index in the input, and the reason.
    pub rejected: Vec<(usize, String)>,
}

impl Ran {
    /// Adds what came of the records that follow `before` others.
    pub fn append(&mut self, next: Ran, before: usize) {
        self.emitted.extend(next.emitted);
        let moved = |(index, reason)| (index + before, reason);
        self.rejected.extend(next.rejected.into_iter().map(moved));
    }
}

/// Why a call gave no records.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Batch(#[from] BatchFault),
}

/// A plugin that is configured and ready.
pub struct Subject {
    pub operator: Operator,
}

impl Subject {
    /// Runs the plugin over records in one call; a reducer folds and finishes them.
    pub fn run(&self, records: &[Record], window: Option<Window>) -> Result<Ran, RunError> {
        match self.operator.plugin().world() {
            World::Filter => self.keep(records),
            World::Reducer | World::InvertibleReducer => {
                let grouped = Grouped::of(self, records);
                let accumulators = grouped.fold(0..records.len(), &grouped.none())?;
                grouped.finish(&accumulators, window)
            }
            // Worlds that are not run are refused when they are loaded.
            _ => self.transform(records),
        }
    }

    fn transform(&self, records: &[Record]) -> Result<Ran, RunError> {
        let columns = Columns::of(records);
        let take = |outcome: OutcomeRef<'_>| transformed(records, &outcome);
        Ok(self.operator.transform(&CONTEXT, columns.batch()?, take)?)
    }

    fn keep(&self, records: &[Record]) -> Result<Ran, RunError> {
        let columns = Columns::of(records);
        let kept = self.operator.keep(&CONTEXT, columns.batch()?, |bitmap| {
            let kept = records.iter().enumerate().filter(|(index, _)| bit(bitmap, *index));
            kept.map(|(_, record)| Emitted { record: record.clone(), port: 0 }).collect()
        })?;
        Ok(Ran { emitted: kept, rejected: Vec::new() })
    }
}

fn transformed(records: &[Record], outcome: &OutcomeRef<'_>) -> Ran {
    let out = outcome.emitted();
    let emitted = outcome.sources().enumerate().map(|(index, source)| {
        let from = &records[source as usize];
        let record = Record {
            key: part(out.keys(), index, from.key.as_ref()),
            value: part(out.values(), index, from.value.as_ref()),
            headers: part(out.headers(), index, from.headers.as_ref()),
            timestamp: out.timestamps().get(index).copied().unwrap_or(from.timestamp),
        };
        let port = outcome.ports().get(index).map_or(0, |port| usize::from(*port));
        Emitted { record, port }
    });
    let rejected = outcome.rejected().iter();
    let rejected =
        rejected.map(|Rejection { index, reason }| (*index as usize, reason.clone())).collect();
    Ran { emitted: emitted.collect(), rejected }
}

/// Records by their keys, in the order of first occurrence, for a reducer.
pub struct Grouped<'a> {
    subject: &'a Subject,
    records: &'a [Record],
    keys: Vec<Option<Vec<u8>>>,
    groups: Vec<u32>,
}

impl<'a> Grouped<'a> {
    pub fn of(subject: &'a Subject, records: &'a [Record]) -> Grouped<'a> {
        let mut keys: Vec<Option<Vec<u8>>> = Vec::new();
        let mut known = std::collections::HashMap::new();
        let groups = records.iter().map(|record| {
            *known.entry(&record.key).or_insert_with(|| {
                keys.push(record.key.clone());
                keys.len() as u32 - 1
            })
        });
        let groups = groups.collect();
        Grouped { subject, records, keys, groups }
    }

    /// Accumulators of groups that are all new.
    pub fn none(&self) -> Column {
        self.keys.iter().map(|_| None::<&[u8]>).collect()
    }

    pub fn fold(
        &self,
        range: std::ops::Range<usize>,
        accumulators: &Column,
    ) -> Result<Column, RunError> {
        let columns = Columns::of(&self.records[range.clone()]);
        let folded = self.subject.operator.fold(
            &CONTEXT,
            &self.groups[range],
            columns.values.as_ref(),
            &columns.timestamps,
            accumulators.as_ref(),
            |column| column.into(),
        )?;
        Ok(folded)
    }

    pub fn merge(&self, left: &Column, right: &Column) -> Result<Column, RunError> {
        Ok(self
            .subject
            .operator
            .merge(&CONTEXT, left.as_ref(), right.as_ref(), |column| column.into())?)
    }

    /// One record for each group.
    pub fn finish(&self, accumulators: &Column, window: Option<Window>) -> Result<Ran, RunError> {
        let keys: Column = self.keys.iter().map(Option::as_deref).collect();
        let windows = vec![window.unwrap_or(Window { start: 0, end: 0 }); self.keys.len()];
        let windows = if window.is_some() { &windows[..] } else { &[] };
        let take = |out: tidemill_plugin::BatchRef<'_>| {
            let emitted = self.keys.iter().enumerate().map(|(index, key)| {
                let record = Record {
                    key: part(out.keys(), index, key.as_ref()),
                    value: part(out.values(), index, None),
                    headers: part(out.headers(), index, None),
                    timestamp: out.timestamps().get(index).copied().unwrap_or_default(),
                };
                Emitted { record, port: 0 }
            });
            Ran { emitted: emitted.collect(), rejected: Vec::new() }
        };
        let operator = &self.subject.operator;
        let accumulators = accumulators.as_ref();
        Ok(operator.finish(&CONTEXT, keys.as_ref(), windows, accumulators, take)?)
    }
}
