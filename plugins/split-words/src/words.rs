//! Cutting words out of a line, eight bytes at a time.
//!
//! Eight bytes become a mask with the high bit of each separator set; words end before the set bits.

/// The words of `line`: the runs of bytes between separators, never empty. `separators` gives the high bit
/// of each byte of eight, the first in the lowest bits, that is one.
#[inline(always)]
pub fn words<S: Fn(u64) -> u64>(line: &[u8], separators: S) -> Words<'_, S> {
    Words { line, separators, start: 0, block: 0, mask: 0 }
}

/// An iterator over the words of a line.
#[derive(Clone, Debug)]
pub struct Words<'l, S> {
    line: &'l [u8],
    separators: S,
    /// Where the next word begins, or a separator stands.
    start: usize,
    /// Where the eight bytes begin that come next.
    block: usize,
    /// The separators still to come in the eight bytes before `block`.
    mask: u64,
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
        let place = self.mask.trailing_zeros() as usize / 8;
        self.mask &= self.mask - 1;
        self.block - 8 + place
    }

    #[inline(always)]
    fn take_block(&mut self, eight: [u8; 8]) {
        self.mask = (self.separators)(u64::from_le_bytes(eight));
        self.block += 8;
    }

    /// The bytes from `block` on, with zeros after the end.
    fn last_block(&self) -> [u8; 8] {
        let mut eight = [0; 8];
        let rest = self.line.get(self.block..).unwrap_or_default();
        for (to, from) in eight.iter_mut().zip(rest) {
            *to = *from;
        }
        eight
    }
}

impl<'l, S: Fn(u64) -> u64> Iterator for Words<'l, S> {
    type Item = &'l [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'l [u8]> {
        loop {
            while self.mask != 0 {
                // Zeros after the end of the line may count as separators: they end no word of it.
                let end = self.next_separator();
                if let Some(word) = self.cut(end) {
                    return Some(word);
                }
            }
            if let Some(eight) = self.line.get(self.block..).and_then(|rest| rest.first_chunk()) {
                self.take_block(*eight);
            } else if self.block < self.line.len() {
                let eight = self.last_block();
                self.take_block(eight);
            } else {
                return self.cut(self.line.len());
            }
        }
    }
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
            for place in 0..17 {
                let mut line = [b'a'; 17];
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
