//! Reads the records of batches, compressed or not.

use super::compression::unpack;
use super::header::{BatchError, Codec};
use super::records::{Batch, Records};

/// Reads batches one after the other, with one buffer for those that are compressed.
///
/// ```
/// # use tidemill_log::{Batch, BatchError, RecordReader};
/// fn count(batch: &Batch<'_>) -> Result<usize, BatchError> {
///     let mut reader = RecordReader::default();
///     let mut count = 0;
///     for record in reader.records(batch)? {
///         record?;
///         count += 1;
///     }
///     Ok(count)
/// }
/// ```
#[derive(Debug)]
pub struct RecordReader {
    unpacked: Vec<u8>,
    bytes_max: usize,
}

impl Default for RecordReader {
    fn default() -> Self {
        Self::with_limit(Self::BYTES_MAX)
    }
}

impl RecordReader {
    /// How much a batch may unpack to unless another limit is set. Clients fill batches of a
    /// mebibyte or so before they compress them.
    pub const BYTES_MAX: usize = 128 << 20;

    /// What is kept of the buffer from one batch to the next.
    const KEPT_BYTES_MAX: usize = 4 << 20;

    /// A reader that refuses batches which unpack to more than `bytes_max`.
    pub const fn with_limit(bytes_max: usize) -> Self {
        Self { unpacked: Vec::new(), bytes_max }
    }

    /// The records of `batch`, decoded one by one.
    ///
    /// # Errors
    /// [`BatchError::Packed`] where the compressed bytes are damaged, and
    /// [`BatchError::Unpacked`] where they unpack to more than the limit.
    pub fn records<'a>(&'a mut self, batch: &Batch<'a>) -> Result<Records<'a>, BatchError> {
        let header = batch.header();
        let codec = header.attributes.codec()?;
        if codec == Codec::None {
            return Ok(Records::new(header, batch.body()));
        }
        self.unpacked.clear();
        self.unpacked.shrink_to(Self::KEPT_BYTES_MAX);
        unpack(codec, batch.body(), self.bytes_max, &mut self.unpacked)?;
        Ok(Records::new(header, &self.unpacked))
    }
}
