//! What stands in front of every request.

use kafka_protocol::protocol::StrBytes;

use super::RequestError;
use super::reader::{Reader, Width};

/// The header of a request; the body follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub key: i16,
    pub version: i16,
    /// Repeated in the response.
    pub correlation_id: i32,
    pub client_id: Option<StrBytes>,
}

impl Header {
    /// Reads key and version, which are at the front of every request.
    pub(crate) fn peek(bytes: &[u8]) -> Result<(i16, i16), RequestError> {
        let mut reader = Reader::new(bytes);
        Ok((reader.i16()?, reader.i16()?))
    }

    /// Reads the correlation id, which every header has at the same place.
    pub(crate) fn correlation_id(bytes: &[u8]) -> Result<i32, RequestError> {
        let mut reader = Reader::new(bytes);
        reader.i32()?;
        reader.i32()
    }

    /// Reads the header; `is_flexible` where tagged fields end it. Returns the header's length, too.
    pub(crate) fn parse(bytes: &[u8], is_flexible: bool) -> Result<(Self, usize), RequestError> {
        let mut reader = Reader::new(bytes);
        let (key, version, correlation_id) = (reader.i16()?, reader.i16()?, reader.i32()?);
        let client_id = match reader.length(Width::Short)? {
            Some(length) => Some(text(reader.take(length)?)?),
            None => None,
        };
        if is_flexible {
            for _ in 0..reader.varint()? {
                let _tag = reader.varint()?;
                let length = reader.varint()?;
                reader.take(usize::try_from(length).unwrap_or(usize::MAX))?;
            }
        }
        let header = Self { key, version, correlation_id, client_id };
        Ok((header, bytes.len() - reader.remaining()))
    }
}

fn text(bytes: &[u8]) -> Result<StrBytes, RequestError> {
    let text =
        std::str::from_utf8(bytes).map_err(|error| RequestError::Field(error.to_string()))?;
    Ok(StrBytes::from_string(text.to_owned()))
}
