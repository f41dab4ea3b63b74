//! The emitter: what a transform writes its records to.
//!
//! The usual record has the same parts as the one before it (its *shape*): one comparison, then plain
//! appends. Any other goes the general way, which brings the columns along.

use super::column_builder::{ColumnBuilder, Pace};
use super::content::{Content, Inherit, Kind, Source};
use super::draft::Draft;
use super::shape::{Part, Shape};
use crate::batch::Batch;
use crate::description::Parts;
use crate::failure::Failure;
use crate::transform::Outcome;
use alloc::vec::Vec;

/// Takes the records that a transform emits.
///
/// A part that is not set is inherited from the input record. Where only some records of a call set
/// a part, the others' must be known to the SDK: such a transform has to read that part.
#[derive(Debug)]
pub struct Emitter<'b> {
    pub(super) input: &'b Batch,
    pub(super) reads: Parts,
    /// The input record at hand.
    pub(super) index: usize,
    pub(super) emitted: usize,
    pub(super) shape: Shape,
    pub(super) keys: ColumnBuilder,
    pub(super) values: ColumnBuilder,
    pub(super) headers: ColumnBuilder,
    pub(super) timestamps: Vec<i64>,
    pub(super) ports: Vec<u16>,
    /// Kept from the first input record on that did not emit exactly one.
    pub(super) counts: Vec<u32>,
    pub(super) counting: bool,
    pub(super) failure: Option<Failure>,
}

/// Where an input record began, to take back what it emitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    emitted: usize,
    shape: Shape,
}

/// The buffers of results that are no longer needed, for the next call. In a component results go to
/// the host and a call starts with none; natively, tests and benchmarks can reuse them.
#[derive(Debug, Default)]
pub struct Buffers(Outcome);

impl From<Outcome> for Buffers {
    fn from(outcome: Outcome) -> Self {
        Self(outcome)
    }
}

impl<'b> Emitter<'b> {
    pub(crate) fn new(input: &'b Batch, reads: Parts, buffers: Buffers) -> Self {
        let Outcome { emitted, mut counts, mut ports, .. } = buffers.0;
        let mut timestamps = emitted.timestamps;
        timestamps.clear();
        counts.clear();
        ports.clear();
        Self {
            input,
            reads,
            index: 0,
            emitted: 0,
            shape: Shape(0),
            keys: ColumnBuilder::reusing(emitted.keys),
            values: ColumnBuilder::reusing(emitted.values),
            headers: ColumnBuilder::reusing(emitted.headers),
            timestamps,
            ports,
            counts,
            counting: false,
            failure: None,
        }
    }

    /// A record like the input record; set what differs, then [`emit`](Draft::emit).
    #[inline(always)]
    pub fn record(&mut self) -> Draft<'_, 'b> {
        Draft {
            out: self,
            key: Inherit,
            value: Inherit,
            headers: Inherit,
            timestamp: None,
            port: 0,
        }
    }

    /// A record with this key.
    #[inline(always)]
    pub fn key<C: Content>(&mut self, key: C) -> Draft<'_, 'b, C> {
        self.record().key(key)
    }

    /// A record with this value.
    #[inline(always)]
    pub fn value<C: Content>(&mut self, value: C) -> Draft<'_, 'b, Inherit, C> {
        self.record().value(value)
    }

    #[inline(always)]
    pub(super) fn pace(&self) -> Pace {
        Pace { done: self.index, all: self.input.values.len(), bytes: self.input.values.data.len() }
    }

    #[inline(always)]
    pub(super) fn source(&self) -> Source<'b> {
        Source(&self.input.values.data)
    }

    #[inline(always)]
    pub(crate) fn begin(&mut self, index: usize) -> Mark {
        self.index = index;
        Mark { emitted: self.emitted, shape: self.shape }
    }

    #[inline(always)]
    pub(crate) fn end(&mut self, mark: Mark) {
        let count = self.emitted - mark.emitted;
        if self.counting {
            self.counts.push(count as u32);
        } else if count != 1 {
            self.start_counting(count);
        }
    }

    #[cold]
    #[inline(never)]
    fn start_counting(&mut self, count: usize) {
        self.counting = true;
        self.counts.reserve(self.input.len());
        self.counts.resize(self.index, 1);
        self.counts.push(count as u32);
    }

    /// Takes back all that was emitted since `mark`.
    ///
    /// Columns keep what they have become, lest a batch of refused records fills them in again and again.
    #[cold]
    pub(crate) fn roll_back(&mut self, mark: Mark) {
        for part in [Part::Key, Part::Value, Part::Headers] {
            match mark.emitted {
                0 => self.column(part).clear(),
                items => self.column(part).truncate(items),
            }
        }
        self.timestamps.truncate(mark.emitted);
        self.ports.truncate(mark.emitted);
        if mark.emitted == 0 {
            self.shape = mark.shape;
        }
        self.emitted = mark.emitted;
    }

    /// What was emitted, as columns.
    pub(crate) fn finish(mut self) -> Result<Outcome, Failure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        for part in [Part::Key, Part::Value, Part::Headers] {
            let (kind, emitted) = (self.shape.kind(part), self.emitted);
            let column = self.column(part);
            if emitted == 0 {
                column.clear();
            } else if kind == Kind::Empty {
                column.offsets.resize(emitted + 1, 0);
            }
        }
        Ok(Outcome {
            emitted: Batch {
                keys: self.keys.finish(),
                values: self.values.finish(),
                headers: self.headers.finish(),
                timestamps: self.timestamps,
            },
            counts: self.counts,
            ports: self.ports,
            rejected: Vec::new(),
        })
    }
}
