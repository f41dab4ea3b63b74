//! Cutting a text at separators, straight into a column.
//!
//! 64 bytes at a time become a mask with one bit for each separator, and a piece ends before each set
//! bit. What costs most in such a loop are branches that the processor cannot foretell, checks of room,
//! and variables that do not fit into registers: room is made once for a text, and the loop over the
//! pieces of a block, where all are short and none is empty, has nothing in it but their copying.

use super::bytes::STEP;
use super::column_builder::{ColumnBuilder, Pace};
use super::content::{Source, mapped};
use super::mask::{BLOCK, marked};

/// Pieces that are pushed together; [`Cut::push_even`] knows that there are four.
const ROW: usize = 4;

/// What must be readable from the start of a block on, to copy the pieces that end in it in steps.
const WINDOW: usize = BLOCK + 1 + STEP;

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
        // Natively a column can grow past its offsets; what comes of it is refused, but it must come.
        if self.data.len().saturating_add(text.len()) > u32::MAX as usize {
            return self.push_one_by_one(pieces, source, pace);
        }
        self.data.reserve(text.len() + BLOCK + STEP);
        // At most every other byte begins a piece, and some entries more are written than are kept.
        self.reserve_items(text.len() / 2 + 1 + ROW, pace);
        let readable = source.from(text);
        let data = self.data.0.as_mut_ptr();
        let offsets = self.offsets.as_mut_ptr();
        // SAFETY: both point into their buffers or at their ends.
        #[allow(unsafe_code)]
        let mut cut = unsafe {
            Cut {
                start: readable.as_ptr(),
                to: data.add(self.data.len()),
                entry: offsets.add(self.offsets.len()),
            }
        };
        let mut block_at = 0;
        while block_at < text.len()
            && let Some(window) = readable.get(block_at..).and_then(<[u8]>::first_chunk::<WINDOW>)
            && let Some(block) = window.first_chunk()
        {
            let ends = text_end(marked(block, is_separator), text.len() - block_at);
            // SAFETY: the ends are in the window, which is readable, and in the text or at its end.
            // Room was made for the text's bytes, a block and a step behind them, and for an entry for
            // each piece and a row more.
            #[allow(unsafe_code)]
            unsafe {
                cut.push_ended(block.as_ptr(), ends, data, map);
            }
            block_at += BLOCK;
        }
        // SAFETY: all bytes and entries before were written above; the next piece starts in the text, or one byte
        // behind its end.
        #[allow(unsafe_code)]
        let start = unsafe {
            self.data.0.set_len(cut.to.offset_from_unsigned(data));
            self.offsets.set_len(cut.entry.offset_from_unsigned(offsets));
            cut.start.offset_from_unsigned(readable.as_ptr())
        };
        if let Some(rest @ [_, ..]) = text.get(start..) {
            self.push_one_by_one(Pieces { text: rest, is_separator, map }, source, pace);
        }
    }

    /// The same for the end of a text at the end of what can be read.
    #[cold]
    #[inline(never)]
    fn push_one_by_one<S, M>(&mut self, pieces: Pieces<'_, S, M>, source: Source<'_>, pace: Pace)
    where
        S: Fn(u8) -> bool + Copy,
        M: Fn(u8) -> u8 + Copy,
    {
        for piece in pieces.one_by_one() {
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

/// How far a text has been cut.
///
/// **It never leaves its function but by value**: what a pointer leads to is in memory for good, and a guest's memory is
/// far slower than its registers.
#[derive(Clone, Copy)]
struct Cut {
    /// Where the next piece begins, in the text.
    start: *const u8,
    /// Where its bytes go.
    to: *mut u8,
    /// Where its end will be noted.
    entry: *mut u32,
}

#[allow(unsafe_code)]
impl Cut {
    /// Pushes the pieces that end at a byte of `block` whose bit is set in `ends`, to a column whose bytes begin at
    /// `data`.
    ///
    /// # Safety
    /// A step from each of the ends on is readable, and from the byte behind the block. The column has room for the
    /// bytes of all pieces, a block and a step behind them, and for an entry for each piece and a row more.
    #[inline(always)]
    unsafe fn push_ended(
        &mut self,
        block: *const u8,
        ends: u64,
        data: *mut u8,
        map: impl Fn(u8) -> u8 + Copy,
    ) {
        if ends == 0 {
            return;
        }
        // SAFETY: the caller's.
        unsafe {
            if self.are_even(block, ends) {
                self.push_even(block, ends, data, map);
            } else {
                *self = self.pushed_uneven(block, ends, data, map);
            }
        }
    }

    /// Whether no piece is empty or longer than a step. There is an end.
    #[inline(always)]
    fn are_even(&self, block: *const u8, ends: u64) -> bool {
        let first = next_end(block, ends).addr().wrapping_sub(self.start.addr());
        // Behind the last end is no piece yet.
        let behind = !(u64::MAX >> ends.leading_zeros());
        // Bit i: the bytes from i on are of a piece, so many of them.
        let one = !(ends | behind);
        let two = one & one >> 1;
        let four = two & two >> 2;
        let eight = four & four >> 4;
        let sixteen = eight & eight >> 8;
        let more = sixteen & one >> STEP;
        first.wrapping_sub(1) < STEP && ends & ends >> 1 == 0 && more == 0
    }

    /// Pushes pieces, of which none is empty or longer than a step.
    ///
    /// A row at a time and without a question in between; what is written of the last row behind the last end
    /// is written over later, or not kept.
    ///
    /// # Safety
    /// As [`Self::push_ended`]; there is an end.
    #[inline(always)]
    unsafe fn push_even(
        &mut self,
        block: *const u8,
        ends: u64,
        data: *mut u8,
        map: impl Fn(u8) -> u8 + Copy,
    ) {
        // SAFETY: the caller's.
        unsafe {
            self.push_rows(block, ends, data, map);
            self.entry = self.entry.add(ends.count_ones() as usize);
            self.to = data.add(self.entry.sub(1).read() as usize);
            self.start = block.add(BLOCK - ends.leading_zeros() as usize);
            // Behind the last end a row goes on with what lies up to the end of the block, then steps back by a
            // byte for each place: where nothing lies there, the fourth place has gone over the last byte.
            self.to.sub(1).write(map(self.start.sub(2).read()));
        }
    }

    /// Not inlined: on its own, its variables stay in registers.
    ///
    /// # Safety
    /// As [`Self::push_even`].
    #[inline(never)]
    unsafe fn push_rows(
        mut self,
        block: *const u8,
        mut ends: u64,
        data: *const u8,
        map: impl Fn(u8) -> u8 + Copy,
    ) {
        while ends != 0 {
            for place in 0..ROW {
                // Behind the last end the next one seems to be that of the block.
                let end = next_end(block, ends);
                // SAFETY: the caller's.
                unsafe {
                    self.copy_step(0, map);
                    self.to = self.to.wrapping_add(end.addr().wrapping_sub(self.start.addr()));
                    self.entry.add(place).write(self.to.addr().wrapping_sub(data.addr()) as u32);
                }
                self.start = end.wrapping_add(1);
                ends &= ends.wrapping_sub(1);
            }
            // SAFETY: the caller's.
            self.entry = unsafe { self.entry.add(ROW) };
        }
    }

    /// After any pieces.
    ///
    /// # Safety
    /// As [`Self::push_ended`].
    #[inline(never)]
    unsafe fn pushed_uneven(
        mut self,
        block: *const u8,
        mut ends: u64,
        data: *const u8,
        map: impl Fn(u8) -> u8 + Copy,
    ) -> Self {
        // SAFETY: the caller's.
        unsafe {
            while ends != 0 {
                // Some in a row: at each turn of a loop a guest asks whether its time is over.
                while self.push_short(block, &mut ends, data, map)
                    && self.push_short(block, &mut ends, data, map)
                    && self.push_short(block, &mut ends, data, map)
                    && self.push_short(block, &mut ends, data, map)
                {}
                if ends != 0 {
                    self.push_long(next_end(block, ends), data, map);
                    ends &= ends - 1;
                }
            }
        }
        self
    }

    /// Pushes the next piece if there is one of at most a step.
    ///
    /// # Safety
    /// As [`Self::push_ended`].
    #[inline(always)]
    unsafe fn push_short(
        &mut self,
        block: *const u8,
        ends: &mut u64,
        data: *const u8,
        map: impl Fn(u8) -> u8 + Copy,
    ) -> bool {
        let length = next_end(block, *ends).addr().wrapping_sub(self.start.addr());
        let is_short = *ends != 0 && length <= STEP;
        if is_short {
            // SAFETY: the caller's.
            unsafe {
                self.copy_step(0, map);
                self.end(length, data);
            }
            *ends &= *ends - 1;
        }
        is_short
    }

    /// Pushes the next piece, which ends at `end`.
    ///
    /// # Safety
    /// As [`Self::push_ended`].
    #[inline(always)]
    unsafe fn push_long(&mut self, end: *const u8, data: *const u8, map: impl Fn(u8) -> u8 + Copy) {
        let length = end.addr() - self.start.addr();
        let mut at = 0;
        while at < length {
            // SAFETY: the caller's; the last step begins before the piece's end.
            unsafe { self.copy_step(at, map) };
            at += STEP;
        }
        // SAFETY: the caller's.
        unsafe { self.end(length, data) };
    }

    /// Copies the step of the next piece that begins `at` bytes after its start.
    #[inline(always)]
    unsafe fn copy_step(&self, at: usize, map: impl Fn(u8) -> u8 + Copy) {
        // SAFETY: the caller's.
        unsafe {
            let to = self.to.add(at).cast::<[u8; STEP]>();
            // Mapped where they have come to: on the way there they would be in memory as well.
            self.start.add(at).cast::<[u8; STEP]>().copy_to_nonoverlapping(to, 1);
            for byte in &mut *to {
                *byte = map(*byte);
            }
        }
    }

    /// Ends the next piece, whose bytes have been copied. Of an empty one nothing stays.
    #[inline(always)]
    unsafe fn end(&mut self, length: usize, data: *const u8) {
        // SAFETY: the caller's.
        unsafe {
            self.to = self.to.add(length);
            self.entry.write(self.to.offset_from_unsigned(data) as u32);
            self.entry = self.entry.add(usize::from(length != 0));
            self.start = self.start.add(length + 1);
        }
    }
}

/// Where the next piece ends, in the block; past it where there is none.
#[inline(always)]
fn next_end(block: *const u8, ends: u64) -> *const u8 {
    block.wrapping_add(ends.trailing_zeros() as usize)
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
