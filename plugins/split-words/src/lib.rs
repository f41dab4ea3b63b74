//! Splits each value into words: one record for each, its key the word, its value empty.
//!
//! Headers and timestamp are those of the line. Words are runs of bytes between separators; bytes beyond
//! ASCII belong to words, so that UTF-8 is never torn apart.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use tidemill_sdk::prelude::*;

/// What stands between words.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separators {
    /// ASCII white space: blank, tab, line feed, vertical tab, form feed, carriage return.
    WhiteSpace,
    /// Every ASCII character but letters, digits and `_`.
    Punctuation,
}

/// What a pipeline can set.
#[derive(Clone, Debug, Parameters)]
pub struct SplitWords {
    /// Fold words to lower case (ASCII letters only).
    #[parameter(default = false)]
    pub lower_case: bool,
    /// What stands between words.
    #[parameter(default = Separators::WhiteSpace)]
    pub separators: Separators,
}

/// Splits each value into words: the key of each record is a word, its value empty.
#[transform(name = "split-words", reads(values))]
pub fn split_words(settings: &SplitWords, record: Record, out: &mut Emitter) {
    let line = record.value();
    match settings.separators {
        Separators::WhiteSpace => emit(settings, pieces(line, is_white_space), out),
        Separators::Punctuation => emit(settings, pieces(line, is_punctuation), out),
    }
}

#[inline(always)]
fn emit<S, M>(settings: &SplitWords, words: Pieces<'_, S, M>, out: &mut Emitter)
where
    S: Fn(u8) -> bool + Copy,
    M: Fn(u8) -> u8 + Copy,
{
    if settings.lower_case {
        out.value("").emit_pieces(words.mapped(|byte| byte.to_ascii_lowercase()));
    } else {
        out.value("").emit_pieces(words);
    }
}

#[inline(always)]
fn is_white_space(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

#[inline(always)]
fn is_punctuation(byte: u8) -> bool {
    byte.is_ascii() & !byte.is_ascii_alphanumeric() & (byte != b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use testing::OwnedRecord;

    fn run(settings: &SplitWords, lines: &[&str]) -> Vec<OwnedRecord> {
        let record = |(index, line)| testing::value(line).with_key("old").at(index as i64);
        testing::run::<Plugin>(settings, lines.iter().enumerate().map(record)).unwrap()
    }

    const PLAIN: SplitWords = SplitWords { lower_case: false, separators: Separators::WhiteSpace };

    #[test]
    fn a_word_is_the_key_and_the_rest_is_the_lines() {
        let words = run(
            &PLAIN,
            &["To be,  or", "", "  ", "not ünd\tso weiter-und-so-fort-in-einem-langen-Wort"],
        );
        let keys: Vec<(String, i64)> =
            words.iter().map(|word| (word.key_text(), word.timestamp)).collect();
        let wanted = [("To", 0), ("be,", 0), ("or", 0), ("not", 3), ("ünd", 3), ("so", 3)];
        let long = [("weiter-und-so-fort-in-einem-langen-Wort", 3)];
        assert_eq!(
            keys,
            wanted
                .into_iter()
                .chain(long)
                .map(|(word, line)| (word.into(), line))
                .collect::<Vec<_>>()
        );
        assert!(words.iter().all(|word| word.value.as_deref() == Some(b"")));
    }

    #[test]
    fn words_can_be_folded_and_cut_at_punctuation() {
        let settings = SplitWords { lower_case: true, separators: Separators::Punctuation };
        let words = run(&settings, &["To be, or not to-be: THAT's ÉTÉ_2"]);
        let keys: Vec<String> = words.iter().map(OwnedRecord::key_text).collect();
        assert_eq!(keys, ["to", "be", "or", "not", "to", "be", "that", "s", "ÉtÉ_2"]);
    }
}
