//! The headers of a record in Kafka's encoding: a varint count, then for each a key and a value, both
//! prefixed with a varint length; a value of length -1 is null. Varints are zig-zag, as in Kafka's
//! record format v2.
//!
//! **Bytes that are no headers end the iteration; they never panic and never loop for ever.**

use alloc::vec::Vec;

/// The headers of one record, in order.
#[derive(Clone, Debug)]
pub struct Headers<'b> {
    left: u64,
    rest: &'b [u8],
}

/// One header: its key and its value, which may be null.
pub type Header<'b> = (&'b [u8], Option<&'b [u8]>);

impl<'b> Headers<'b> {
    pub(crate) fn new(encoded: &'b [u8]) -> Self {
        let mut rest = encoded;
        let count = varint(&mut rest).and_then(|count| u64::try_from(count).ok());
        Self { left: count.unwrap_or(0), rest }
    }

    /// The value of the last header called `key`, as Kafka's own clients look one up.
    #[must_use]
    pub fn last(self, key: &str) -> Option<&'b [u8]> {
        self.filter(|(name, _)| *name == key.as_bytes()).last().and_then(|(_, value)| value)
    }
}

impl<'b> Iterator for Headers<'b> {
    type Item = Header<'b>;

    fn next(&mut self) -> Option<Header<'b>> {
        self.left = self.left.checked_sub(1)?;
        let header = header(&mut self.rest);
        if header.is_none() {
            self.left = 0;
        }
        header
    }
}

fn header<'b>(rest: &mut &'b [u8]) -> Option<Header<'b>> {
    let key = piece(rest)??;
    let value = piece(rest)?;
    Some((key, value))
}

/// A length-prefixed piece: `Some(None)` is null, `None` are bytes that end too early.
#[allow(clippy::option_option)]
fn piece<'b>(rest: &mut &'b [u8]) -> Option<Option<&'b [u8]>> {
    match varint(rest)? {
        -1 => Some(None),
        length => {
            let (piece, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            *rest = after;
            Some(Some(piece))
        }
    }
}

fn varint(rest: &mut &[u8]) -> Option<i64> {
    let mut zigzag = 0u64;
    for shift in (0..35).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        zigzag |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
        }
    }
    None
}

/// Encodes headers for [`Emitter`](crate::Emitter) to emit.
#[must_use]
pub fn encode_headers(headers: &[Header<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, headers.len() as i64);
    for (key, value) in headers {
        put_varint(&mut out, key.len() as i64);
        out.extend_from_slice(key);
        put_varint(&mut out, value.map_or(-1, |value| value.len() as i64));
        out.extend_from_slice(value.unwrap_or_default());
    }
    out
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_encoding_is_kafkas() {
        let encoded = encode_headers(&[(b"id", Some(b"7")), (b"gone", None)]);
        assert_eq!(encoded, b"\x04\x04id\x027\x08gone\x01");
        assert_eq!(Headers::new(&encoded).last("id"), Some(b"7".as_slice()));
        assert_eq!(Headers::new(&encoded).last("gone"), None);
        assert_eq!(Headers::new(b"").count(), 0);
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(
            headers in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..200), proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200))),
                0..9,
            )
        ) {
            let borrowed: Vec<Header<'_>> = headers.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
            let encoded = encode_headers(&borrowed);
            prop_assert_eq!(Headers::new(&encoded).collect::<Vec<_>>(), borrowed);
        }

        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(Headers::new(&bytes).count() <= bytes.len());
        }
    }
}
