//! Kafka's v2 record batch: written, checked, read.
//!
//! **Nothing here trusts a length it reads**: every field is checked against the bytes that
//! are there, and no allocation follows from a claimed size.

mod header;
mod varint;

mod compression;

mod builder;
mod control;
mod encoded;
mod reader;
mod record_headers;
mod records;
mod rewrite;

mod partitioner;

pub use builder::{BatchBuilder, BuildError};
pub use control::ControlKind;
pub(crate) use control::control_batch;
pub use encoded::EncodedBatch;
pub(crate) use header::check_crc;
pub use header::{Attributes, BatchError, Codec, HEADER_BYTES, Header};
pub use partitioner::{murmur2, partition_for_key};
pub use reader::RecordReader;
pub use record_headers::{HeaderIter, RecordHeader, write_header, write_header_count};
pub use records::{Batch, Batches, Record, Records};
pub(crate) use rewrite::rewrite;
