//! A guest's words, on their way into the host's log.
//! **A guest cannot flood the log**: lines are cut, and a call may write only so many.

use std::sync::Arc;

/// A longer line is cut.
const LINE_BYTES_MAX: usize = 2_000;

/// Lines of one call, all ways of writing together.
const LINES_PER_CALL_MAX: u32 = 100;

/// Whose words they are.
#[derive(Debug, Clone)]
pub(crate) struct LogName {
    pub(crate) plugin: Arc<str>,
    pub(crate) operator: Arc<str>,
}

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
    name: LogName,
    lines: u32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Output {
    pub(crate) fn new(name: LogName) -> Self {
        Self { name, lines: 0, stdout: Vec::new(), stderr: Vec::new() }
    }

    /// A new call has its own allowance.
    pub(crate) fn begin_call(&mut self) {
        self.lines = 0;
    }

    /// What was written without a line's end is a line when the call ends.
    pub(crate) fn end_call(&mut self) {
        for (stream, level) in [(&mut self.stdout, Level::Info), (&mut self.stderr, Level::Warn)] {
            if !stream.is_empty() {
                let line = std::mem::take(stream);
                log_line(&self.name, &mut self.lines, level, &line);
            }
        }
    }

    pub(crate) fn write_stdout(&mut self, bytes: &[u8]) {
        write(&self.name, &mut self.lines, &mut self.stdout, Level::Info, bytes);
    }

    pub(crate) fn write_stderr(&mut self, bytes: &[u8]) {
        write(&self.name, &mut self.lines, &mut self.stderr, Level::Warn, bytes);
    }

    pub(crate) fn message(&mut self, level: Level, message: &str) {
        log_line(&self.name, &mut self.lines, level, message.as_bytes());
    }
}

fn write(name: &LogName, lines: &mut u32, pending: &mut Vec<u8>, level: Level, bytes: &[u8]) {
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (text, ends) = match piece.strip_suffix(b"\n") {
            Some(text) => (text, true),
            None => (piece, false),
        };
        let room = LINE_BYTES_MAX.saturating_sub(pending.len());
        pending.extend(text.iter().take(room));
        if ends {
            log_line(name, lines, level, pending);
            pending.clear();
        }
    }
}

fn log_line(name: &LogName, lines: &mut u32, level: Level, line: &[u8]) {
    *lines = lines.saturating_add(1);
    if *lines > LINES_PER_CALL_MAX + 1 {
        return;
    }
    let LogName { plugin, operator } = name;
    if *lines > LINES_PER_CALL_MAX {
        tracing::warn!(%plugin, %operator, "the rest of this call's output is left out");
        return;
    }
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
