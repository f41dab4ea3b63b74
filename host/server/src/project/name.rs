//! The name of a project, which is also its plugin's.

use std::str::FromStr;

const NAME_CHARS_MAX: usize = 64;

/// Words that a tool chain keeps for itself: no package can have such a name.
const RESERVED: [&str; 52] = [
    "abstract", "alloc", "as", "async", "await", "become", "box", "break", "build", "const",
    "continue", "core", "crate", "deps", "do", "dyn", "else", "enum", "examples", "extern",
    "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "main",
    "match", "mod", "move", "mut", "override", "plugin", "priv", "pub", "ref", "return", "sdk",
    "static", "std", "struct", "test", "trait", "true", "type", "use", "while",
];

/// Lower case, words joined by `-`: `long-words`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectName(String);

/// A text that cannot be a project's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error(
        "a plugin's name is lower case, words joined by `-`, at most {NAME_CHARS_MAX} letters: `long-words`"
    )]
    Form,
    #[error("`{0}` is a word that compilers keep for themselves; join another to it: `my-{0}`")]
    Reserved(String),
}

impl ProjectName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As an identifier: `long_words`.
    pub fn snake(&self) -> String {
        self.0.replace('-', "_")
    }

    /// As a type: `LongWords`.
    pub fn pascal(&self) -> String {
        let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
        self.0.split('-').map(capital).collect()
    }
}

impl FromStr for ProjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_word = |word: &str| {
            word.starts_with(|first: char| first.is_ascii_lowercase())
                && word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        };
        if text.len() > NAME_CHARS_MAX || !text.split('-').all(is_word) {
            return Err(NameError::Form);
        }
        if RESERVED.contains(&text) {
            return Err(NameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let name: ProjectName = "long-words2".parse().unwrap();
        assert_eq!(
            (name.as_str(), name.snake().as_str(), name.pascal().as_str()),
            ("long-words2", "long_words2", "LongWords2")
        );
        for text in
            ["", "-", "a-", "Long", "long_words", "2nd", "a b", "ü", "../up", &"a".repeat(65)]
        {
            assert_eq!(text.parse::<ProjectName>(), Err(NameError::Form), "{text}");
        }
        for text in RESERVED {
            assert_eq!(text.parse::<ProjectName>(), Err(NameError::Reserved(text.to_owned())));
        }
    }
}
