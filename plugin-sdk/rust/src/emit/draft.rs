//! A record on its way out, and the usual way that it goes.

use super::content::{Content, Inherit, Kind, Present};
use super::emitter::Emitter;
use super::pieces::Pieces;
use super::shape::{Part, Shape};

/// A record about to be emitted.
#[derive(Debug)]
#[must_use = "a draft is emitted by `.emit()`"]
pub struct Draft<'e, 'b, K = Inherit, V = Inherit, H = Inherit> {
    pub(super) out: &'e mut Emitter<'b>,
    pub(super) key: K,
    pub(super) value: V,
    pub(super) headers: H,
    pub(super) timestamp: Option<i64>,
    pub(super) port: u16,
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

    /// Emits a record for each of `keys`, alike in all else.
    #[inline(always)]
    pub fn emit_keys<C: Present>(self, keys: impl IntoIterator<Item = C>)
    where
        V: Clone,
        H: Clone,
    {
        if !self.differs_in_key_alone() {
            return self.emit_each(keys);
        }
        let out = self.out;
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

    /// Emits a record for each piece of a text, its key the piece, alike in all else: the fastest way
    /// to emit many.
    #[inline(always)]
    pub fn emit_pieces<S, M>(self, pieces: Pieces<'_, S, M>)
    where
        S: Fn(u8) -> bool + Copy,
        M: Fn(u8) -> u8 + Copy,
        V: Clone,
        H: Clone,
    {
        if !self.differs_in_key_alone() {
            return self.emit_each(pieces.one_by_one());
        }
        let out = self.out;
        let before = out.keys.offsets.len();
        out.push_pieces(pieces);
        out.emitted += out.keys.offsets.len() - before;
    }

    /// Whether the record has the shape of those before it, and all but its key costs nothing.
    #[inline(always)]
    fn differs_in_key_alone(&self) -> bool {
        let kinds = (self.value.kind(), self.headers.kind());
        matches!(kinds, (Kind::Inherit | Kind::Empty, Kind::Inherit))
            && self.timestamp.is_none()
            && self.port == 0
            && self.out.shape == Shape::of(Kind::Bytes, kinds.0, kinds.1, false, false)
    }

    #[cold]
    #[inline(never)]
    fn emit_each<C: Present>(self, keys: impl IntoIterator<Item = C>)
    where
        V: Clone,
        H: Clone,
    {
        let Self { out, value, headers, timestamp, port, .. } = self;
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
