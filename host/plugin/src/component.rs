//! What a file is, before a compiler sees it. Pure: bytes in, a decision out.
//! **A length in the file is never trusted for more than a comparison.**

use thiserror::Error;

const MAGIC: &[u8; 4] = b"\0asm";
/// Version 13 of layer 1: the component model as released.
const COMPONENT: [u8; 4] = [0x0d, 0, 1, 0];
const CORE_MODULE: [u8; 4] = [1, 0, 0, 0];
const HEADER_BYTES: usize = 8;

/// A file that is no whole component.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FileError {
    /// It does not start like WebAssembly.
    #[error("it is not WebAssembly: it starts with {start:02x?}")]
    NotWasm {
        /// Its first bytes.
        start: Vec<u8>,
    },
    /// It is the text form of a component or module.
    #[error("it is WebAssembly text, not a component")]
    Text,
    /// It is a core module.
    #[error("it is a core module, not a component")]
    CoreModule,
    /// It is of an unknown version.
    #[error("it is of an unknown version of WebAssembly: {version:02x?}")]
    UnknownVersion {
        /// The four bytes after the magic number.
        version: [u8; 4],
    },
    /// It ends before one of its sections does.
    #[error("it is cut off: the section at byte {at} ends at byte {end}, the file at byte {bytes}")]
    Truncated {
        /// Where the section starts.
        at: usize,
        /// Where it would end.
        end: u64,
        /// The length of the file.
        bytes: usize,
    },
    /// It is larger than the host takes.
    #[error("it has {bytes} bytes, above the limit of {bytes_max}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The host's limit.
        bytes_max: usize,
    },
}

impl FileError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::NotWasm { .. } => "give the component, a `.wasm` file",
            Self::Text => "`wasm-tools parse FILE -o OUT.wasm` makes the binary form",
            Self::CoreModule => {
                "`wasm-tools component new FILE -o OUT.wasm` makes a component of it; for Rust, build \
                 for the target wasm32-wasip2"
            }
            Self::UnknownVersion { .. } => {
                "build it with a tool chain of the released component model"
            }
            Self::Truncated { .. } => "copy the file again; its copy was interrupted",
            Self::TooLarge { .. } => {
                "strip it (`wasm-tools strip`), or raise `component_bytes_max`"
            }
        };
        hint.to_owned()
    }
}

/// Checks that `file` is a component of at most `bytes_max` bytes whose sections are all there.
pub(crate) fn check_file(file: &[u8], bytes_max: usize) -> Result<(), FileError> {
    if file.len() > bytes_max {
        return Err(FileError::TooLarge { bytes: file.len(), bytes_max });
    }
    let Some((header, _)) = file.split_first_chunk::<HEADER_BYTES>() else {
        return Err(match file.starts_with(MAGIC) {
            true => FileError::Truncated { at: 0, end: HEADER_BYTES as u64, bytes: file.len() },
            false => not_wasm(file),
        });
    };
    let [a, b, c, d, version @ ..] = *header;
    match ([a, b, c, d] == *MAGIC, version) {
        (false, _) => Err(not_wasm(file)),
        (true, CORE_MODULE) => Err(FileError::CoreModule),
        (true, COMPONENT) => check_sections(file),
        (true, version) => Err(FileError::UnknownVersion { version }),
    }
}

fn not_wasm(file: &[u8]) -> FileError {
    let text = file.trim_ascii_start();
    if text.starts_with(b"(component") || text.starts_with(b"(module") || text.starts_with(b";;") {
        return FileError::Text;
    }
    FileError::NotWasm { start: file.iter().copied().take(4).collect() }
}

/// Follows the sections' lengths to the end of the file; what is inside is the validator's.
fn check_sections(file: &[u8]) -> Result<(), FileError> {
    let mut at = HEADER_BYTES;
    while at < file.len() {
        let truncated = |end| FileError::Truncated { at, end, bytes: file.len() };
        // An id, then the length as LEB128.
        let length = file.get(at + 1..).unwrap_or_default();
        let (length, length_bytes) = leb128(length).ok_or_else(|| truncated(at as u64 + 2))?;
        let end = at as u64 + 1 + length_bytes + length;
        if end > file.len() as u64 {
            return Err(truncated(end));
        }
        at = end as usize;
    }
    Ok(())
}

/// A 32-bit LEB128 number and how many bytes it takes.
fn leb128(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut value = 0;
    for (position, byte) in (0_u64..5).zip(bytes) {
        value |= u64::from(byte & 0x7F) << (7 * position);
        if byte & 0x80 == 0 {
            return Some((value, position + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(file: &[u8]) -> String {
        check_file(file, 100).unwrap_err().to_string()
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_decided(mut file: Vec<u8>, is_component: bool) {
            if is_component {
                file.splice(0..0, *b"\0asm\x0d\0\x01\0");
            }
            let decided = check_file(&file, 1_000);
            proptest::prop_assert!(is_component || decided.is_err());
        }
    }

    #[test]
    fn what_is_no_component_is_named() {
        assert_eq!(message(b""), "it is not WebAssembly: it starts with []");
        assert_eq!(
            message(b"\x7fELF...."),
            "it is not WebAssembly: it starts with [7f, 45, 4c, 46]"
        );
        assert_eq!(message(b"  (component)"), "it is WebAssembly text, not a component");
        assert_eq!(message(b"\0asm\x01\0\0\0"), "it is a core module, not a component");
        assert_eq!(
            message(b"\0asm\x0a\0\x01\0"),
            "it is of an unknown version of WebAssembly: [0a, 00, 01, 00]"
        );
        assert_eq!(message(&[0; 101]), "it has 101 bytes, above the limit of 100");
    }

    #[test]
    fn a_component_that_is_cut_anywhere_is_truncated() {
        let whole =
            wat::parse_str("(component (core module (func)) (core module (func)))").unwrap();
        assert_eq!(check_file(&whole, 1_000), Ok(()));
        let mut truncated = 0;
        for cut in 5..whole.len() {
            match check_file(&whole[..cut], 1_000) {
                Err(FileError::Truncated { bytes, .. }) => {
                    assert_eq!(bytes, cut);
                    truncated += 1;
                }
                // Cut exactly between two sections: a component all the same.
                Ok(()) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert!(truncated > whole.len() / 2);
    }
}
