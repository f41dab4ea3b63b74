//! What stands between words, found in eight bytes at a time.

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

/// One bit for each of 64 bytes, the first in the lowest: set where it is a separator.
#[inline(always)]
pub fn mask(block: &[u8; 64], separators: impl Fn(u64) -> u64) -> u64 {
    let (eights, _) = block.as_chunks::<8>();
    let mut columns = 0;
    for (row, eight) in eights.iter().enumerate() {
        columns |= separators(u64::from_le_bytes(*eight)) >> (7 - row);
    }
    transposed(columns)
}

/// Bit `8 * i + j` becomes bit `8 * j + i`. From Hacker's Delight, 7-3.
#[inline(always)]
fn transposed(bits: u64) -> u64 {
    let swap = |bits: u64, distance: u32, places: u64| {
        let differing = (bits ^ (bits >> distance)) & places;
        bits ^ differing ^ (differing << distance)
    };
    let bits = swap(bits, 7, 0x00aa_00aa_00aa_00aa);
    let bits = swap(bits, 14, 0x0000_cccc_0000_cccc);
    swap(bits, 28, 0x0000_0000_f0f0_f0f0)
}

/// The high bit of each byte that is white space: 0x20 or 0x09..=0x0d.
#[inline(always)]
pub fn white_space(bytes: u64) -> u64 {
    (within(bytes, b'\t', b'\r') | within(bytes, b' ', b' ')) & !bytes & HIGH
}

/// The high bit of each ASCII byte that is neither letter nor digit nor `_`.
#[inline(always)]
pub fn punctuation(bytes: u64) -> u64 {
    let letters = within(bytes | (LOW * 0x20), b'a', b'z');
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
