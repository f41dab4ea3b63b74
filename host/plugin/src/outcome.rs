//! What a transform's call gave back, checked.
//! **Who holds an [`OutcomeRef`] may use every index in it without looking again.**

use crate::batch::BatchRef;

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
