//! Kafka's plain fields, for the records of the internal topics.

use bytes::BufMut;

/// Appends a string, its length in two bytes before it; cut at the 32,767 bytes that fit.
pub(crate) fn put_string(out: &mut Vec<u8>, text: &str) {
    let end = text.floor_char_boundary(text.len().min(STRING_BYTES_MAX));
    #[allow(clippy::cast_possible_truncation)] // At most STRING_BYTES_MAX.
    out.put_i16(end as i16);
    out.extend_from_slice(&text.as_bytes()[..end]);
}

/// The longest string that a field holds.
pub(crate) const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// Reads fields from the front; everything is `None` once something is missing.
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn i8(&mut self) -> Option<i8> {
        self.bytes().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.bytes().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.bytes().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.bytes().map(i64::from_be_bytes)
    }

    pub(crate) fn string(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.i16()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}
