//! One bit for each of 64 bytes.

use super::bytes::map_all;

/// Bytes that are looked at together.
pub(super) const BLOCK: usize = 64;

const LANE: usize = 16;

/// Bit i is set where `is_marked` holds for byte i.
#[inline(always)]
pub(super) fn marked(block: &[u8; BLOCK], is_marked: impl Fn(u8) -> bool) -> u64 {
    let marks = map_all(block, |byte| if is_marked(byte) { u8::MAX } else { 0 });
    let (lanes, _) = marks.as_chunks::<LANE>();
    let bits = |index: usize| u64::from(lanes.get(index).map_or(0, high_bits)) << (index * LANE);
    bits(0) | bits(1) | bits(2) | bits(3)
}

/// Bit i is the highest of byte i.
#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
#[inline(always)]
fn high_bits(bytes: &[u8; LANE]) -> u16 {
    let [low, high] = halves(bytes);
    core::arch::wasm32::i8x16_bitmask(core::arch::wasm32::u64x2(low, high))
}

/// Bit i is the highest of byte i.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
fn high_bits(bytes: &[u8; LANE]) -> u16 {
    use core::arch::x86_64::{_mm_movemask_epi8, _mm_set_epi64x};
    let [low, high] = halves(bytes);
    // SAFETY: the whole crate is built for processors that have SSE2.
    #[allow(unsafe_code)]
    unsafe {
        _mm_movemask_epi8(_mm_set_epi64x(high as i64, low as i64)) as u16
    }
}

/// Bit i is the highest of byte i.
#[cfg(not(any(
    all(target_family = "wasm", target_feature = "simd128"),
    all(target_arch = "x86_64", target_feature = "sse2")
)))]
#[inline(always)]
fn high_bits(bytes: &[u8; LANE]) -> u16 {
    // The factor brings bit 8 * i to bit 56 + i, and no two bits to the same place.
    let gathered = |half: u64| (half >> 7 & 0x0101_0101_0101_0101) * 0x0102_0408_1020_4080 >> 56;
    let [low, high] = halves(bytes);
    (gathered(low) | gathered(high) << 8) as u16
}

#[inline(always)]
fn halves(bytes: &[u8; LANE]) -> [u64; 2] {
    let (halves, _) = bytes.as_chunks::<8>();
    [0, 1].map(|half| halves.get(half).copied().map_or(0, u64::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bit_says_what_its_byte_is(bytes in any::<[u8; BLOCK]>(), limit in any::<u8>()) {
            let mask = marked(&bytes, |byte| byte < limit);
            for (index, byte) in bytes.iter().enumerate() {
                prop_assert_eq!(mask >> index & 1 == 1, *byte < limit);
            }
        }
    }
}
