//! Finding words eight bytes at a time.
//!
//! A 64-bit word of the line becomes a mask with the high bit of each separator byte set; words are cut
//! out between the set bits. The step over the bits has no loop: each step back of a loop in a sandboxed
//! plugin asks whether the call's time is over.

use tidemill_sdk::prelude::*;

/// What stands between words.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separators {
    /// ASCII white space: blank, tab, line feed, vertical tab, form feed, carriage return.
    WhiteSpace,
    /// Every ASCII character but letters, digits and `_`.
    Punctuation,
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

impl Separators {
    /// Calls `word` for each word of `line`, in order. Words are never empty.
    #[inline(always)]
    pub fn split<'l>(self, line: &'l [u8], mut word: impl FnMut(&'l [u8])) {
        match self {
            Self::WhiteSpace => split_by(line, white_space, &mut word),
            Self::Punctuation => split_by(line, punctuation, &mut word),
        }
    }
}

#[inline(always)]
fn split_by<'l>(line: &'l [u8], separators: impl Fn(u64) -> u64, word: &mut impl FnMut(&'l [u8])) {
    let mut cutter = Cutter { line, start: 0, word };
    let (eights, rest) = line.as_chunks::<8>();
    let mut at = 0;
    for eight in eights {
        cutter.cut_all(at, separators(u64::from_le_bytes(*eight)));
        at += 8;
    }
    let mut last = [b' '; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    cutter.cut_all(at, separators(u64::from_le_bytes(last)));
    cutter.cut(line.len());
}

struct Cutter<'l, 'w, F> {
    line: &'l [u8],
    /// Where the present word began.
    start: usize,
    word: &'w mut F,
}

impl<'l, F: FnMut(&'l [u8])> Cutter<'l, '_, F> {
    /// Ends the present word before `end`, the place of a separator.
    #[inline(always)]
    fn cut(&mut self, end: usize) {
        if end > self.start
            && let Some(word) = self.line.get(self.start..end)
        {
            (self.word)(word);
        }
        self.start = end + 1;
    }

    /// Ends words before each separator of `mask`, whose first byte is `at` in the line.
    #[inline(always)]
    fn cut_all(&mut self, at: usize, mut mask: u64) {
        // Three separators in eight bytes are the most that usual text has.
        for _ in 0..3 {
            if mask == 0 {
                return;
            }
            self.cut(at + mask.trailing_zeros() as usize / 8);
            mask &= mask - 1;
        }
        while mask != 0 {
            self.cut(at + mask.trailing_zeros() as usize / 8);
            mask &= mask - 1;
        }
    }
}

/// The high bit of each byte that is white space: 0x20 or 0x09..=0x0d.
#[inline(always)]
fn white_space(bytes: u64) -> u64 {
    (within(bytes, b'\t', b'\r') | within(bytes, b' ', b' ')) & !bytes & HIGH
}

/// The high bit of each ASCII byte that is neither letter nor digit nor `_`.
#[inline(always)]
fn punctuation(bytes: u64) -> u64 {
    let letters = within(bytes | LOW * 0x20, b'a', b'z');
    let others = within(bytes, b'0', b'9') | within(bytes, b'_', b'_');
    !(letters | others) & !bytes & HIGH
}

/// The high bit of each byte whose low seven bits are between `from` and `to`; the other bits are noise.
#[inline(always)]
fn within(bytes: u64, from: u8, to: u8) -> u64 {
    let low = bytes & !HIGH;
    let from_reached = low + LOW * u64::from(0x80 - from);
    let to_passed = low + LOW * u64::from(0x7f - to);
    from_reached & !to_passed
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn split(separators: Separators, line: &[u8]) -> Vec<&[u8]> {
        let mut words = Vec::new();
        separators.split(line, |word| words.push(word));
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
                assert_eq!(split(Separators::WhiteSpace, &line), naive(&line, is_space), "{byte} at {place}");
                assert_eq!(split(Separators::Punctuation, &line), naive(&line, is_punctuation), "{byte} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn words_are_those_of_a_plain_split(
            line in proptest::collection::vec(prop_oneof![Just(b' '), Just(b'x'), any::<u8>()], 0..200)
        ) {
            prop_assert_eq!(split(Separators::WhiteSpace, &line), naive(&line, is_space));
            prop_assert_eq!(split(Separators::Punctuation, &line), naive(&line, is_punctuation));
        }
    }
}
