//! Strings out of a guest: **bounded, and never refused for their encoding**.
//!
//! A hostile guest may return a reason of a gigabyte or of broken UTF-8. Only the first bytes are
//! ever looked at; what cannot be decoded becomes U+FFFD.

use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext};
use wasmtime::component::{ComponentType, Lift};
use wasmtime::{Result, bail};

use super::span::{FlatPair, Memory, pointer_pair};

/// What is read of one string; the rest is cut off and marked with an ellipsis.
pub(crate) const TEXT_BYTES_MAX: usize = 4096;

/// What is read of the reason of one rejected record, of which a batch may have thousands.
pub(crate) const REASON_BYTES_MAX: usize = 256;

/// Set in a length where a `latin1+utf16` string is UTF-16.
const UTF16_TAG: usize = 1 << 31;

/// Where a string lies in the guest's memory.
#[derive(Clone, Copy)]
pub(crate) struct TextSpan {
    start: usize,
    /// In the units of the guest's encoding.
    length: usize,
}

impl TextSpan {
    /// From the two words that stand for a string in memory.
    pub(super) fn new(start: u32, length: u32) -> Self {
        Self { start: start as usize, length: length as usize }
    }

    fn checked(self, memory: Memory<'_>) -> Result<Self> {
        let bytes = self.bytes(memory);
        if bytes != 0 && self.start.saturating_add(bytes) > memory.bytes.len() {
            bail!("a string of {bytes} bytes at {} lies outside of the guest's memory", self.start);
        }
        Ok(self)
    }

    fn bytes(&self, memory: Memory<'_>) -> usize {
        match memory.encoding {
            StringEncoding::Utf8 => self.length,
            StringEncoding::CompactUtf16 if self.length & UTF16_TAG == 0 => self.length,
            StringEncoding::CompactUtf16 => (self.length ^ UTF16_TAG).saturating_mul(2),
            StringEncoding::Utf16 => self.length.saturating_mul(2),
        }
    }

    /// At most `bytes_max` bytes of the string, decoded; nothing if it lies outside.
    pub(crate) fn decode(&self, memory: Memory<'_>, bytes_max: usize) -> String {
        let bytes = self.bytes(memory);
        let read = bytes.min(bytes_max);
        let end = self.start.saturating_add(read);
        let mut text = decode(memory.bytes.get(self.start..end).unwrap_or_default(), {
            match memory.encoding {
                StringEncoding::CompactUtf16 if self.length & UTF16_TAG != 0 => {
                    StringEncoding::Utf16
                }
                encoding => encoding,
            }
        });
        if read < bytes {
            text.push('…');
        }
        text
    }
}

fn decode(bytes: &[u8], encoding: StringEncoding) -> String {
    match encoding {
        StringEncoding::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
        StringEncoding::CompactUtf16 => bytes.iter().map(|byte| char::from(*byte)).collect(),
        StringEncoding::Utf16 => {
            let units = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
            let chars = char::decode_utf16(units);
            chars.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
    }
}

/// A string, copied out of the guest's memory up to [`TEXT_BYTES_MAX`].
#[derive(Clone, Debug)]
pub(crate) struct Text(pub(crate) String);

impl Text {
    fn lift(cx: &mut LiftContext<'_>, span: TextSpan) -> Result<Self> {
        let memory = Memory::of(cx);
        // A list of strings may point at the same bytes again and again.
        cx.consume_fuel(span.bytes(memory).min(TEXT_BYTES_MAX))?;
        Ok(Self(span.checked(memory)?.decode(memory, TEXT_BYTES_MAX)))
    }
}

// SAFETY: the form, the ABI and the type check are those of wasmtime's own `str`.
unsafe impl ComponentType for TextSpan {
    type Lower = <str as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <str as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <str as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: reads the pointer and the length of a string and checks them against the memory.
unsafe impl Lift for TextSpan {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        _ty: InterfaceType,
        [start, length]: &FlatPair,
    ) -> Result<Self> {
        Self::new(start.get_u32(), length.get_u32()).checked(Memory::of(cx))
    }

    fn linear_lift_from_memory(
        cx: &mut LiftContext<'_>,
        _ty: InterfaceType,
        bytes: &[u8],
    ) -> Result<Self> {
        let (start, length) = pointer_pair(bytes);
        Self::new(start, length).checked(Memory::of(cx))
    }
}

// SAFETY: as for `TextSpan`, whose form it has.
unsafe impl ComponentType for Text {
    type Lower = <TextSpan as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = TextSpan::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        TextSpan::typecheck(ty, types)
    }
}

// SAFETY: as for `TextSpan`; the bytes are decoded at once.
unsafe impl Lift for Text {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        _ty: InterfaceType,
        [start, length]: &FlatPair,
    ) -> Result<Self> {
        Self::lift(cx, TextSpan::new(start.get_u32(), length.get_u32()))
    }

    fn linear_lift_from_memory(
        cx: &mut LiftContext<'_>,
        _ty: InterfaceType,
        bytes: &[u8],
    ) -> Result<Self> {
        let (start, length) = pointer_pair(bytes);
        Self::lift(cx, TextSpan::new(start, length))
    }
}
