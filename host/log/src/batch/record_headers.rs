//! The headers of a record, kept in Kafka's encoding: a count, then names and values.

use bytes::BufMut;

use super::varint;

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// The name; UTF-8 by Kafka's rules, which are not checked.
    pub name: &'a [u8],
    /// The value.
    pub value: Option<&'a [u8]>,
}

/// The headers in `encoded`, one by one. Empty input has none.
///
/// Ends early at malformed bytes; [`HeaderIter::is_well_formed`] tells.
#[derive(Clone, Debug)]
pub struct HeaderIter<'a> {
    rest: &'a [u8],
    left: i32,
}

impl<'a> HeaderIter<'a> {
    /// Reads Kafka's encoding, the count first.
    pub fn new(encoded: &'a [u8]) -> Self {
        let mut rest = encoded;
        let left = if encoded.is_empty() { 0 } else { varint::read_i32(&mut rest).unwrap_or(-1) };
        Self { rest, left }
    }

    /// Whether `encoded` is empty, or exactly the headers that its count claims.
    pub fn is_well_formed(encoded: &'a [u8]) -> bool {
        let mut headers = Self::new(encoded);
        while headers.next().is_some() {}
        headers.left == 0 && headers.rest.is_empty()
    }
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = RecordHeader<'a>;

    fn next(&mut self) -> Option<RecordHeader<'a>> {
        if self.left <= 0 {
            return None;
        }
        let name = varint::read_optional_bytes(&mut self.rest).flatten();
        let value = name.and_then(|_| varint::read_optional_bytes(&mut self.rest));
        if let (Some(name), Some(value)) = (name, value) {
            self.left -= 1;
            return Some(RecordHeader { name, value });
        }
        self.left = -1;
        None
    }
}

/// Writes the count that stands in front of headers.
pub fn write_header_count(out: &mut impl BufMut, count: usize) {
    write_length(out, count);
}

/// Writes one header.
pub fn write_header(out: &mut impl BufMut, name: &[u8], value: Option<&[u8]>) {
    write_length(out, name.len());
    out.put_slice(name);
    match value {
        Some(value) => {
            write_length(out, value.len());
            out.put_slice(value);
        }
        None => varint::write(out, -1),
    }
}

fn write_length(out: &mut impl BufMut, length: usize) {
    varint::write(out, i64::try_from(length).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_or_not() {
        assert!(HeaderIter::is_well_formed(&[]));
        assert!(HeaderIter::is_well_formed(&[0]));
        // One header, "a" = "b".
        assert!(HeaderIter::is_well_formed(&[2, 2, b'a', 2, b'b']));
        // One header without a value.
        assert!(HeaderIter::is_well_formed(&[2, 2, b'a', 1]));
        assert!(!HeaderIter::is_well_formed(&[2]));
        assert!(!HeaderIter::is_well_formed(&[2, 2, b'a', 2]));
        assert!(!HeaderIter::is_well_formed(&[2, 1, 2, b'b']), "a name must be there");
        assert!(!HeaderIter::is_well_formed(&[0, 0]), "bytes are left");
        assert!(!HeaderIter::is_well_formed(&[1]), "a negative count");
    }
}
