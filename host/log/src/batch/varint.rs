//! Zigzag varints, as in Kafka's record encoding.

/// The most bytes that a 64-bit varint takes.
pub(super) const VARLONG_BYTES_MAX: usize = 10;

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// The bytes that `value` takes.
pub(super) const fn length(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Writes `value` to `out`.
pub(super) fn write(out: &mut impl bytes::BufMut, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        #[allow(clippy::cast_possible_truncation)] // The low seven bits are meant.
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    #[allow(clippy::cast_possible_truncation)] // Below 0x80.
    out.put_u8(rest as u8);
}

/// Reads a varint from the front of `bytes`; `None` where it is cut off or too long.
#[inline]
pub(super) fn read(bytes: &mut &[u8]) -> Option<i64> {
    let (&first, rest) = bytes.split_first()?;
    // One byte is by far the most frequent.
    if first < 0x80 {
        *bytes = rest;
        return Some(unzigzag(u64::from(first)));
    }
    read_long(bytes)
}

fn read_long(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(VARLONG_BYTES_MAX).enumerate() {
        let low = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if index == VARLONG_BYTES_MAX - 1 && low > 1 {
            return None;
        }
        value |= low << (7 * index);
        if byte < 0x80 {
            *bytes = bytes.get(index + 1..)?;
            return Some(unzigzag(value));
        }
    }
    None
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// Reads a varint that must fit 32 bits.
#[inline]
pub(super) fn read_i32(bytes: &mut &[u8]) -> Option<i32> {
    read(bytes).and_then(|value| i32::try_from(value).ok())
}

/// Reads a length and that many bytes; -1 stands for none. `None` where they are not there.
#[inline]
#[allow(clippy::option_option)] // Outer: well-formed; inner: present.
pub(super) fn read_optional_bytes<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = read(bytes)?;
    if length == -1 {
        return Some(None);
    }
    let (value, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_value_survives(value: i64) {
            let mut out = Vec::new();
            write(&mut out, value);
            prop_assert_eq!(out.len(), length(value));
            let mut bytes = out.as_slice();
            prop_assert_eq!(read(&mut bytes), Some(value));
            prop_assert!(bytes.is_empty());
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() && read(&mut rest).is_some() {}
        }
    }

    #[test]
    fn too_long_is_refused() {
        assert_eq!(read(&mut [0x80_u8; 11].as_slice()), None);
        let mut overflow = [0xff_u8; 10];
        overflow[9] = 0x02;
        assert_eq!(read(&mut overflow.as_slice()), None);
        assert_eq!(read(&mut [0x80_u8].as_slice()), None);
    }
}
