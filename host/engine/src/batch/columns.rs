//! Picking records out of columns, and filling in what an operator left to be inherited.
//! **Where nothing has to move, nothing is copied**: the view that comes out is the one that went in.

use tidemill_plugin::{Batch, BatchFault, BatchRef, Column, ColumnRef, OutcomeRef};

/// Buffers of one step of a chain, kept from call to call.
#[derive(Default)]
pub struct Scratch {
    indices: Vec<u32>,
    batch: Batch,
}

impl Scratch {
    /// The records of `input` at `indices`, in that order.
    ///
    /// # Errors
    /// Never for indices below the number of records.
    pub fn pick(
        &mut self,
        input: BatchRef<'_>,
        indices: &[u32],
    ) -> Result<BatchRef<'_>, BatchFault> {
        pick_into(&mut self.batch, input, indices)
    }

    /// The records whose bit is set in `kept`.
    ///
    /// # Errors
    /// As [`Scratch::pick`].
    pub fn keep<'a>(
        &'a mut self,
        input: BatchRef<'a>,
        kept: &[u8],
    ) -> Result<BatchRef<'a>, BatchFault> {
        let Self { indices, batch } = self;
        indices.clear();
        indices.extend(
            (0u32..).take(input.len()).filter(|index| tidemill_plugin::bit(kept, *index as usize)),
        );
        if indices.len() == input.len() { Ok(input) } else { pick_into(batch, input, indices) }
    }

    /// What an operator emitted, with each part that it left out taken from the input record.
    /// `timestamps` says whether anything behind looks at them.
    ///
    /// # Errors
    /// A part that has items, but not one for each record: the plugin's outcome was checked before.
    pub fn inherit<'a>(
        &'a mut self,
        input: BatchRef<'a>,
        outcome: &OutcomeRef<'a>,
        timestamps: bool,
    ) -> Result<BatchRef<'a>, BatchFault> {
        let emitted = outcome.emitted();
        let Self { indices, batch } = self;
        let sources = Sources::new(outcome.counts(), emitted.len(), indices);
        BatchRef::of_records(
            emitted.len(),
            sources.column(emitted.keys(), input.keys(), &mut batch.keys),
            sources.column(emitted.values(), input.values(), &mut batch.values),
            sources.column(emitted.headers(), input.headers(), &mut batch.headers),
            match (emitted.timestamps(), timestamps) {
                ([], true) => sources.timestamps(input.timestamps(), &mut batch.timestamps),
                (own, _) => own,
            },
        )
    }
}

/// Which input record each emitted record comes from.
struct Sources<'a> {
    /// `None`: emitted record i comes from input record i.
    indices: Option<&'a [u32]>,
    records: usize,
}

impl<'a> Sources<'a> {
    fn new(counts: &[u32], records: usize, indices: &'a mut Vec<u32>) -> Self {
        if counts.is_empty() {
            return Self { indices: None, records };
        }
        indices.clear();
        indices.reserve(records);
        for (index, count) in (0u32..).zip(counts) {
            indices.extend(std::iter::repeat_n(index, *count as usize));
        }
        Self { indices: Some(indices), records }
    }

    fn column<'b>(
        &self,
        own: ColumnRef<'b>,
        input: ColumnRef<'b>,
        into: &'b mut Column,
    ) -> ColumnRef<'b> {
        if self.records == 0 || !own.is_empty() || input.is_empty() {
            return own;
        }
        match self.indices {
            None => input,
            Some(indices) => {
                pick_column(input, indices, into);
                into.as_ref()
            }
        }
    }

    fn timestamps<'b>(&self, input: &'b [i64], into: &'b mut Vec<i64>) -> &'b [i64] {
        match self.indices {
            None => input,
            Some(indices) => {
                pick_timestamps(input, indices, into);
                into
            }
        }
    }
}

fn pick_column(from: ColumnRef<'_>, indices: &[u32], into: &mut Column) {
    into.clear();
    if !from.is_empty() {
        indices.iter().for_each(|index| into.push(from.get(*index as usize)));
    }
}

fn pick_timestamps(from: &[i64], indices: &[u32], into: &mut Vec<i64>) {
    into.clear();
    into.extend(indices.iter().filter_map(|index| from.get(*index as usize)));
}

fn pick_into<'a>(
    batch: &'a mut Batch,
    input: BatchRef<'_>,
    indices: &[u32],
) -> Result<BatchRef<'a>, BatchFault> {
    pick_column(input.keys(), indices, &mut batch.keys);
    pick_column(input.values(), indices, &mut batch.values);
    pick_column(input.headers(), indices, &mut batch.headers);
    pick_timestamps(input.timestamps(), indices, &mut batch.timestamps);
    let Batch { keys, values, headers, timestamps } = batch;
    BatchRef::of_records(
        indices.len(),
        keys.as_ref(),
        values.as_ref(),
        headers.as_ref(),
        timestamps,
    )
}
