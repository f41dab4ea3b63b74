//! A guest's words, on their way into the host's log.
//! **A guest cannot flood the log**: lines are cut, and an operator may write only so many a second.

use super::voice::Voice;

/// A longer line is cut.
const LINE_BYTES_MAX: usize = 2_000;

/// How important a line is; WASI's output streams have no levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Where a guest's words go.
#[derive(Debug)]
pub(crate) struct Output {
    voice: Voice,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Output {
    pub(crate) fn new(voice: Voice) -> Self {
        Self { voice, stdout: Vec::new(), stderr: Vec::new() }
    }

    /// What was written without a line's end is a line when the call ends.
    pub(crate) fn end_call(&mut self) {
        for (stream, level) in [(&mut self.stdout, Level::Info), (&mut self.stderr, Level::Warn)] {
            if !stream.is_empty() {
                let line = std::mem::take(stream);
                log_line(&self.voice, level, &line);
            }
        }
        tell_left_out(&self.voice, self.voice.allowance.settle());
    }

    pub(crate) fn write_stdout(&mut self, bytes: &[u8]) {
        write(&self.voice, &mut self.stdout, Level::Info, bytes);
    }

    pub(crate) fn write_stderr(&mut self, bytes: &[u8]) {
        write(&self.voice, &mut self.stderr, Level::Warn, bytes);
    }

    pub(crate) fn message(&mut self, level: Level, message: &str) {
        log_line(&self.voice, level, message.as_bytes());
    }
}

fn write(voice: &Voice, pending: &mut Vec<u8>, level: Level, bytes: &[u8]) {
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (text, ends) = match piece.strip_suffix(b"\n") {
            Some(text) => (text, true),
            None => (piece, false),
        };
        let room = LINE_BYTES_MAX.saturating_sub(pending.len());
        pending.extend(text.iter().take(room));
        if ends {
            log_line(voice, level, pending);
            pending.clear();
        }
    }
}

fn tell_left_out(voice: &Voice, lines: u64) {
    if lines > 0 {
        let Voice { plugin, operator, .. } = voice;
        tracing::warn!(%plugin, %operator, lines, "log lines above `log_lines_per_second` were left out");
    }
}

fn log_line(voice: &Voice, level: Level, line: &[u8]) {
    let admitted = voice.allowance.admit();
    tell_left_out(voice, admitted.left_out);
    if !admitted.written {
        return;
    }
    let Voice { plugin, operator, .. } = voice;
    let cut = line.get(..LINE_BYTES_MAX).unwrap_or(line);
    let line = crate::description::printable(&String::from_utf8_lossy(cut));
    match level {
        Level::Trace => tracing::trace!(%plugin, %operator, "{line}"),
        Level::Debug => tracing::debug!(%plugin, %operator, "{line}"),
        Level::Info => tracing::info!(%plugin, %operator, "{line}"),
        Level::Warn => tracing::warn!(%plugin, %operator, "{line}"),
        Level::Error => tracing::error!(%plugin, %operator, "{line}"),
    }
}
