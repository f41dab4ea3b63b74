//! Record headers: JSON on one side, Kafka's encoding on the other.

use bytes::BytesMut;
use tidemill_log::{HeaderIter, write_header, write_header_count};

use super::wire::{self, WireHeader};

/// Kafka's encoding: a count, then each name and value behind its length; all numbers zigzag varints.
/// Empty where there are none.
pub fn encode(headers: &[WireHeader<'_>], out: &mut BytesMut) -> Result<(), base64::DecodeError> {
    out.clear();
    if headers.is_empty() {
        return Ok(());
    }
    write_header_count(out, headers.len());
    for header in headers {
        let value = wire::decode(&header.value, header.value_encoding)?;
        write_header(out, header.name.as_bytes(), value.as_deref());
    }
    Ok(())
}

/// The headers of a stored record. A name that is no UTF-8 has its wrong bytes replaced.
pub fn decode(encoded: &[u8]) -> Vec<WireHeader<'_>> {
    let headers = HeaderIter::new(encoded).map(|header| {
        let (value, value_encoding) = wire::encode(header.value);
        WireHeader { name: String::from_utf8_lossy(header.name), value, value_encoding }
    });
    headers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back_as_written() {
        let long = "x".repeat(300);
        let written = [
            WireHeader {
                name: "a".into(),
                value: Some(long.as_str().into()),
                value_encoding: None,
            },
            WireHeader { name: "".into(), value: None, value_encoding: None },
            WireHeader {
                name: "bytes".into(),
                value: Some("/w==".into()),
                value_encoding: Some(wire::Encoding::Base64),
            },
        ];
        let mut encoded = BytesMut::new();
        encode(&written, &mut encoded).unwrap();
        assert!(HeaderIter::is_well_formed(&encoded));
        let read = decode(&encoded);
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&written).unwrap());
    }

    #[test]
    fn no_headers_are_no_bytes() {
        let mut encoded = BytesMut::from(&b"old"[..]);
        encode(&[], &mut encoded).unwrap();
        assert!(encoded.is_empty() && decode(&encoded).is_empty());
    }
}
