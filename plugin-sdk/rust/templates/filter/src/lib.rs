//! Keeps the lines with a text in them.

use tidemill_sdk::prelude::*;

/// What a pipeline can set.
#[derive(Parameters)]
pub struct {{pascal}} {
    /// What a line must have in it.
    #[parameter(default = "error")]
    pub text: String,
}

/// Keeps the records whose value has a text in it.
#[filter(reads(values))]
pub fn {{snake}}(settings: &{{pascal}}, record: Record) -> bool {
    let wanted = settings.text.as_bytes();
    wanted.is_empty() || record.value().windows(wanted.len()).any(|part| part == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_the_text_are_dropped() {
        let settings = {{pascal}} { text: "error".to_owned() };
        let lines = ["an error", "all is well", "error"].map(testing::value);
        let kept = testing::kept::<Plugin>(&settings, lines).unwrap();
        assert_eq!(kept, ["an error", "error"].map(testing::value));
    }
}
