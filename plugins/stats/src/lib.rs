//! Count, sum, mean, minimum and maximum of the numbers of each key, or of each key and window.
//!
//! **The order of the records never changes a byte of the result**: numbers are kept as whole billionths
//! in 128 bits, so that sums are exact.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod billionths;

use alloc::format;
use alloc::string::String;
use billionths::{Billionths, NumberError};
use core::fmt;
use tidemill_sdk::prelude::*;

/// What a pipeline can set.
#[derive(Clone, Copy, Debug, Parameters)]
pub struct Stats {
    /// What to do with a value that is no number, or one of 10^18 or more: fail the batch, or leave the
    /// record out and count it in `skipped`.
    #[parameter(default = Invalid::Fail)]
    pub invalid: Invalid,
}

/// What to do with a value that is no number.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Fail the batch.
    Fail,
    /// Leave the record out, and count it.
    Skip,
}

/// What is kept for each key.
#[derive(Accumulator, Clone, Copy, Debug)]
pub struct Seen {
    count: u64,
    skipped: u64,
    sum: i128,
    min: i128,
    max: i128,
}

impl Default for Seen {
    fn default() -> Self {
        Self { count: 0, skipped: 0, sum: 0, min: i128::MAX, max: i128::MIN }
    }
}

/// Count, sum, mean, minimum and maximum of the numbers of each key, as JSON.
#[reducer(name = "stats", reads(values), state_version = 1)]
impl Reducer for Stats {
    type Accumulator = Seen;

    #[inline]
    fn fold(&self, seen: &mut Seen, item: Item) -> Result<(), Failure> {
        match Billionths::parse(item.value()) {
            Ok(number) => seen.add(number),
            Err(_) if self.invalid == Invalid::Skip => {
                seen.skipped += 1;
                Ok(())
            }
            Err(error) => Err(refused(item.value(), error)),
        }
    }

    fn merge(&self, seen: &mut Seen, later: &Seen) -> Result<(), Failure> {
        seen.count += later.count;
        seen.skipped += later.skipped;
        seen.min = seen.min.min(later.min);
        seen.max = seen.max.max(later.max);
        seen.sum = seen.sum.checked_add(later.sum).ok_or_else(overflow)?;
        Ok(())
    }

    fn finish(&self, group: Group, seen: &Seen, out: &mut Summary) -> Result<(), Failure> {
        out.value(with(|json| {
            // A buffer takes all that is written.
            let _ = self.write(group, seen, json);
        }));
        Ok(())
    }
}

impl Seen {
    #[inline]
    fn add(&mut self, Billionths(number): Billionths) -> Result<(), Failure> {
        self.count += 1;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        self.sum = self.sum.checked_add(number).ok_or_else(overflow)?;
        Ok(())
    }
}

impl Stats {
    fn write(self, group: Group, seen: &Seen, json: &mut Bytes) -> fmt::Result {
        use fmt::Write;
        write!(json, "{{\"count\":{}", seen.count)?;
        write!(json, ",\"sum\":{}", Billionths(seen.sum))?;
        match i128::from(seen.count) {
            0 => json.write_str(",\"mean\":null,\"min\":null,\"max\":null")?,
            count => {
                write!(json, ",\"mean\":{}", Billionths(seen.sum).divided_by(count))?;
                write!(json, ",\"min\":{},\"max\":{}", Billionths(seen.min), Billionths(seen.max))?;
            }
        }
        if self.invalid == Invalid::Skip {
            write!(json, ",\"skipped\":{}", seen.skipped)?;
        }
        if let Some(window) = group.window {
            write!(json, ",\"window_start\":{},\"window_end\":{}", window.start, window.end)?;
        }
        json.write_str("}")
    }
}

#[cold]
fn overflow() -> Failure {
    Failure::fatal("the sum of a key is beyond 1.7 * 10^29")
}

