//! Requests as they come in: read within bounds, checked, then decoded.
//!
//! **Nothing is allocated because of a length that a client claims**: a frame grows with the
//! bytes that arrive, and the decoder runs only behind [`check`].

mod check;
mod frame;
mod header;
mod reader;
pub(crate) mod schema;

pub(crate) use check::check;
pub(crate) use frame::{Frame, FrameReader, Refused};
pub(crate) use header::Header;

/// Why the bytes of a request are no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("{needed} more bytes are needed, {present} are there")]
    Cut { needed: usize, present: usize },
    #[error("a length of {claimed} is negative")]
    Negative { claimed: i64 },
    #[error("a number is longer than 32 bits")]
    Varint,
    #[error("there are more than {} array items and tagged fields", check::ITEMS_MAX)]
    Items,
    #[error("a field is malformed: {0}")]
    Field(String),
}
