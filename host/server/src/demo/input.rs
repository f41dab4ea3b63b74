//! What the demo writes: lines, cut into chunks that go to the partitions in turn.

use std::ops::Range;
use std::path::Path;

use super::access_log::AccessLog;

/// A chunk stays below what the host writes as one batch.
const CHUNK_BYTES_MAX: usize = 256 << 10;
/// So many chunks for the whole input, if the other limits allow it: the writer is to be seen at work.
const CHUNKS_WANTED: usize = 1_200;
/// Event times in a chunk lie close together when it is short.
const CHUNK_LINES_MAX: usize = 20_000;

/// The lines of the whole input.
pub struct Input {
    bytes: Vec<u8>,
    /// Where each line ends, its `\n` included.
    ends: Vec<usize>,
    chunks: Vec<Range<usize>>,
}

impl Input {
    /// An access log of so many lines.
    pub fn generate(seed: u64, lines: u64, start_ms: i64) -> Input {
        let mut log = AccessLog::new(seed, start_ms);
        let mut bytes = Vec::new();
        (0..lines).for_each(|_| log.write_line(&mut bytes));
        Input::new(bytes)
    }

    /// The lines of a file, whatever is in them.
    pub fn read(path: &Path) -> std::io::Result<Input> {
        std::fs::read(path).map(Input::new)
    }

    fn new(mut bytes: Vec<u8>) -> Input {
        if bytes.last().is_some_and(|last| *last != b'\n') {
            bytes.push(b'\n');
        }
        let ends: Vec<usize> = memchr::memchr_iter(b'\n', &bytes).map(|at| at + 1).collect();
        let chunks = cut(&ends);
        Input { bytes, ends, chunks }
    }

    pub fn line_count(&self) -> usize {
        self.ends.len()
    }

    /// Ranges of lines, in order and without gaps.
    pub fn chunks(&self) -> &[Range<usize>] {
        &self.chunks
    }

    /// A line as the host sees it: without `\n` or `\r\n`.
    pub fn line(&self, index: usize) -> &[u8] {
        let line = self.raw(index..index + 1);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// Lines as they stand in the input, with their ends.
    pub fn raw(&self, lines: Range<usize>) -> &[u8] {
        let start = lines.start.checked_sub(1).map_or(0, |before| self.ends[before]);
        let end = lines.end.checked_sub(1).map_or(0, |last| self.ends[last]);
        &self.bytes[start..end.max(start)]
    }

    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.line_count()).map(|index| self.line(index))
    }
}

/// Cuts lines into chunks. Each has a line at least.
fn cut(ends: &[usize]) -> Vec<Range<usize>> {
    let lines_max = (ends.len() / CHUNKS_WANTED).clamp(1, CHUNK_LINES_MAX);
    let mut chunks = Vec::new();
    let (mut first, mut start) = (0, 0);
    for (line, end) in ends.iter().enumerate() {
        let next = line + 1;
        let too_large_with_next =
            ends.get(next).is_none_or(|after| after - start > CHUNK_BYTES_MAX);
        if next - first >= lines_max || too_large_with_next {
            chunks.push(first..next);
            (first, start) = (next, *end);
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_the_host_sees_them() {
        let input = Input::new(b"a\r\n\nlast".to_vec());
        assert_eq!(input.lines().collect::<Vec<_>>(), [&b"a"[..], b"", b"last"]);
        assert_eq!(input.raw(0..2), b"a\r\n\n");
        assert_eq!(input.raw(1..1), b"");
        assert_eq!(Input::new(Vec::new()).line_count(), 0);
    }

    #[test]
    fn chunks_have_every_line_once_and_stay_small() {
        let mut bytes = vec![b'x'; CHUNK_BYTES_MAX + 10];
        bytes.push(b'\n');
        bytes.extend(b"short\n".repeat(30_000));
        bytes.extend([b"y".repeat(1000), b"\n".to_vec()].concat().repeat(600));
        let input = Input::new(bytes);
        let mut next = 0;
        for chunk in input.chunks() {
            assert_eq!(chunk.start, next);
            assert!(!chunk.is_empty());
            assert!(chunk.len() == 1 || input.raw(chunk.clone()).len() <= CHUNK_BYTES_MAX);
            next = chunk.end;
        }
        assert_eq!(next, input.line_count());
    }
}
