//! What an author can hand over as the key, value or headers of an emitted record.

use super::bytes::Bytes;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// How a part of an emitted record stands to its column. The numbers are those of [`Shape`](super::emitter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As in the input record.
    Inherit,
    /// Bytes, perhaps none.
    Bytes,
    /// No bytes, known before writing.
    Empty,
    /// No key, no value.
    Null,
}

/// The bytes that pieces are usually taken from: the data of the input's values.
#[derive(Clone, Copy, Debug)]
pub struct Source<'b>(pub(crate) &'b [u8]);

impl<'b> Source<'b> {
    /// `piece` with all that follows it, if it lies in here; else itself.
    ///
    /// Addresses are compared as numbers; the bytes are read through the source.
    #[inline(always)]
    pub(super) fn from<'p>(self, piece: &'p [u8]) -> &'p [u8]
    where
        'b: 'p,
    {
        let start = piece.as_ptr().addr().wrapping_sub(self.0.as_ptr().addr());
        self.0.get(start..).filter(|from| from.len() >= piece.len()).unwrap_or(piece)
    }
}

/// The content of a part of an emitted record: bytes, text, [`format_args!`], [`Null`], [`mapped`] bytes
/// or a closure [`with`] the buffer.
pub trait Content {
    /// How it stands to the column.
    #[doc(hidden)]
    fn kind(&self) -> Kind {
        Kind::Bytes
    }

    /// Appends it.
    #[doc(hidden)]
    fn write(self, out: &mut Bytes, source: Source<'_>);
}

/// Content that is always there, perhaps empty; what many records at once can have.
pub trait Present: Content {}

impl Present for &[u8] {}

/// The part as it is in the input record.
#[derive(Clone, Copy, Debug)]
pub struct Inherit;

/// No key or no value: a null, which Kafka calls a tombstone when it is the value.
#[derive(Clone, Copy, Debug)]
pub struct Null;

impl Content for Inherit {
    #[inline(always)]
    fn kind(&self) -> Kind {
        Kind::Inherit
    }

    #[inline(always)]
    fn write(self, _: &mut Bytes, _: Source<'_>) {}
}

impl Content for Null {
    #[inline(always)]
    fn kind(&self) -> Kind {
        Kind::Null
    }

    #[inline(always)]
    fn write(self, _: &mut Bytes, _: Source<'_>) {}
}

impl Content for &[u8] {
    #[inline(always)]
    fn kind(&self) -> Kind {
        if self.is_empty() { Kind::Empty } else { Kind::Bytes }
    }

    #[inline(always)]
    fn write(self, out: &mut Bytes, source: Source<'_>) {
        out.push_from(self, source.0);
    }
}

/// Content that is bytes under another name.
macro_rules! bytes_content {
    ($([$($generics:tt)*] $type:ty => $bytes:ident;)*) => {$(
        impl<$($generics)*> Content for $type {
            #[inline(always)]
            fn kind(&self) -> Kind {
                self.$bytes().kind()
            }

            #[inline(always)]
            fn write(self, out: &mut Bytes, source: Source<'_>) {
                self.$bytes().write(out, source);
            }
        }

        impl<$($generics)*> Present for $type {}
    )*};
}

bytes_content! {
    [] &str => as_bytes;
    [] &String => as_bytes;
    [] &Vec<u8> => as_slice;
    [const N: usize] &[u8; N] => as_slice;
}

/// A part that may be null.
impl<C: Content> Content for Option<C> {
    #[inline(always)]
    fn kind(&self) -> Kind {
        self.as_ref().map_or(Kind::Null, Content::kind)
    }

    #[inline(always)]
    fn write(self, out: &mut Bytes, source: Source<'_>) {
        if let Some(content) = self {
            content.write(out, source);
        }
    }
}

impl Content for fmt::Arguments<'_> {
    fn write(self, out: &mut Bytes, _: Source<'_>) {
        // Writing to a buffer cannot fail; a `Display` of the author's that fails writes what it wrote.
        let _ = fmt::Write::write_fmt(out, self);
    }
}

impl Present for fmt::Arguments<'_> {}

/// Content written by a closure into the column's own buffer, without a buffer in between.
pub fn with<F: FnOnce(&mut Bytes)>(write: F) -> impl Present {
    Written(write)
}

struct Written<F>(F);

impl<F: FnOnce(&mut Bytes)> Content for Written<F> {
    #[inline(always)]
    fn write(self, out: &mut Bytes, _: Source<'_>) {
        let start = out.len();
        (self.0)(out);
        debug_assert!(out.len() >= start, "the buffer only grows");
    }
}

/// `bytes` with each byte replaced by `map` of it, many at a time.
pub fn mapped<F: Fn(u8) -> u8 + Copy>(bytes: &[u8], map: F) -> impl Present {
    Mapped { bytes, map }
}

impl<F: FnOnce(&mut Bytes)> Present for Written<F> {}

impl<F: Fn(u8) -> u8 + Copy> Present for Mapped<'_, F> {}

struct Mapped<'a, F> {
    bytes: &'a [u8],
    map: F,
}

impl<F: Fn(u8) -> u8 + Copy> Content for Mapped<'_, F> {
    #[inline(always)]
    fn write(self, out: &mut Bytes, source: Source<'_>) {
        out.push_mapped(self.bytes, source.0, self.map);
    }
}
