//! Cutting a text at separators, straight into a column.
//!
//! 64 bytes at a time become a mask with one bit for each separator, and a piece ends before each set
//! bit. What costs most in such a loop are branches that the processor cannot foretell, checks of room,
//! and variables that do not fit into registers: room is made once for a text, and the loop over the
//! pieces of a block, where all are short and none is empty, has nothing in it but their copying.

use super::bytes::STEP;
use super::content::mapped;
use super::emitter::Emitter;
use super::mask::{BLOCK, marked};

/// Pieces that are pushed together: an eighth of those that can end in a block if none is empty.
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

impl Emitter<'_> {
    /// Appends each piece to the keys, which keep offsets and no validity.
    ///
    /// Not inlined: on its own, its variables stay in registers. It takes no more than the pieces, because what a guest's
    /// function takes beyond four numbers goes through memory, and slowly: written with 32 bits, read with 64.
    #[inline(never)]
    pub(super) fn push_pieces<S, M>(&mut self, pieces: Pieces<'_, S, M>)
    where
        S: Fn(u8) -> bool + Copy,
        M: Fn(u8) -> u8 + Copy,
    {
        let Pieces { text, is_separator, map } = pieces;
        let bytes = text.len() + BLOCK + STEP;
        // At most every other byte begins a piece, and some entries more are written than are kept.
        let items = text.len() / 2 + 1 + ROW;
        if !self.keys.has_room(bytes, items) {
            self.make_room(bytes, items);
            if !self.keys.has_room(bytes, items) {
                return self.push_one_by_one(pieces);
            }
        }
        let readable = self.source().from(text);
        let keys = &mut self.keys;
        let data = keys.data.0.as_mut_ptr();
        let offsets = keys.offsets.as_mut_ptr();
        // SAFETY: both point into their buffers or at their ends.
        #[allow(unsafe_code)]
        let mut cut = unsafe {
            Cut {
                start: readable.as_ptr(),
                to: data.add(keys.data.len()),
                entry: offsets.add(keys.offsets.len()),
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
            keys.data.0.set_len(cut.to.offset_from_unsigned(data));
            keys.offsets.set_len(cut.entry.offset_from_unsigned(offsets));
            cut.start.offset_from_unsigned(readable.as_ptr())
        };
        if let Some(rest @ [_, ..]) = text.get(start..) {
            self.push_one_by_one(Pieces { text: rest, is_separator, map });
        }
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self, bytes: usize, items: usize) {
        let pace = self.pace();
        self.keys.data.reserve(bytes);
        self.keys.reserve_items(items, pace);
    }

    /// The same for the end of a text at the end of what can be read.
    #[cold]
    #[inline(never)]
    fn push_one_by_one<S, M>(&mut self, pieces: Pieces<'_, S, M>)
    where
        S: Fn(u8) -> bool + Copy,
        M: Fn(u8) -> u8 + Copy,
    {
        let (source, pace) = (self.source(), self.pace());
        for piece in pieces.one_by_one() {
            self.keys.push(piece, source, pace);
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
        // With each piece a separator falls away: the end at place p of the block, with n ends before it, is noted
        // as kept + p - n.
        let kept = self.to.addr().wrapping_sub(data.addr());
        let kept = kept.wrapping_add(block.addr()).wrapping_sub(self.start.addr());
        let to = data.wrapping_add(kept);
        let mut rows = Rows { block, to, kept, entry: self.entry, ends, last_end: 0 };
        // SAFETY: the caller's.
        unsafe {
            copy_step(self.start, self.to, map);
            // Not a loop: at each turn a guest asks whether its time is over, and its variables move.
            let _ = rows.push::<0>(map)
                && rows.push::<ROW>(map)
                && rows.push::<{ 2 * ROW }>(map)
                && rows.push::<{ 3 * ROW }>(map)
                && rows.push::<{ 4 * ROW }>(map)
                && rows.push::<{ 5 * ROW }>(map)
                && rows.push::<{ 6 * ROW }>(map)
                && rows.push::<{ 7 * ROW }>(map);
            self.entry = self.entry.add(ends.count_ones() as usize);
            self.to = data.add(self.entry.sub(1).read() as usize);
            self.start = block.add(BLOCK - ends.leading_zeros() as usize);
            // Behind the last end a row goes on with what lies up to the end of the block, then steps back by a
            // byte for each place: where nothing lies there, the fourth place has gone over the last byte.
            self.to.sub(1).write(map(self.start.sub(2).read()));
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
                copy_step(self.start, self.to, map);
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
            unsafe { copy_step(self.start.add(at), self.to.add(at), map) };
            at += STEP;
        }
        // SAFETY: the caller's.
        unsafe { self.end(length, data) };
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

/// What is left of a block whose pieces are even.
struct Rows {
    block: *const u8,
    /// Where the column's byte [`Self::kept`] is.
    to: *mut u8,
    kept: usize,
    /// Where the end of the block's first piece is noted.
    entry: *mut u32,
    ends: u64,
    last_end: usize,
}

#[allow(unsafe_code)]
impl Rows {
    /// Notes the next ends, of which the first is the block's `FIRST`, and copies the pieces between them. Whether
    /// there are more.
    ///
    /// # Safety
    /// As [`Cut::push_even`]; the block's first piece has been copied.
    #[inline(always)]
    unsafe fn push<const FIRST: usize>(&mut self, map: impl Fn(u8) -> u8 + Copy) -> bool {
        for nth in FIRST..FIRST + ROW {
            // SAFETY: the caller's.
            unsafe {
                if let Some(before) = nth.checked_sub(1) {
                    let to = self.to.wrapping_add(self.last_end).wrapping_sub(before);
                    copy_step(self.block.add(self.last_end + 1), to, map);
                }
                // Behind the last end the next one seems to be that of the block.
                self.last_end = self.ends.trailing_zeros() as usize;
                let end = self.kept.wrapping_add(self.last_end).wrapping_sub(nth);
                self.entry.add(nth).write(end as u32);
            }
            self.ends &= self.ends.wrapping_sub(1);
        }
        self.ends != 0
    }
}

/// # Safety
/// A step is readable from `from` on, and there is room for one from `to` on.
#[allow(unsafe_code)]
#[inline(always)]
unsafe fn copy_step(from: *const u8, to: *mut u8, map: impl Fn(u8) -> u8 + Copy) {
    // SAFETY: the caller's.
    unsafe {
        let to = to.cast::<[u8; STEP]>();
        // Mapped where they have come to: on the way there they would be in memory as well.
        from.cast::<[u8; STEP]>().copy_to_nonoverlapping(to, 1);
        for byte in &mut *to {
            *byte = map(*byte);
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
    use crate::batch::Batch;
    use crate::description::Parts;
    use crate::emit::Buffers;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn input(source: &[u8]) -> Batch {
        let mut input = Batch::default();
        input.values.data = source.to_vec();
        input
    }

    fn pushed(text: &[u8], input: &Batch, before: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut out = Emitter::new(input, Parts::VALUES, Buffers::default());
        out.keys.start(0, 1, 0);
        let (source, pace) = (out.source(), out.pace());
        for item in before {
            out.keys.push(*item, source, pace);
        }
        let is_space = |byte: u8| byte == b' ' || (b'\t'..=b'\r').contains(&byte);
        out.push_pieces(pieces(text, is_space).mapped(|byte| byte ^ 0x80));
        let keys = out.keys.finish();
        (0..keys.len()).map(|item| keys.get(item).unwrap().to_vec()).collect()
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
                let input = input(&source);
                let text = &input.values.data[..150];
                assert_eq!(pushed(text, &input, &[]), expected(text, &[]), "{byte} at {place}");
            }
        }
    }

    /// Bytes of any kind, and words as they usually are: not empty, seldom longer than a step.
    fn source() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![3 => Just(b' '), 7 => Just(b'x'), 1 => any::<u8>()];
        let word = proptest::collection::vec(b'a'..=b'z', 1..STEP + 2);
        prop_oneof![
            proptest::collection::vec(byte, 0..400),
            proptest::collection::vec(word, 0..80).prop_map(|words| words.join(&b' ')),
        ]
    }

    proptest! {
        #[test]
        fn pieces_are_those_of_a_plain_split(
            source in source(),
            cut in any::<(prop::sample::Index, prop::sample::Index)>(),
            elsewhere in any::<bool>(),
        ) {
            let (from, to) = (cut.0.index(source.len() + 1), cut.1.index(source.len() + 1));
            let (from, to) = (from.min(to), from.max(to));
            let input = input(&source);
            let text = if elsewhere { &source[from..to] } else { &input.values.data[from..to] };
            let before: [&[u8]; 2] = [b"some", b""];
            prop_assert_eq!(pushed(text, &input, &before), expected(text, &before));
        }
    }
}
