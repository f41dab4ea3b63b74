//! Walks a request before it is decoded.
//!
//! `kafka-protocol` reserves room for as many items as an array claims to have. **Behind this
//! check every claim has been proven by the bytes that follow it**, and there are at most
//! [`ITEMS_MAX`] items, so that small items cannot grow into large structs without bound.

use super::RequestError;
use super::reader::{Reader, Width};
use super::schema::{Field, Schema, Type};

/// Array items and tagged fields in one request.
pub(crate) const ITEMS_MAX: usize = 200_000;

/// Checks that `body` is laid out as `schema` says for `version`; returns how many items it has.
///
/// Bytes may follow, as Kafka lets them.
pub(crate) fn check(schema: &Schema, version: i16, body: &[u8]) -> Result<usize, RequestError> {
    let is_flexible = version >= schema.flexible_since;
    let mut walk = Walk { reader: Reader::new(body), version, is_flexible, items_left: ITEMS_MAX };
    walk.fields(schema.fields)?;
    Ok(ITEMS_MAX - walk.items_left)
}

struct Walk<'a> {
    reader: Reader<'a>,
    version: i16,
    is_flexible: bool,
    items_left: usize,
}

impl Walk<'_> {
    /// The fields of one struct. The tables are finite, and so is the depth.
    fn fields(&mut self, fields: &[Field]) -> Result<(), RequestError> {
        for field in fields {
            if (field.since..=field.until).contains(&self.version) {
                self.value(field.kind)?;
            }
        }
        if self.is_flexible { self.tags() } else { Ok(()) }
    }

    fn value(&mut self, kind: Type) -> Result<(), RequestError> {
        match kind {
            Type::Fixed(bytes) => self.skip(bytes),
            Type::String => self.text(),
            Type::Bytes => {
                let length = self.length(Width::Long)?.unwrap_or(0);
                self.skip(length)
            }
            Type::Numbers(bytes) => {
                let count = self.items()?;
                // Neither factor is large: at most `ITEMS_MAX`, and 16.
                self.skip(count * bytes)
            }
            Type::Strings => (0..self.items()?).try_for_each(|_| self.text()),
            Type::Structs(fields) => (0..self.items()?).try_for_each(|_| self.fields(fields)),
        }
    }

    fn text(&mut self) -> Result<(), RequestError> {
        let length = self.length(Width::Short)?.unwrap_or(0);
        self.skip(length)
    }

    /// How many items an array has.
    fn items(&mut self) -> Result<usize, RequestError> {
        let count = self.length(Width::Long)?.unwrap_or(0);
        self.count(count)?;
        Ok(count)
    }

    fn tags(&mut self) -> Result<(), RequestError> {
        let count = self.reader.varint()?;
        self.count(usize::try_from(count).unwrap_or(usize::MAX))?;
        for _ in 0..count {
            let _tag = self.reader.varint()?;
            let bytes = self.reader.varint()?;
            self.skip(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        }
        Ok(())
    }

    fn count(&mut self, items: usize) -> Result<(), RequestError> {
        // Every item has a byte at least.
        let present = self.reader.remaining();
        if items > present {
            return Err(RequestError::Cut { needed: items, present });
        }
        self.items_left = self.items_left.checked_sub(items).ok_or(RequestError::Items)?;
        Ok(())
    }

    fn length(&mut self, plain: Width) -> Result<Option<usize>, RequestError> {
        self.reader.length(if self.is_flexible { Width::Compact } else { plain })
    }

    fn skip(&mut self, bytes: usize) -> Result<(), RequestError> {
        self.reader.take(bytes).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::schema;

    #[test]
    fn a_claim_that_the_bytes_do_not_prove_is_refused() {
        let billions = [0x7f, 0xff, 0xff, 0xff, 1];
        let refused = check(&schema::METADATA, 8, &billions).unwrap_err();
        assert!(matches!(refused, RequestError::Cut { .. }), "{refused}");
        let compact = [0xff, 0xff, 0xff, 0xff, 0x0f, 1];
        let refused = check(&schema::METADATA, 9, &compact).unwrap_err();
        assert!(matches!(refused, RequestError::Cut { .. }), "{refused}");
        let too_long = [0xff, 0xff, 0xff, 0xff, 0x1f, 1];
        assert!(matches!(check(&schema::METADATA, 9, &too_long), Err(RequestError::Varint)));
        let negative = [0xff, 0xff, 0xff, 0xfe];
        assert!(matches!(
            check(&schema::METADATA, 1, &negative),
            Err(RequestError::Negative { claimed: -2 })
        ));
    }

    #[test]
    fn small_items_without_number_are_refused() {
        let count = ITEMS_MAX + 1;
        let mut body = u32::try_from(count).unwrap().to_be_bytes().to_vec();
        body.extend(std::iter::repeat_n([0, 0], count).flatten());
        assert!(matches!(check(&schema::METADATA, 1, &body), Err(RequestError::Items)));
    }
}
