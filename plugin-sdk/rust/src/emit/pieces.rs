//! Cutting a text at separators, straight into a column.
//!
//! 64 bytes at a time become a mask with one bit for each separator, and a piece ends before each set
//! bit. What costs most in such a loop are branches that the processor cannot foretell, checks of room,
//! and variables that do not fit into registers: room is made once for a text, and the loop over pieces
//! has nothing in it but their copying.

use super::bytes::{STEP, map_all};
use super::column_builder::{ColumnBuilder, Pace};
use super::content::{Source, mapped};
use super::mask::{BLOCK, marked};

/// What must be readable from the start of a block on, to copy the pieces that end in it in steps.
const WINDOW: usize = BLOCK + STEP;

/// The runs of bytes of a text between separators, never empty. Made by [`pieces`].
#[derive(Clone, Copy, Debug)]
pub struct Pieces<'t, S, M> {
    text: &'t [u8],
    is_separator: S,
    map: M,
}

/// The runs of bytes of `text` between those that `is_separator` holds for; none is empty.
///
/// `is_separator` is asked of 64 bytes at a time: comparisons become vectors, a look into a table does not.
pub fn pieces<S: Fn(u8) -> bool + Copy>(
    text: &[u8],
    is_separator: S,
) -> Pieces<'_, S, impl Fn(u8) -> u8 + Copy> {
    Pieces { text, is_separator, map: |byte| byte }
}

impl<'t, S: Fn(u8) -> bool + Copy, M: Fn(u8) -> u8 + Copy> Pieces<'t, S, M> {
    /// The pieces with each byte replaced by `map` of it.
    pub fn mapped<N: Fn(u8) -> u8 + Copy>(self, map: N) -> Pieces<'t, S, N> {
        Pieces { text: self.text, is_separator: self.is_separator, map }
    }

    /// One piece after the other, for a column that needs more care.
    pub(super) fn one_by_one(self) -> impl Iterator<Item = impl super::content::Present> {
        let pieces = self.text.split(move |byte| (self.is_separator)(*byte));
        pieces.filter(|piece| !piece.is_empty()).map(move |piece| mapped(piece, self.map))
    }
}

impl ColumnBuilder {
    /// Appends each piece as an item, to a column that keeps offsets and no validity.
    ///
    /// Not inlined: on its own, its variables stay in registers.
    #[inline(never)]
    pub fn push_pieces<S, M>(&mut self, pieces: Pieces<'_, S, M>, source: Source<'_>, pace: Pace)
    where
        S: Fn(u8) -> bool + Copy,
        M: Fn(u8) -> u8 + Copy,
    {
        let Pieces { text, is_separator, map } = pieces;
        self.data.reserve(text.len() + STEP);
        // At most every other byte begins a piece, and one entry more is written than is kept.
        self.reserve_items(text.len() / 2 + 2, pace);
        let readable = source.from(text);
        let mut cut = Cut {
            from: readable.as_ptr(),
            data: self.data.0.as_mut_ptr(),
            offsets: self.offsets.as_mut_ptr(),
            written: self.data.len(),
            items: self.offsets.len(),
            start: 0,
            block: 0,
            ends: 0,
        };
        while cut.block < text.len()
            && let Some(window) = readable.get(cut.block..).and_then(<[u8]>::first_chunk::<WINDOW>)
            && let Some(block) = window.first_chunk()
        {
            cut.ends = text_end(marked(block, is_separator), text.len() - cut.block);
            // SAFETY: the ends are in the window, which is readable, and in the text or at its end.
            // Room was made for the text's bytes and a step behind them, and for an entry for each
            // piece and one more.
            #[allow(unsafe_code)]
            unsafe {
                cut.push_ended(map);
            }
            cut.block += BLOCK;
        }
        // SAFETY: all bytes and entries before were written above.
        #[allow(unsafe_code)]
        unsafe {
            self.data.0.set_len(cut.written);
            self.offsets.set_len(cut.items);
        }
        let start = cut.start;
        let rest = Pieces { text: text.get(start..).unwrap_or_default(), is_separator, map };
        for piece in rest.one_by_one() {
            self.push(piece, source, pace);
        }
    }
}

/// `ends` with the end of a text that is `left` bytes away as one more, and none behind it.
#[inline(always)]
fn text_end(ends: u64, left: usize) -> u64 {
    if left >= BLOCK {
        return ends;
    }
    let end = 1 << left;
    (ends & (end - 1)) | end
}

/// How far a text has been cut. Plain pointers and numbers, so that all of it can be in registers.
struct Cut {
    /// The text.
    from: *const u8,
    data: *mut u8,
    offsets: *mut u32,
    /// Bytes and entries that the column has.
    written: usize,
    items: usize,
    /// Where the next piece begins, in the text.
    start: usize,
    /// Where the block is, in the text, and the ends of pieces in it that are still to come.
    block: usize,
    ends: u64,
}

