//! A buffer of bytes with cheap appends of short pieces.

use alloc::vec::Vec;
use core::fmt;
use core::mem::take;

/// Bytes written in one step; also how much room there must be for a short piece.
pub(crate) const STEP: usize = 16;
/// Bytes mapped in one step, which compilers turn into four vectors.
const BLOCK: usize = 64;
/// From here on `memory.copy` is the faster way.
const LONG: usize = 256;

/// A growing buffer of bytes that an emitted part is written into.
#[derive(Debug, Default)]
pub struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    /// Number of bytes written.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has been written.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends `piece`.
    #[inline]
    pub fn push(&mut self, piece: &[u8]) {
        self.push_from(piece, &[]);
    }

    /// Appends one byte.
    #[inline]
    pub fn push_byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Appends `piece`, faster where it lies inside `source` with at least [`STEP`] bytes after its start.
    #[inline(always)]
    pub(crate) fn push_from(&mut self, piece: &[u8], source: &[u8]) {
        match window(piece, source) {
            Some(window) if piece.len() <= STEP => self.push_window(window, piece.len()),
            _ => self.0 = push_plain(take(&mut self.0), piece),
        }
    }

    /// Appends the first `length` of 16 bytes.
    #[inline(always)]
    fn push_window(&mut self, window: &[u8; STEP], length: usize) {
        if self.0.capacity() - self.0.len() < STEP {
            self.0 = grow(take(&mut self.0), STEP);
        }
        let start = self.0.len();
        // SAFETY: the check above leaves room for STEP bytes behind `start`, all of which are written
        // before the length grows by `length`, which is at most STEP.
        #[allow(unsafe_code)]
        unsafe {
            let end = self.0.as_mut_ptr().add(start);
            end.cast::<[u8; STEP]>().write_unaligned(*window);
            self.0.set_len(start + length.min(STEP));
        }
    }

    /// Appends `piece` with each byte replaced by `map` of it.
    #[inline(always)]
    pub(crate) fn push_mapped(
        &mut self,
        piece: &[u8],
        source: &[u8],
        map: impl Fn(u8) -> u8 + Copy,
    ) {
        if let Some(last) = piece.last_chunk::<BLOCK>() {
            return self.push_mapped_blocks(piece, last, map);
        }
        let (steps, rest) = piece.as_chunks::<STEP>();
        for step in steps {
            self.push_window(&map_all(step, map), STEP);
        }
        match window(rest, source) {
            Some(window) => self.push_window(&map_all(window, map), rest.len()),
            None => {
                let mut last = [0; STEP];
                for (to, &from) in last.iter_mut().zip(rest) {
                    *to = map(from);
                }
                self.push_window(&last, rest.len());
            }
        }
    }

    /// Whole blocks, then the last block once more, over those of its bytes that are there already.
    #[inline(always)]
    fn push_mapped_blocks(
        &mut self,
        piece: &[u8],
        last: &[u8; BLOCK],
        map: impl Fn(u8) -> u8 + Copy,
    ) {
        let (blocks, rest) = piece.as_chunks::<BLOCK>();
        self.reserve(piece.len());
        for block in blocks {
            self.push_block(map_all(block, map));
        }
        if !rest.is_empty() {
            self.0.truncate(self.0.len() + rest.len() - BLOCK);
            self.push_block(map_all(last, map));
        }
    }

    #[inline(always)]
    fn push_block(&mut self, block: [u8; BLOCK]) {
        self.0.extend_from_slice(&block);
    }

    /// Makes room for `additional` bytes.
    #[inline]
    pub fn reserve(&mut self, additional: usize) {
        if self.0.capacity() - self.0.len() < additional {
            self.0 = grow(take(&mut self.0), additional);
        }
    }
}

// What follows takes and returns the buffer by value: a reference that leaves the hot loop would keep the
// buffer's length in memory there.

#[cold]
#[inline(never)]
fn grow(mut buffer: Vec<u8>, additional: usize) -> Vec<u8> {
    buffer.reserve(additional);
    buffer
}

/// Appends a piece that is long, or too near to the end of what it is taken from.
#[inline(never)]
fn push_plain(buffer: Vec<u8>, piece: &[u8]) -> Vec<u8> {
    let mut out = Bytes(buffer);
    match piece.last_chunk::<STEP>() {
        Some(last) if piece.len() < LONG => {
            out.reserve(piece.len() + STEP);
            let (steps, rest) = piece.as_chunks::<STEP>();
            for step in steps {
                out.push_window(step, STEP);
            }
            if !rest.is_empty() {
                // The last 16 bytes again, over those of them that are there already.
                out.0.truncate(out.0.len() + rest.len() - STEP);
                out.push_window(last, STEP);
            }
        }
        _ => out.0.extend_from_slice(piece),
    }
    out.0
}

impl fmt::Write for Bytes {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// The 16 bytes of `source` that begin where `piece` does, if it lies in there.
///
/// Addresses are compared as numbers; the bytes are read through `source`.
#[inline(always)]
fn window<'s>(piece: &[u8], source: &'s [u8]) -> Option<&'s [u8; STEP]> {
    let start = piece.as_ptr().addr().wrapping_sub(source.as_ptr().addr());
    let last = source.len().checked_sub(STEP)?;
    // SAFETY: 16 bytes from `start` on lie in `source`, for `start` is at most `last`. `get` and
    // `first_chunk` would compare twice, for each word of a line.
    #[allow(unsafe_code)]
    (start <= last).then(|| unsafe { &*source.as_ptr().add(start).cast() })
}

#[inline(always)]
pub(super) fn map_all<const N: usize>(bytes: &[u8; N], map: impl Fn(u8) -> u8) -> [u8; N] {
    let mut out = *bytes;
    for byte in &mut out {
        *byte = map(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_of_any_length_and_place_are_appended(
            source in proptest::collection::vec(any::<u8>(), 0..700),
            cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..40),
        ) {
            let (mut fast, mut mapped, mut plain) = (Bytes::default(), Bytes::default(), Vec::new());
            for (from, to) in cuts {
                let (from, to) = (from.index(source.len() + 1), to.index(source.len() + 1));
                let piece = &source[from.min(to)..from.max(to)];
                fast.push_from(piece, &source);
                mapped.push_mapped(piece, &source, |byte| byte ^ 0x20);
                plain.extend_from_slice(piece);
            }
            prop_assert_eq!(&fast.0, &plain);
            prop_assert!(mapped.0.iter().zip(&plain).all(|(got, from)| *got == from ^ 0x20));
            prop_assert_eq!(mapped.len(), plain.len());
        }
    }
}
