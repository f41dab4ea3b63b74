//! Collects problems, so that a person sees all of them at once.

use super::error::{Problem, SpecError};
use super::place::Span;
use super::value::{Wrong, nearest_hint};

/// More would only hide the first ones.
const PROBLEMS_MAX: usize = 20;

/// The problems found so far in one file.
pub(super) struct Problems<'t> {
    text: &'t str,
    found: Vec<(Span, Wrong)>,
}

impl<'t> Problems<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    pub fn add(&mut self, span: Span, wrong: Wrong) {
        self.found.push((span, wrong));
    }

    /// The value, or `None` and one problem more.
    pub fn take<T>(&mut self, span: Span, result: Result<T, Wrong>) -> Option<T> {
        result.map_err(|wrong| self.add(span, wrong)).ok()
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them, in the order of the file.
    pub fn into_error(mut self) -> SpecError {
        self.found.sort_by_key(|(span, _)| span.start);
        let problem =
            |(span, wrong): (Span, Wrong)| Problem::new(self.text, span, wrong.message, wrong.hint);
        SpecError { problems: self.found.into_iter().take(PROBLEMS_MAX).map(problem).collect() }
    }
}

/// What the TOML parser found, in our words where its own are about Rust.
pub(super) fn from_toml(error: &toml::de::Error) -> (Span, Wrong) {
    let span = error.span().unwrap_or(0..0);
    let message = error.message().trim();
    if let Some((key, known)) = split_unknown_field(message) {
        let hint = nearest_hint(key, known.iter().copied())
            .unwrap_or_else(|| format!("known here: `{}`", known.join("`, `")));
        return (span, Wrong::new(format!("unknown key `{key}`"), hint));
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        let wrong = Wrong { message: format!("the key {key} is missing"), hint: None };
        return (span, wrong);
    }
    let hint =
        message.contains("expected a string").then(|| "put the value in quotes: \"…\"".to_owned());
    (span, Wrong { message: plain(message), hint })
}

/// Says in words what serde says with Rust's types.
fn plain(message: &str) -> String {
    if message.contains("as i128") {
        return "the number does not fit into 64 bits".to_owned();
    }
    let words =
        [("expected i64", "expected a whole number"), ("expected f64", "expected a number")];
    let message = message.replace('\n', ", ");
    words.iter().fold(message, |message, (rust, word)| message.replace(rust, word))
}

/// Takes serde's "unknown field `a`, expected one of `b`, `c`" apart.
fn split_unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, expected) = rest.split_once("`, expected ")?;
    // Names stand between back quotes: every second piece.
    Some((key, expected.split('`').skip(1).step_by(2).collect()))
}