#[cold]
fn refused(value: &[u8], error: NumberError) -> Failure {
    let shown = String::from_utf8_lossy(value.get(..40).unwrap_or(value)).into_owned();
    Failure::fatal(format!(
        "{error}: {shown:?}; with `invalid = \"skip\"` such records are left out and counted"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use testing::OwnedRecord;

    const FAIL: Stats = Stats { invalid: Invalid::Fail };
    const SKIP: Stats = Stats { invalid: Invalid::Skip };

    fn records(values: &[&str]) -> Vec<OwnedRecord> {
        values.iter().map(|value| testing::value(value).with_key("k")).collect()
    }

    fn json(settings: &Stats, values: &[&str]) -> String {
        let stats = testing::reduce::<Plugin>(settings, records(values)).unwrap();
        String::from_utf8(stats[b"k".as_slice()].clone().unwrap()).unwrap()
    }

    #[test]
    fn sums_are_exact() {
        let wanted = r#"{"count":3,"sum":0.6,"mean":0.2,"min":0.1,"max":0.3}"#;
        assert_eq!(json(&FAIL, &["0.1", "0.2", "0.3"]), wanted);
        let wanted = r#"{"count":3,"sum":-1.5,"mean":-0.5,"min":-2.5,"max":1}"#;
        assert_eq!(json(&FAIL, &["1", "-2.5", "0"]), wanted);
    }

    #[test]
    fn means_are_rounded_to_billionths() {
        assert!(json(&FAIL, &["1", "1", "0"]).contains(r#""mean":0.666666667"#));
        assert!(json(&FAIL, &["-1", "-1", "0"]).contains(r#""mean":-0.666666667"#));
    }

    #[test]
    fn a_window_is_named() {
        let window = tidemill_sdk::Window { start: 60_000, end: 120_000 };
        let stats = testing::reduce_window::<Plugin>(&FAIL, window, records(&["4"])).unwrap();
        let wanted = r#"{"count":1,"sum":4,"mean":4,"min":4,"max":4,"window_start":60000,"window_end":120000}"#;
        assert_eq!(stats[b"k".as_slice()].as_deref(), Some(wanted.as_bytes()));
    }

    #[test]
    fn what_is_no_number_fails_or_is_counted() {
        let failed = testing::reduce::<Plugin>(&FAIL, records(&["1", "one"])).unwrap_err();
        assert!(!failed.is_retryable());
        assert!(
            failed.to_string().contains("\"one\"") && failed.to_string().contains("invalid"),
            "{failed}"
        );
        let wanted = r#"{"count":1,"sum":1,"mean":1,"min":1,"max":1,"skipped":3}"#;
        assert_eq!(json(&SKIP, &["1", "one", "", "1e18"]), wanted);
        let wanted = r#"{"count":0,"sum":0,"mean":null,"min":null,"max":null,"skipped":1}"#;
        assert_eq!(json(&SKIP, &["NaN"]), wanted);
    }

    #[test]
    fn the_parameter_names_its_choices() {
        let description = <Plugin as tidemill_sdk::plugin::Plugin>::describe();
        assert!(description.parameters[0].doc.ends_with("One of `fail`, `skip`."));
        let refused = testing::configure::<Plugin>([("invalid", "ignore".into())]).unwrap_err();
        assert_eq!(refused, "parameter `invalid`: `ignore` is not one of `fail`, `skip`");
    }

    use alloc::string::ToString;

    proptest! {
        #[test]
        fn any_cut_gives_the_same(numbers in proptest::collection::vec((0u8..3, "-?[0-9]{0,12}(\\.[0-9]{0,12})?"), 0..20)) {
            let records = numbers.iter().map(|(key, number)| testing::value(number).with_key([*key]));
            testing::check_reducer::<Plugin>(&SKIP, records).unwrap();
        }

        #[test]
        fn any_order_gives_the_same(numbers in proptest::collection::vec(-1e15f64..1e15, 1..20)) {
            let texts: Vec<String> = numbers.iter().map(f64::to_string).collect();
            let forth: Vec<&str> = texts.iter().map(String::as_str).collect();
            let back: Vec<&str> = forth.iter().rev().copied().collect();
            prop_assert_eq!(json(&FAIL, &forth), json(&FAIL, &back));
        }
    }
}
