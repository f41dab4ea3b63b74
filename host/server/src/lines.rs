//! Lines out of bytes that arrive in pieces.

/// Bytes that arrived, and how far they were handed out.
#[derive(Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    read: usize,
    /// Bytes from `read` on that are known to hold no line end.
    searched: usize,
}

impl LineBuffer {
    /// Adds what arrived.
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// Whether a whole line is there.
    pub fn has_line(&mut self) -> bool {
        let unread = &self.bytes[self.read + self.searched..];
        let found = memchr::memchr(b'\n', unread);
        self.searched += found.unwrap_or(unread.len());
        found.is_some()
    }

    /// The next whole line, without its `\n` or `\r\n`.
    pub fn next_line(&mut self) -> Option<&[u8]> {
        if !self.has_line() {
            return None;
        }
        let start = self.read;
        let end = start + self.searched;
        self.read = end + 1;
        self.searched = 0;
        Some(without_return(&self.bytes[start..end]))
    }

    /// What stands behind the last line end.
    pub fn unfinished(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    /// At the end of the input: the last line, if it had no end. Nothing is left.
    pub fn take_last(&mut self) -> Option<Vec<u8>> {
        let last = without_return(self.unfinished()).to_vec();
        let there = self.read < self.bytes.len();
        *self = LineBuffer::default();
        there.then_some(last)
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::LineBuffer;

    fn lines(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for piece in pieces {
            buffer.push(piece);
            while let Some(line) = buffer.next_line() {
                lines.push(line.to_vec());
            }
        }
        lines.extend(buffer.take_last());
        lines
    }

    /// However the input is cut, the lines are the same.
    #[test]
    fn cuts_do_not_matter() {
        let text = b"one\r\ntwo\n\nfour is longer\nlast";
        let whole = lines(&[text]);
        assert_eq!(whole, [&b"one"[..], b"two", b"", b"four is longer", b"last"]);
        for a in 0..text.len() {
            for b in a..text.len() {
                assert_eq!(
                    lines(&[&text[..a], &text[a..b], &text[b..]]),
                    whole,
                    "cut at {a} and {b}"
                );
            }
        }
    }

    #[test]
    fn an_end_at_the_end_adds_no_line() {
        assert_eq!(lines(&[b"a\n"]), [b"a"]);
        assert!(lines(&[]).is_empty());
        assert!(lines(&[b""]).is_empty());
    }
}
