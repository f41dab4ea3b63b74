//! Keeps the records whose value contains some text.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use memchr::memmem::Finder;
use memchr::{memchr_iter, memchr2_iter};
use tidemill_sdk::prelude::*;

/// What a pipeline can set.
#[derive(Clone, Debug, Parameters)]
pub struct Contains {
    /// The text to look for, in the value's bytes.
    pub text: String,
    /// Look for ASCII letters in either case.
    #[parameter(default = false)]
    pub ignore_case: bool,
    /// Keep the records that do not contain the text instead.
    #[parameter(default = false)]
    pub invert: bool,
}

/// What is looked for, prepared once.
#[derive(Clone, Debug)]
pub struct Needle {
    search: Search,
    invert: bool,
}

#[derive(Clone, Debug)]
enum Search {
    Exact(Box<Finder<'static>>),
    /// The needle, and the place of its rarest byte in usual text.
    AnyCase {
        needle: Vec<u8>,
        rare: usize,
    },
}

impl Prepare for Needle {
    type Parameters = Contains;

    fn prepare(parameters: Contains) -> Result<Self, String> {
        if parameters.text.is_empty() {
            return Err("parameter `text` is empty: every value contains that".into());
        }
        let search = match parameters.ignore_case {
            false => Search::Exact(Box::new(Finder::new(parameters.text.as_bytes()).into_owned())),
            true => Search::any_case(parameters.text.as_bytes()),
        };
        Ok(Self { search, invert: parameters.invert })
    }
}

/// Keeps the records whose value contains some text.
#[filter(name = "contains", reads(values))]
pub fn contains(needle: &Needle, record: Record) -> bool {
    needle.search.is_in(record.value()) != needle.invert
}

impl Search {
    fn any_case(text: &[u8]) -> Self {
        let commonness =
            |byte: &u8| b" etaoinsrhldcumfpgwybvkxjqz".iter().position(|common| common == byte);
        let rare = |byte: &u8| commonness(&byte.to_ascii_lowercase()).unwrap_or(usize::MAX);
        let rarest = (0..text.len()).max_by_key(|&place| text.get(place).map(rare));
        Self::AnyCase { needle: text.to_vec(), rare: rarest.unwrap_or(0) }
    }

    fn is_in(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(finder) => finder.find(value).is_some(),
            Self::AnyCase { needle, rare } => {
                let is_at = |found: usize| {
                    let start = found.checked_sub(*rare);
                    let here = start.and_then(|start| value.get(start..start + needle.len()));
                    here.is_some_and(|here| here.eq_ignore_ascii_case(needle))
                };
                let Some(byte) = needle.get(*rare) else { return true };
                let (lower, upper) = (byte.to_ascii_lowercase(), byte.to_ascii_uppercase());
                match lower == upper {
                    true => memchr_iter(lower, value).any(is_at),
                    false => memchr2_iter(lower, upper, value).any(is_at),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(parameters: Contains, values: &[&str]) -> Vec<String> {
        let needle = Needle::prepare(parameters).unwrap();
        let records = values.iter().map(testing::value);
        let kept = testing::kept::<Plugin>(&needle, records).unwrap();
        kept.iter().map(testing::OwnedRecord::value_text).collect()
    }

    fn of(text: &str) -> Contains {
        Contains { text: text.into(), ignore_case: false, invert: false }
    }

    #[test]
    fn keeps_what_contains_the_text() {
        let lines = ["an error", "Error!", "fine", "terror"];
        assert_eq!(kept(of("error"), &lines), ["an error", "terror"]);
        assert_eq!(
            kept(Contains { ignore_case: true, ..of("eRRor") }, &lines),
            ["an error", "Error!", "terror"]
        );
        assert_eq!(kept(Contains { invert: true, ..of("error") }, &lines), ["Error!", "fine"]);
    }

    #[test]
    fn more_than_eight_records_fill_more_than_a_byte() {
        let lines: Vec<String> = (0..21).map(|line| format!("line {line}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(kept(of("line"), &lines).len(), 21);
        assert_eq!(kept(of("9"), &lines), ["line 9", "line 19"]);
    }

    #[test]
    fn an_empty_text_is_refused_with_its_name() {
        let refused = testing::configure::<Plugin>([("text", "".into())]).unwrap_err();
        assert!(refused.contains("`text`"), "{refused}");
        let missing = testing::configure::<Plugin>([("invert", true.into())]).unwrap_err();
        assert_eq!(missing, "parameter `text` is not set");
    }

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(needle in "[abAB -]{1,4}", hay in "[abAB -]{0,60}") {
            let plain = hay.contains(&needle);
            let plain_any_case = hay.to_ascii_lowercase().contains(&needle.to_ascii_lowercase());
            prop_assert_eq!(!kept(of(&needle), &[&hay]).is_empty(), plain);
            prop_assert_eq!(!kept(Contains { ignore_case: true, ..of(&needle) }, &[&hay]).is_empty(), plain_any_case);
        }
    }
}
