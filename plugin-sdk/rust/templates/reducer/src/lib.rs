//! Counts the records of each key, and the bytes of their values.

use tidemill_sdk::prelude::*;

/// What a pipeline can set: nothing.
#[derive(Parameters)]
pub struct {{pascal}};

/// What is kept for each key. If its form changes, raise `state_version`.
#[derive(Accumulator, Default)]
pub struct Seen {
    records: u64,
    bytes: u64,
}

/// Counts the records of each key, and the bytes of their values.
#[reducer(reads(values), state_version = 1)]
impl Reducer for {{pascal}} {
    type Accumulator = Seen;

    fn fold(&self, seen: &mut Seen, item: Item) -> Result<(), Failure> {
        seen.records += 1;
        seen.bytes += item.value().len() as u64;
        Ok(())
    }

    // The host folds parts of a batch on many cores and merges them in the records' order.
    fn merge(&self, seen: &mut Seen, later: &Seen) -> Result<(), Failure> {
        seen.records += later.records;
        seen.bytes += later.bytes;
        Ok(())
    }

    fn finish(&self, _: Group, seen: &Seen, out: &mut Summary) -> Result<(), Failure> {
        out.value(format_args!("{} records, {} bytes", seen.records, seen.bytes));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> [testing::OwnedRecord; 3] {
        ["a", "bb", ""].map(|line| testing::value(line).with_key("k"))
    }

    #[test]
    fn records_and_bytes_are_counted() {
        let totals = testing::reduce::<Plugin>(&{{pascal}}, lines()).unwrap();
        assert_eq!(totals[b"k".as_slice()].as_deref(), Some(b"3 records, 3 bytes".as_slice()));
    }

    #[test]
    fn any_cut_of_the_records_gives_the_same() {
        testing::check_reducer::<Plugin>(&{{pascal}}, lines()).unwrap();
    }
}
