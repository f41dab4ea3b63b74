//! An error's chain of causes on one line.

/// An error and its causes, outermost first; a cause that says the same again is left out.
#[must_use]
pub fn causes_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}