#[allow(unsafe_code)]
impl Cut {
    /// Pushes all pieces that end in the block.
    ///
    /// # Safety
    /// A step from each of `ends` on is readable. The column has room for the bytes of all pieces and
    /// a step behind them, and for an entry for each piece and one more.
    #[inline(always)]
    unsafe fn push_ended(&mut self, map: impl Fn(u8) -> u8 + Copy) {
        // SAFETY: the caller's.
        unsafe {
            while self.ends != 0 {
                // Eight in a row: at each turn of a loop a guest asks whether its time is over, and
                // compilers keep in memory what is needed after that question.
                while self.push_short(map)
                    && self.push_short(map)
                    && self.push_short(map)
                    && self.push_short(map)
                    && self.push_short(map)
                    && self.push_short(map)
                    && self.push_short(map)
                    && self.push_short(map)
                {}
                if self.ends != 0 {
                    self.push_long(map);
                }
            }
        }
    }

    /// Pushes the next piece if there is one of at most a step.
    ///
    /// # Safety
    /// As [`Self::push_ended`].
    #[inline(always)]
    unsafe fn push_short(&mut self, map: impl Fn(u8) -> u8 + Copy) -> bool {
        let length = self.next_end() - self.start;
        let is_short = self.ends != 0 && length <= STEP;
        if is_short {
            // SAFETY: the caller's.
            unsafe {
                self.copy_step(0, map);
                self.end(length);
            }
        }
        is_short
    }

    /// # Safety
    /// As [`Self::push_ended`], and there is a next piece.
    #[inline(never)]
    unsafe fn push_long(&mut self, map: impl Fn(u8) -> u8 + Copy) {
        let length = self.next_end() - self.start;
        let mut at = 0;
        while at < length {
            // SAFETY: the caller's; the last step begins before the piece's end.
            unsafe { self.copy_step(at, map) };
            at += STEP;
        }
        // SAFETY: the caller's.
        unsafe { self.end(length) };
    }

    /// Where the next piece ends, in the text; past the block where there is none.
    #[inline(always)]
    fn next_end(&self) -> usize {
        self.block + self.ends.trailing_zeros() as usize
    }

    /// Copies the step of the next piece that begins `at` bytes after its start.
    #[inline(always)]
    unsafe fn copy_step(&self, at: usize, map: impl Fn(u8) -> u8 + Copy) {
        // SAFETY: the caller's.
        unsafe {
            let step = self.from.add(self.start + at).cast::<[u8; STEP]>().read_unaligned();
            let to = self.data.add(self.written + at).cast::<[u8; STEP]>();
            to.write_unaligned(map_all(&step, map));
        }
    }

    /// Ends the next piece, whose bytes have been copied. Of an empty one nothing stays.
    #[inline(always)]
    unsafe fn end(&mut self, length: usize) {
        self.written += length;
        // SAFETY: the caller's.
        unsafe { self.offsets.add(self.items).write(self.written as u32) };
        self.items += usize::from(length != 0);
        self.start += length + 1;
        self.ends &= self.ends - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn pushed(text: &[u8], source: &[u8], before: &[&[u8]]) -> Vec<Vec<u8>> {
        let pace = Pace { done: 0, all: 1, bytes: source.len() };
        let mut column = ColumnBuilder::default();
        column.start(0, 1, 0);
        for item in before {
            column.push(*item, Source(source), pace);
        }
        let is_space = |byte: u8| byte == b' ' || (b'\t'..=b'\r').contains(&byte);
        let pieces = pieces(text, is_space).mapped(|byte| byte ^ 0x80);
        column.push_pieces(pieces, Source(source), pace);
        let column = column.finish();
        (0..column.len()).map(|item| column.get(item).unwrap().to_vec()).collect()
    }

    fn expected(text: &[u8], before: &[&[u8]]) -> Vec<Vec<u8>> {
        let words = text.split(|byte| matches!(byte, b'\t'..=b'\r' | b' '));
        let words = words.filter(|word| !word.is_empty());
        let words = words.map(|word| word.iter().map(|byte| byte ^ 0x80).collect());
        before.iter().map(|item| item.to_vec()).chain(words).collect()
    }

    #[test]
    fn each_byte_is_classed_in_each_place() {
        for byte in 0..=u8::MAX {
            for place in 0..150 {
                let mut source = [b'a'; 300];
                source[place] = byte;
                let text = &source[..150];
                assert_eq!(pushed(text, &source, &[]), expected(text, &[]), "{byte} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_are_those_of_a_plain_split(
            source in proptest::collection::vec(prop_oneof![3 => Just(b' '), 7 => Just(b'x'), 1 => any::<u8>()], 0..400),
            cut in any::<(prop::sample::Index, prop::sample::Index)>(),
            elsewhere in any::<bool>(),
        ) {
            let (from, to) = (cut.0.index(source.len() + 1), cut.1.index(source.len() + 1));
            let text = &source[from.min(to)..from.max(to)];
            let copy = text.to_vec();
            let text = if elsewhere { &copy } else { text };
            let before: [&[u8]; 2] = [b"some", b""];
            prop_assert_eq!(pushed(text, &source, &before), expected(text, &before));
        }
    }
}
