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
