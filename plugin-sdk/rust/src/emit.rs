//! Writing records back: from what an author emits to the columns of the call's result.
//!
//! **Nothing is allocated for a record**: columns are reserved once from the input's size and grow in
//! bulk. **A short piece is no call**: 16 bytes are written and the length advances by what was meant,
//! for `memory.copy` is a call out of the generated code.

mod emitter;
mod content;
mod draft;
mod shape;
mod unlike;
mod column_builder;
mod pieces;
mod mask;
mod bytes;

pub use bytes::Bytes;
pub use content::{Content, Null, Present, mapped, with};
pub use draft::Draft;
pub use emitter::{Buffers, Emitter};
pub use pieces::{Pieces, pieces};

pub(crate) use content::{Kind, Source};
