//! What stands in the log beside committed offsets: which manifest belongs to them.
//!
//! As text: `tidemill1:<batch>:<uuid>:<length>:<crc-32 in hex>`, at most 96 characters. The
//! manifest's path follows from pipeline, batch and UUID, so that a pointer cannot lead elsewhere.
//! **The text of one version is never read as another's.**

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

const PREFIX: &str = "tidemill1";

/// Points at a published manifest, and tells what its bytes must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointer {
    /// The manifest's batch.
    pub batch: u64,
    /// Tells attempts at the same batch apart.
    pub id: Uuid,
    /// Bytes of the manifest.
    pub length: u64,
    /// CRC-32 of the manifest.
    pub crc32: u32,
}

/// Text that is no pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// It was written by another version of Tidemill, or by something else.
    #[error("`{text}` does not begin with `{PREFIX}:`")]
    Version {
        /// As read.
        text: String,
    },
    /// It begins well.
    #[error("`{text}` is not `{PREFIX}:batch:uuid:length:crc`")]
    Malformed {
        /// As read.
        text: String,
    },
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, id, length, crc32 } = self;
        write!(f, "{PREFIX}:{batch}:{id}:{length}:{crc32:08x}")
    }
}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        let shown = || text.chars().take(200).collect::<String>();
        let fields = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(':'));
        let Some(fields) = fields else { return Err(PointerError::Version { text: shown() }) };
        let pointer = parse(fields).ok_or_else(|| PointerError::Malformed { text: shown() })?;
        Ok(pointer)
    }
}

fn parse(fields: &str) -> Option<Pointer> {
    let mut fields = fields.split(':');
    let pointer = Pointer {
        batch: fields.next()?.parse().ok()?,
        id: Uuid::try_parse(fields.next()?).ok()?,
        length: fields.next()?.parse().ok()?,
        crc32: u32::from_str_radix(fields.next()?, 16).ok()?,
    };
    fields.next().is_none().then_some(pointer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_its_own_text(batch: u64, id: u128, length: u64, crc32: u32) {
            let pointer = Pointer { batch, id: Uuid::from_u128(id), length, crc32 };
            let text = pointer.to_string();
            prop_assert!(text.len() < 200);
            prop_assert_eq!(text.parse(), Ok(pointer));
            let longer = format!("{text}:");
            prop_assert!(longer.parse::<Pointer>().is_err());
            prop_assert!(text[1..].parse::<Pointer>().is_err());
        }

        #[test]
        fn survives_any_text(text: String) {
            let _ = text.parse::<Pointer>();
            let _ = format!("{PREFIX}:{text}").parse::<Pointer>();
        }
    }

    #[test]
    fn refuses_other_versions_by_name() {
        let error = "tidemill2:1:x".parse::<Pointer>().unwrap_err();
        assert_eq!(error.to_string(), "`tidemill2:1:x` does not begin with `tidemill1:`");
    }
}
