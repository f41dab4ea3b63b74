//! Counts the records of each key, or of each key and window: the value is the count in decimal.
#![cfg_attr(target_family = "wasm", no_std)]

use tidemill_sdk::prelude::*;

/// It has no parameters.
#[derive(Clone, Copy, Debug, Parameters)]
pub struct Count;

/// Counts the records of each key; the value is the count in decimal.
#[reducer(name = "count", state_version = 1)]
impl Reducer for Count {
    type Accumulator = u64;

    #[inline(always)]
    fn fold(&self, count: &mut u64, _: Item) -> Result<(), Failure> {
        *count += 1;
        Ok(())
    }

    fn merge(&self, count: &mut u64, later: &u64) -> Result<(), Failure> {
        *count += later;
        Ok(())
    }

    fn finish(&self, _: Group, count: &u64, out: &mut Summary) -> Result<(), Failure> {
        out.value(format_args!("{count}"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records(keys: &[u8]) -> Vec<testing::OwnedRecord> {
        keys.iter().map(|key| testing::value("any").with_key([*key])).collect()
    }

    #[test]
    fn counts_are_decimal() {
        let counts = testing::reduce::<Plugin>(&Count, records(b"abracadabra")).unwrap();
        let expected = [(b"a", "5"), (b"b", "2"), (b"c", "1"), (b"d", "1"), (b"r", "2")];
        for (key, count) in expected {
            assert_eq!(counts[key.as_slice()].as_deref(), Some(count.as_bytes()));
        }
        assert_eq!(counts.len(), expected.len());
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(keys in proptest::collection::vec(0u8..5, 0..30)) {
            testing::check_reducer::<Plugin>(&Count, records(&keys)).unwrap();
        }
    }
}
