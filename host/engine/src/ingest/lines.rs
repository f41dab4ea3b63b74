//! Cuts bytes into lines, and lines into record batches.
//! **A line ends at `\n`, or at the end of input where that is final**; a `\r` before it is cut off.

use memchr::memchr;
use tidemill_log::{BatchBuilder, EncodedBatch};

/// The longest line, without its end. A record a little larger than this still fits a message.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// A batch is closed at this size; only a single long line makes it larger.
const BATCH_BYTES_MAX: usize = 512 << 10;

/// A line was longer than [`LINE_BYTES_MAX`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong {
    /// Where it begins in the bytes that were handed over.
    pub at: usize,
}

/// Record batches that were cut from lines and wait for their commit.
#[derive(Debug, Default)]
pub(super) struct Lines {
    builder: BatchBuilder,
    done: Vec<EncodedBatch>,
    records: i64,
    bytes: usize,
}

impl Lines {
    /// Takes whole lines from the front of `bytes` and gives back how many bytes that were. With
    /// `is_end`, what follows the last line end is a line as well.
    pub fn cut(&mut self, bytes: &[u8], is_end: bool, now_ms: i64) -> Result<usize, TooLong> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let (line, next) = match memchr(b'\n', rest) {
                Some(end) => (rest.get(..end).unwrap_or_default(), at + end + 1),
                None if is_end && !rest.is_empty() => (rest, bytes.len()),
                // One byte more may be the `\r` of a line that just fits.
                None if rest.len() > LINE_BYTES_MAX + 1 => return Err(TooLong { at }),
                None => return Ok(at),
            };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > LINE_BYTES_MAX {
                return Err(TooLong { at });
            }
            self.push(line, now_ms);
            at = next;
        }
    }

    fn push(&mut self, line: &[u8], now_ms: i64) {
        if self.builder.bytes() + line.len() > BATCH_BYTES_MAX {
            self.done.extend(self.builder.finish());
        }
        // A batch has room for far more than `BATCH_BYTES_MAX` and a line.
        let pushed = self.builder.push(None, Some(line), &[], now_ms);
        assert!(pushed.is_ok(), "a line of {} bytes did not fit: {pushed:?}", line.len());
        self.records += 1;
        self.bytes += line.len() + 1;
    }

    /// Bytes of the lines that wait, with an end each.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether no line waits.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// All that waits, and how many records that is.
    pub fn take(&mut self) -> (Vec<EncodedBatch>, i64) {
        self.done.extend(self.builder.finish());
        self.bytes = 0;
        (std::mem::take(&mut self.done), std::mem::take(&mut self.records))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(batches: &[EncodedBatch]) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        for batch in batches {
            for record in batch.as_batch().unwrap().records().unwrap() {
                let record = record.unwrap();
                assert_eq!(record.key, None);
                values.push(record.value.unwrap().to_vec());
            }
        }
        values
    }

    fn cut(bytes: &[u8], is_end: bool) -> (usize, Vec<Vec<u8>>) {
        let mut lines = Lines::default();
        let taken = lines.cut(bytes, is_end, 5).unwrap();
        let (batches, records) = lines.take();
        let values = values(&batches);
        assert_eq!(records as usize, values.len());
        assert!(lines.is_empty());
        (taken, values)
    }

    #[test]
    fn cuts_at_line_ends() {
        for (bytes, is_end, taken, expected) in [
            ("", false, 0, vec![]),
            ("", true, 0, vec![]),
            ("a", false, 0, vec![]),
            ("a", true, 1, vec!["a"]),
            ("a\nb", false, 2, vec!["a"]),
            ("a\r\n\n\r\nb\r", true, 8, vec!["a", "", "", "b"]),
            ("a\rb\n", false, 4, vec!["a\rb"]),
            ("\n", true, 1, vec![""]),
        ] {
            let expected: Vec<Vec<u8>> = expected.into_iter().map(|line| line.into()).collect();
            assert_eq!(cut(bytes.as_bytes(), is_end), (taken, expected), "{bytes:?}");
        }
    }

    #[test]
    fn a_line_has_a_longest_length() {
        let longest = [vec![b'x'; LINE_BYTES_MAX], b"\r\n".to_vec()].concat();
        assert_eq!(cut(&longest, false).0, longest.len());
        let longer = [b"a\n".to_vec(), vec![b'x'; LINE_BYTES_MAX + 1], b"\n".to_vec()].concat();
        assert_eq!(Lines::default().cut(&longer, false, 0), Err(TooLong { at: 2 }));
        // Without its end, it is known as soon as it cannot fit any more.
        assert_eq!(Lines::default().cut(&longer[..longer.len() - 1], false, 0), Ok(2));
        let endless = vec![b'x'; LINE_BYTES_MAX + 2];
        assert_eq!(Lines::default().cut(&endless, false, 0), Err(TooLong { at: 0 }));
        assert_eq!(Lines::default().cut(&endless, true, 0), Err(TooLong { at: 0 }));
    }

    #[test]
    fn batches_stay_small() {
        let many = b"0123456789\n".repeat(200_000);
        let mut lines = Lines::default();
        lines.cut(&many, false, 0).unwrap();
        assert_eq!(lines.bytes(), 2_200_000);
        let (batches, records) = lines.take();
        assert_eq!(records, 200_000);
        assert!(batches.len() > 2 && batches.iter().all(|batch| batch.bytes().len() < 600 << 10));
        assert_eq!(values(&batches).len(), 200_000);
    }

    proptest! {
        /// However the bytes come, the lines are the same.
        #[test]
        fn cuts_do_not_matter(text in "[ab\r\n]{0,60}", cuts in prop::collection::vec(0..60_usize, 0..5)) {
            let bytes = text.as_bytes();
            let mut lines = Lines::default();
            let mut ends: Vec<usize> = cuts.iter().map(|&cut| cut.min(bytes.len())).collect();
            ends.sort_unstable();
            let mut at = 0;
            for end in ends {
                at += lines.cut(&bytes[at.min(end)..end], false, 0).unwrap();
            }
            lines.cut(&bytes[at..], true, 0).unwrap();
            let (batches, _) = lines.take();
            prop_assert_eq!(values(&batches), cut(bytes, true).1);
        }
    }
}
