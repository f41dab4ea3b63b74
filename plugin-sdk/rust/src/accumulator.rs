//! What a reducer keeps for a key, as bytes.
//!
//! **The encoding is part of a plugin's state version**: when it changes, old state cannot be read.

use alloc::vec::Vec;

/// A value that is kept for each key and travels as bytes. Derive it for structs of such values.
pub trait Accumulator: Sized {
    /// Bytes that an encoded one usually has.
    const BYTES_EXPECTED: usize;

    /// Appends the encoding.
    fn encode(&self, out: &mut Vec<u8>);

    /// Takes a value from the front of `bytes`.
    fn decode_from(bytes: &mut &[u8]) -> Option<Self>;

    /// Decodes a value that `bytes` hold alone; `None` if they do not.
    #[inline]
    #[must_use]
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let value = Self::decode_from(&mut bytes)?;
        bytes.is_empty().then_some(value)
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Accumulator for $number {
            const BYTES_EXPECTED: usize = size_of::<$number>();

            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn decode_from(bytes: &mut &[u8]) -> Option<Self> {
                let (number, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(Self::from_le_bytes(*number))
            }
        }
    )*};
}

numbers! { u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64 }

impl Accumulator for bool {
    const BYTES_EXPECTED: usize = 1;

    fn encode(&self, out: &mut Vec<u8>) {
        u8::from(*self).encode(out);
    }

    fn decode_from(bytes: &mut &[u8]) -> Option<Self> {
        match u8::decode_from(bytes)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// Bytes of any length, with their length before them.
impl Accumulator for Vec<u8> {
    const BYTES_EXPECTED: usize = 32;

    fn encode(&self, out: &mut Vec<u8>) {
        (self.len() as u32).encode(out);
        out.extend_from_slice(self);
    }

    fn decode_from(bytes: &mut &[u8]) -> Option<Self> {
        let length = u32::decode_from(bytes)? as usize;
        let (value, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Some(value.to_vec())
    }
}

impl<A: Accumulator> Accumulator for Option<A> {
    const BYTES_EXPECTED: usize = 1 + A::BYTES_EXPECTED;

    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }

    fn decode_from(bytes: &mut &[u8]) -> Option<Self> {
        if bool::decode_from(bytes)? {
            return Some(Some(A::decode_from(bytes)?));
        }
        Some(None)
    }
}
