//! Splits each value into words: one record for each, its key the word, its value empty.
//!
//! Headers and timestamp are those of the line. Words are runs of bytes between separators; bytes beyond
//! ASCII belong to words, so that UTF-8 is never torn apart.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod separators;

pub use separators::Separators;
use tidemill_sdk::prelude::*;

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
    if settings.lower_case {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        settings.separators.split(line, |word| out.key(mapped(word, lower)).value("").emit());
    } else {
        settings.separators.split(line, |word| out.key(word).value("").emit());
    }
}
