//! What a person sees when a pipeline file is wrong.
//! **Every problem has a line, a column and that line's text**; most have a hint.

use std::fmt;

use serde::Serialize;

use super::PipelineSpec;
use super::place::{Place, Span};

/// A longer line is cut around the problem, so that a message stays readable.
const LINE_CHARS_MAX: usize = 120;

/// One or more problems with a pipeline file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct SpecError {
    /// At least one, in the order of the file.
    pub problems: Vec<Problem>,
}

/// One problem and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// The line, or the part of a long one around the problem.
    pub text: String,
    /// How many characters of `text` come before the problem.
    pub caret: usize,
    /// How many characters to underline; at least one.
    pub width: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl SpecError {
    /// One problem at a part of a pipeline that was parsed before.
    #[must_use]
    pub fn at(
        spec: &PipelineSpec,
        place: &Place,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Self {
        let span = spec.places.span(place);
        Self { problems: vec![Problem::new(&spec.source_text, span, message.into(), hint)] }
    }

    /// Both errors' problems, in the order of the file.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.problems.extend(other.problems);
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        self
    }

    /// Never: the file must be changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

impl Problem {
    /// A problem with the bytes `span` of `text`. Spans beyond the text or inside of a
    /// character are moved to where they make sense.
    pub(super) fn new(text: &str, span: Span, message: String, hint: Option<String>) -> Self {
        let start = floor_char(text, span.start);
        let end = floor_char(text, span.end).max(start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line: Vec<char> = text[line_start..line_end].trim_end_matches('\r').chars().collect();
        let column = text[line_start..start].chars().count().min(line.len());
        let width = text[start..end.min(line_end)].trim_end().chars().count();
        let cut = column.saturating_sub(LINE_CHARS_MAX / 2);
        let cut = if line.len() <= LINE_CHARS_MAX { 0 } else { cut };
        let shown: String = line.iter().skip(cut).take(LINE_CHARS_MAX).map(printable).collect();
        Self {
            line: before.matches('\n').count() + 1,
            column: column + 1,
            text: shown,
            caret: column - cut,
            width: width.clamp(1, LINE_CHARS_MAX),
            message,
            hint,
        }
    }
}

/// One column wide, so that the caret stands where it should, and harmless to a terminal.
fn printable(character: &char) -> char {
    match character {
        '\t' => ' ',
        other if other.is_control() => '\u{fffd}',
        other => *other,
    }
}

fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.text)?;
        let caret = " ".repeat(self.caret);
        let room = LINE_CHARS_MAX.saturating_sub(self.caret).max(1);
        write!(f, "{margin} | {caret}{}", "^".repeat(self.width.min(room)))?;
        if let Some(hint) = &self.hint {
            write!(f, "\n{margin} = hint: {hint}")?;
        }
        Ok(())
    }
}
