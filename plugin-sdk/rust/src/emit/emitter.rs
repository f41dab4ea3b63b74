//! The emitter: what a transform writes its records to.
//!
//! The usual record has the same parts as the one before it (its *shape*): one comparison, then plain
//! appends. Any other goes the general way, which brings the columns along.

use super::column_builder::{ColumnBuilder, Pace};
use super::content::{Content, Inherit, Kind, Present, Source};
use crate::batch::Batch;
use crate::column::Column;
use crate::description::Parts;
use crate::failure::Failure;
use crate::transform::Outcome;
use alloc::format;
use alloc::vec::Vec;

/// Takes the records that a transform emits.
///
/// A part that is not set is inherited from the input record. Where only some records of a call set
/// a part, the others' must be known to the SDK: such a transform has to read that part.
#[derive(Debug)]
pub struct Emitter<'b> {
    input: &'b Batch,
    reads: Parts,
    /// The input record at hand.
    index: usize,
    emitted: usize,
    shape: Shape,
    keys: ColumnBuilder,
    values: ColumnBuilder,
    headers: ColumnBuilder,
    timestamps: Vec<i64>,
    ports: Vec<u16>,
    /// Kept from the first input record on that did not emit exactly one.
    counts: Vec<u32>,
    counting: bool,
    failure: Option<Failure>,
}

/// Which parts the emitted records have: two bits of [`Kind`] for each column, one for timestamps and
/// one for ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape(u8);

/// The place of a column in a [`Shape`].
#[derive(Clone, Copy, Debug)]
enum Part {
    Key = 0,
    Value = 2,
    Headers = 4,
}

impl Shape {
    const TIMESTAMPS: u8 = 1 << 6;
    const PORTS: u8 = 1 << 7;

    #[inline(always)]
    const fn of(key: Kind, value: Kind, headers: Kind, timestamp: bool, port: bool) -> Self {
        Self(
            key as u8
                | (value as u8) << Part::Value as u8
                | (headers as u8) << Part::Headers as u8
                | (timestamp as u8 * Self::TIMESTAMPS)
                | (port as u8 * Self::PORTS),
        )
    }

    fn kind(self, part: Part) -> Kind {
        match self.0 >> part as u8 & 3 {
            0 => Kind::Inherit,
            1 => Kind::Bytes,
            2 => Kind::Empty,
            _ => Kind::Null,
        }
    }

    fn set(&mut self, part: Part, kind: Kind) {
        self.0 = self.0 & !(3 << part as u8) | (kind as u8) << part as u8;
    }

    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
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
    fn pace(&self) -> Pace {
        Pace { done: self.index, all: self.input.values.len(), bytes: self.input.values.data.len() }
    }

    #[inline(always)]
    fn source(&self) -> Source<'b> {
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
    #[cold]
    pub(crate) fn roll_back(&mut self, mark: Mark) {
        for part in [Part::Key, Part::Value, Part::Headers] {
            let was = mark.shape.kind(part);
            let column = self.column(part);
            if matches!(was, Kind::Inherit | Kind::Empty) {
                column.clear();
                self.shape.set(part, was);
            } else {
                column.truncate(mark.emitted);
            }
        }
        self.timestamps.truncate(mark.emitted);
        self.ports.truncate(mark.emitted);
        for flag in [Shape::TIMESTAMPS, Shape::PORTS] {
            if !mark.shape.has(flag) {
                self.shape.0 &= !flag;
            }
        }
        if !mark.shape.has(Shape::TIMESTAMPS) {
            self.timestamps.clear();
        }
        if !mark.shape.has(Shape::PORTS) {
            self.ports.clear();
        }
        self.emitted = mark.emitted;
    }

    fn column(&mut self, part: Part) -> &mut ColumnBuilder {
        match part {
            Part::Key => &mut self.keys,
            Part::Value => &mut self.values,
            Part::Headers => &mut self.headers,
        }
    }

