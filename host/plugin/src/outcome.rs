//! What a transform's call gave back, checked.
//! **Who holds an [`OutcomeRef`] may use every index in it without looking again.**

use crate::batch::{Batch, BatchFault, BatchRef};

/// A record that the plugin refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Index of the record in the batch that was handed over.
    pub index: u32,
    /// Why, cut off where it is long.
    pub reason: String,
}

/// A checked view of an outcome; its columns lie in the guest's memory.
#[derive(Clone, Copy, Debug)]
pub struct OutcomeRef<'a> {
    pub(crate) emitted: BatchRef<'a>,
    pub(crate) inputs: usize,
    pub(crate) counts: &'a [u32],
    pub(crate) ports: &'a [u16],
    pub(crate) rejected: &'a [Rejection],
}

impl<'a> OutcomeRef<'a> {
    /// The emitted records, in the order of the input records that they come from. A column
    /// without items inherits from the input record.
    #[must_use]
    pub fn emitted(&self) -> BatchRef<'a> {
        self.emitted
    }

    /// How many records each input record emitted, in input order. Empty: exactly one each.
    #[must_use]
    pub fn counts(&self) -> &'a [u32] {
        self.counts
    }

    /// The port of each emitted record, below the number of ports. Empty: all go to port 0.
    #[must_use]
    pub fn ports(&self) -> &'a [u16] {
        self.ports
    }

    /// The refused records, in rising order of index; none of them emitted anything.
    #[must_use]
    pub fn rejected(&self) -> &'a [Rejection] {
        self.rejected
    }

    /// The index of the input record of each emitted record.
    pub fn sources(&self) -> impl Iterator<Item = u32> + use<'a> {
        let one_each = if self.counts.is_empty() { self.inputs as u32 } else { 0 };
        let counted = self.counts.iter().zip(0_u32..);
        (0..one_each)
            .chain(counted.flat_map(|(&count, source)| std::iter::repeat_n(source, count as usize)))
    }
}

/// An outcome that owns its parts, for whoever may look at it only once the call has ended.
#[derive(Debug, Default)]
pub struct Outcome {
    emitted: Batch,
    records: usize,
    inputs: usize,
    counts: Vec<u32>,
    ports: Vec<u16>,
    rejected: Vec<Rejection>,
}

impl OutcomeRef<'_> {
    /// A copy out of the guest's memory.
    #[must_use]
    pub fn copy_out(&self) -> Outcome {
        Outcome {
            emitted: Batch {
                keys: self.emitted.keys().into(),
                values: self.emitted.values().into(),
                headers: self.emitted.headers().into(),
                timestamps: self.emitted.timestamps().to_vec(),
            },
            records: self.emitted.len(),
            inputs: self.inputs,
            counts: self.counts.to_vec(),
            ports: self.ports.to_vec(),
            rejected: self.rejected.to_vec(),
        }
    }
}

impl Outcome {
    /// The outcome as a view.
    ///
    /// # Errors
    /// Never for one that was copied from a checked view.
    pub fn as_ref(&self) -> Result<OutcomeRef<'_>, BatchFault> {
        let Batch { keys, values, headers, timestamps } = &self.emitted;
        let emitted = BatchRef::of_records(
            self.records,
            keys.as_ref(),
            values.as_ref(),
            headers.as_ref(),
            timestamps,
        )?;
        Ok(OutcomeRef {
            emitted,
            inputs: self.inputs,
            counts: &self.counts,
            ports: &self.ports,
            rejected: &self.rejected,
        })
    }
}
