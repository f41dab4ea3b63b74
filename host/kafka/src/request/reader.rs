//! Reads the protocol's primitive types from bytes that nobody has to trust.

use super::RequestError;

/// A position in a request; reading moves it on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], RequestError> {
        let cut = RequestError::Cut { needed: count, present: self.rest.len() };
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(cut)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RequestError> {
        let cut = RequestError::Cut { needed: N, present: self.rest.len() };
        let (taken, rest) = self.rest.split_first_chunk().ok_or(cut)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, RequestError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, RequestError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// An unsigned number of up to 32 bits, seven to a byte.
    pub(crate) fn varint(&mut self) -> Result<u32, RequestError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && byte > 0x0f {
                return Err(RequestError::Varint);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(RequestError::Varint)
    }

    /// The length of a string, of bytes or of an array; `None` where it is null.
    pub(crate) fn length(&mut self, width: Width) -> Result<Option<usize>, RequestError> {
        let claimed = match width {
            Width::Short => i64::from(self.i16()?),
            Width::Long => i64::from(self.i32()?),
            // One more than the length, so that 0 can stand for null.
            Width::Compact => i64::from(self.varint()?) - 1,
        };
        match usize::try_from(claimed) {
            Ok(length) => Ok(Some(length)),
            Err(_) if claimed == -1 => Ok(None),
            Err(_) => Err(RequestError::Negative { claimed }),
        }
    }
}

/// How a length is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// 16 bits.
    Short,
    /// 32 bits.
    Long,
    /// A varint.
    Compact,
}