    /// Writes a part of a record whose shape is not that of the records before it.
    fn place<C: Content>(&mut self, part: Part, content: C) {
        match (self.shape.kind(part), content.kind()) {
            (Kind::Inherit, Kind::Inherit) | (Kind::Empty, Kind::Empty) => {}
            (_, Kind::Inherit) => {
                if let Some(inherited) = self.inherited(part, self.index) {
                    self.place(part, inherited);
                }
            }
            (Kind::Inherit, Kind::Empty) if self.emitted == 0 => self.shape.set(part, Kind::Empty),
            (Kind::Inherit, _) => {
                self.start(part, 0);
                self.shape.set(part, Kind::Bytes);
                self.fill_inherited(part);
                self.place(part, content);
            }
            (Kind::Empty, Kind::Null | Kind::Bytes) => {
                self.start(part, self.emitted);
                self.shape.set(part, Kind::Bytes);
                self.place(part, content);
            }
            (Kind::Bytes, Kind::Null) => {
                self.column(part).start_validity();
                self.shape.set(part, Kind::Null);
                self.place(part, content);
            }
            (Kind::Bytes, Kind::Bytes | Kind::Empty) => {
                let (source, pace) = (self.source(), self.pace());
                self.column(part).push(content, source, pace);
            }
            (Kind::Null, _) => {
                let (source, pace) = (self.source(), self.pace());
                self.column(part).push_nullable(content, source, pace);
            }
        }
    }

    fn start(&mut self, part: Part, items: usize) {
        let (records, bytes) = (self.input.len(), self.input.values.data.len());
        self.column(part).start(items, records, bytes);
    }

    /// Writes out what the records emitted so far inherited.
    #[cold]
    fn fill_inherited(&mut self, part: Part) {
        for source in self.sources() {
            match self.inherited(part, source) {
                Some(inherited) => self.place(part, inherited),
                None => return,
            }
        }
    }

    /// The input record of each record emitted so far.
    fn sources(&self) -> Vec<usize> {
        let count = |index| if self.counting { self.counts.get(index).copied() } else { Some(1) };
        let mut sources: Vec<usize> = (0..self.index)
            .flat_map(|index| core::iter::repeat_n(index, count(index).unwrap_or(0) as usize))
            .collect();
        sources.resize(self.emitted, self.index);
        sources
    }

