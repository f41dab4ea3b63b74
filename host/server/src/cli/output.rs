//! How results are printed: tables and plain lines for people, JSON for programs.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::Failure;

/// The form of what goes to stdout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Output {
    /// Tables and sentences.
    Text,
    /// One JSON value, or one a line where a command streams.
    Json,
}

impl Output {
    /// Prints `value` as JSON, or what `text` makes of it.
    pub fn print<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let printed = match self {
            Output::Text => text(value),
            Output::Json => serde_json::to_string_pretty(value).map_err(Failure::Encode)?,
        };
        write_line(printed.as_bytes())
    }
}

/// Writes one line to stdout. A reader that went away (`| head`) ends the command without a complaint.
pub fn write_line(line: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(line)
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush())
        .map_err(Failure::Stdout)
}

/// A borderless table with these headings.
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings.iter().copied());
    table.column_iter_mut().for_each(|column| _ = column.set_padding((0, 2)));
    table
}

/// A progress bar on stderr, hidden where that is no terminal. Without a length it spins.
pub fn progress_bar(length: Option<u64>, what: &str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(length, target);
    let template = if length.is_some() {
        "{msg} {bar:30} {percent:>3}%  {human_pos}/{human_len}  {per_sec}  {eta} left"
    } else {
        "{msg} {spinner} {human_pos}  {per_sec}"
    };
    // The templates are ours; a wrong one falls back to the default.
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
