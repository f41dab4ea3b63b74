//! Cutting words out of a line, 64 bytes at a time.
//!
//! 64 bytes become a mask with one bit for each that is a separator; words end before the set bits. What
//! costs most in such a loop are branches that the processor cannot foretell: here there is one for 64 bytes.

use crate::separators::mask;

const BLOCK: usize = 64;

/// The words of `line`: the runs of bytes between separators, never empty. `separators` gives the high bit
/// of each byte of eight that is one.
#[inline(always)]
pub fn words<S: Fn(u64) -> u64>(line: &[u8], separators: S) -> Words<'_, S> {
    Words { line, separators, start: 0, block: 0, next: 0, mask: 0 }
}

/// An iterator over the words of a line.
#[derive(Clone, Debug)]
pub struct Words<'l, S> {
    line: &'l [u8],
    separators: S,
    /// Where the next word begins, or a separator stands.
    start: usize,
    /// The separators still to come, counted from `block`.
    mask: u64,
    block: usize,
    /// Where the bytes begin that have not been looked at.
    next: usize,
}

impl<'l, S: Fn(u64) -> u64> Words<'l, S> {
    /// The word that ends at `end`, a separator or the end of the line; `None` if there is none between.
    #[inline(always)]
    fn cut(&mut self, end: usize) -> Option<&'l [u8]> {
        let start = core::mem::replace(&mut self.start, end + 1);
        if end > start { self.line.get(start..end) } else { None }
    }

    /// Takes the next separator out of the mask.
    #[inline(always)]
    fn next_separator(&mut self) -> usize {
        let place = self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        self.block + place
    }
}

impl<'l, S: Fn(u64) -> u64> Iterator for Words<'l, S> {
    type Item = &'l [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'l [u8]> {
        loop {
            while self.mask != 0 {
                let end = self.next_separator();
                if let Some(word) = self.cut(end) {
                    return Some(word);
                }
            }
            if self.next >= self.line.len() {
                return self.cut(self.line.len());
            }
            self.mask = separators_from(self.line, self.next, &self.separators);
            self.block = self.next;
            self.next += BLOCK;
        }
    }
}

/// The separators among the 64 bytes of `line` from `next` on, or as many as there are.
///
/// Not inlined, lest the loop over words becomes too long for its variables to stay in registers.
#[inline(never)]
fn separators_from(line: &[u8], next: usize, separators: &impl Fn(u64) -> u64) -> u64 {
    let rest = line.get(next..).unwrap_or_default();
    if let Some(block) = rest.first_chunk() {
        return mask(block, separators);
    }
    match line.last_chunk() {
        // The last 64 bytes of the line, without those that were looked at before.
        Some(last) if !rest.is_empty() => mask(last, separators) >> (BLOCK - rest.len()),
        _ => mask(&padded(rest), separators),
    }
}

/// A short line with zeros after it. Zeros may count as separators: the first ends the line's last word,
/// as its end would.
fn padded(line: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    for (to, from) in block.iter_mut().zip(line) {
        *to = *from;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::separators::{punctuation, white_space};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn split(line: &[u8], separators: fn(u64) -> u64) -> Vec<&[u8]> {
        let mut iterator = words(line, separators);
        let words = iterator.by_ref().collect();
        assert_eq!(iterator.next(), None);
        words
    }

    fn naive(line: &[u8], is_separator: impl Fn(&u8) -> bool) -> Vec<&[u8]> {
        line.split(is_separator).filter(|word| !word.is_empty()).collect()
    }

    fn is_space(byte: &u8) -> bool {
        matches!(byte, b'\t'..=b'\r' | b' ')
    }

    fn is_punctuation(byte: &u8) -> bool {
        byte.is_ascii() && !byte.is_ascii_alphanumeric() && *byte != b'_'
    }

    #[test]
    fn each_byte_is_classed_in_each_place() {
        for byte in 0..=u8::MAX {
            for place in 0..150 {
                let mut line = [b'a'; 150];
                line[place] = byte;
                assert_eq!(split(&line, white_space), naive(&line, is_space), "{byte} at {place}");
                assert_eq!(
                    split(&line, punctuation),
                    naive(&line, is_punctuation),
                    "{byte} at {place}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn words_are_those_of_a_plain_split(
            line in proptest::collection::vec(prop_oneof![Just(b' '), Just(b'x'), any::<u8>()], 0..200)
        ) {
            prop_assert_eq!(split(&line, white_space), naive(&line, is_space));
            prop_assert_eq!(split(&line, punctuation), naive(&line, is_punctuation));
        }
    }
}