    /// A part of an input record, or `None` and a failure noted where it is not read.
    fn inherited(&mut self, part: Part, index: usize) -> Option<Option<&'b [u8]>> {
        let (column, parts, name): (&'b Column, Parts, &str) = match part {
            Part::Key => (&self.input.keys, Parts::KEYS, "keys"),
            Part::Value => (&self.input.values, Parts::VALUES, "values"),
            Part::Headers => (&self.input.headers, Parts::HEADERS, "headers"),
        };
        if self.reads.contains(parts) {
            return Some(column.get(index));
        }
        self.note_unread(name);
        None
    }

    fn note_unread(&mut self, name: &str) {
        self.failure.get_or_insert_with(|| {
            Failure::Fatal(format!(
                "some emitted records set their {name} and others inherit them: the plugin must declare `reads({name})`"
            ))
        });
    }

    fn place_timestamp(&mut self, timestamp: Option<i64>) {
        if timestamp.is_none() && !self.shape.has(Shape::TIMESTAMPS) {
            return;
        }
        if !self.reads.contains(Parts::TIMESTAMPS)
            && (timestamp.is_none() || self.timestamps.len() < self.emitted)
        {
            return self.note_unread("timestamps");
        }
        let inherited =
            |index: usize| self.input.timestamps.get(index).copied().unwrap_or_default();
        if !self.shape.has(Shape::TIMESTAMPS) {
            self.timestamps = self.sources().into_iter().map(inherited).collect();
            self.shape.0 |= Shape::TIMESTAMPS;
        }
        let timestamp = timestamp.unwrap_or_else(|| inherited(self.index));
        self.timestamps.push(timestamp);
    }

    fn place_port(&mut self, port: u16) {
        if port != 0 && !self.shape.has(Shape::PORTS) {
            self.ports.resize(self.emitted, 0);
            self.shape.0 |= Shape::PORTS;
        }
        if self.shape.has(Shape::PORTS) {
            self.ports.push(port);
        }
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

/// A record about to be emitted.
#[derive(Debug)]
#[must_use = "a draft is emitted by `.emit()`"]
pub struct Draft<'e, 'b, K = Inherit, V = Inherit, H = Inherit> {
    out: &'e mut Emitter<'b>,
    key: K,
    value: V,
    headers: H,
    timestamp: Option<i64>,
    port: u16,
}

impl<'e, 'b, K: Content, V: Content, H: Content> Draft<'e, 'b, K, V, H> {
    /// Sets the key; [`Null`](super::Null) for none.
    #[inline(always)]
    pub fn key<C: Content>(self, key: C) -> Draft<'e, 'b, C, V, H> {
        let Self { out, value, headers, timestamp, port, .. } = self;
        Draft { out, key, value, headers, timestamp, port }
    }

    /// Sets the value; [`Null`](super::Null) for a tombstone.
    #[inline(always)]
    pub fn value<C: Content>(self, value: C) -> Draft<'e, 'b, K, C, H> {
        let Self { out, key, headers, timestamp, port, .. } = self;
        Draft { out, key, value, headers, timestamp, port }
    }

    /// Sets the headers, encoded by [`encode_headers`](crate::encode_headers).
    #[inline(always)]
    pub fn headers<C: Content>(self, headers: C) -> Draft<'e, 'b, K, V, C> {
        let Self { out, key, value, timestamp, port, .. } = self;
        Draft { out, key, value, headers, timestamp, port }
    }

    /// Sets the event time, in milliseconds since 1970-01-01 UTC.
    #[inline(always)]
    pub fn timestamp(mut self, timestamp: i64) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// Sends the record to another output than the first: an index into the macro's `ports(…)`.
    #[inline(always)]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Emits the record.
    #[inline(always)]
    pub fn emit(self) {
        let Self { out, key, value, headers, timestamp, port } = self;
        let kinds = (key.kind(), value.kind(), headers.kind());
        let shape = Shape::of(kinds.0, kinds.1, kinds.2, timestamp.is_some(), port != 0);
        // A null needs the validity that only the general way keeps.
        let plain = kinds.0 != Kind::Null && kinds.1 != Kind::Null && kinds.2 != Kind::Null;
        if shape != out.shape || !plain {
            let draft = Draft { out, key, value, headers, timestamp, port };
            return draft.emit_unlike();
        }
        let (source, pace) = (out.source(), out.pace());
        if kinds.0 == Kind::Bytes {
            out.keys.push(key, source, pace);
        }
        if kinds.1 == Kind::Bytes {
            out.values.push(value, source, pace);
        }
        if kinds.2 == Kind::Bytes {
            out.headers.push(headers, source, pace);
        }
        if let Some(timestamp) = timestamp {
            out.timestamps.push(timestamp);
        }
        if port != 0 {
            out.ports.push(port);
        }
        out.emitted += 1;
    }

    /// Emits a record for each of `keys`, alike in all else: the fastest way to emit many.
    #[inline(always)]
    pub fn emit_keys<C: Present>(self, keys: impl IntoIterator<Item = C>)
    where
        V: Clone,
        H: Clone,
    {
        let Self { out, value, headers, timestamp, port, .. } = self;
        let kinds = (value.kind(), headers.kind());
        let is_plain = matches!(kinds, (Kind::Inherit | Kind::Empty, Kind::Inherit))
            && timestamp.is_none()
            && port == 0;
        if !is_plain || out.shape != Shape::of(Kind::Bytes, kinds.0, kinds.1, false, false) {
            for key in keys {
                Draft {
                    out: &mut *out,
                    key,
                    value: value.clone(),
                    headers: headers.clone(),
                    timestamp,
                    port,
                }
                .emit();
            }
            return;
        }
        // The column stands on its own here, so that its lengths need not go through memory.
        let (source, pace) = (out.source(), out.pace());
        let mut column = core::mem::take(&mut out.keys);
        let before = column.offsets.len();
        let mut keys = keys.into_iter();
        // Two at a time: each step back of a loop asks whether the call's time is over.
        while let Some(key) = keys.next() {
            column.push(key, source, pace);
            let Some(key) = keys.next() else { break };
            column.push(key, source, pace);
        }
        out.emitted += column.offsets.len() - before;
        out.keys = column;
    }

    /// Emits a record of another shape than those before.
    #[cold]
    #[inline(never)]
    fn emit_unlike(self) {
        let out = self.out;
        out.place(Part::Key, self.key);
        out.place(Part::Value, self.value);
        out.place(Part::Headers, self.headers);
        out.place_timestamp(self.timestamp);
        out.place_port(self.port);
        out.emitted += 1;
    }
}
