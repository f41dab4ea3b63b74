//! Running a reducer natively, and trying whether it keeps its contract.

use super::{OwnedRecord, batch, only};
use crate::batch::Batch;
use crate::column::Column;
use crate::failure::Failure;
use crate::plugin::Reduce;
use crate::reducer::{Window, finish, fold, merge};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// The value of each key, running totals over all records.
///
/// # Errors
/// A call failed.
pub fn reduce<P: Reduce>(
    settings: &P::Settings,
    records: impl IntoIterator<Item = OwnedRecord>,
) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>, Failure> {
    let (keys, groups, records) = group(records);
    let accumulators = fold_part::<P>(settings, &groups, &records, keys.len())?;
    finished::<P>(settings, keys, &[], &accumulators)
}

/// The value of each key, for records that are all in one window.
///
/// # Errors
/// A call failed.
pub fn reduce_window<P: Reduce>(
    settings: &P::Settings,
    window: Window,
    records: impl IntoIterator<Item = OwnedRecord>,
) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>, Failure> {
    let (keys, groups, records) = group(records);
    let accumulators = fold_part::<P>(settings, &groups, &records, keys.len())?;
    finished::<P>(settings, keys.clone(), &vec![window; keys.len()], &accumulators)
}

/// Cuts the records in two at every place, folds the parts, merges, and compares with one fold; then
/// merges three parts in both orders of association.
///
/// # Errors
/// Says which cut gave another result, or which call failed.
pub fn check_reducer<P: Reduce>(
    settings: &P::Settings,
    records: impl IntoIterator<Item = OwnedRecord>,
) -> Result<(), String> {
    let (keys, groups, records) = group(records);
    let folded = |from: usize, to: usize| {
        fold_part::<P>(settings, &groups[from..to], &records[from..to], keys.len())
            .map_err(|failure| format!("{failure}"))
    };
    let merged = |left: Column, right: &Column| {
        merge::<P>(settings, left, right).map_err(|failure| format!("{failure}"))
    };
    let count = records.len();
    let whole = folded(0, count)?;
    for cut in 0..=count {
        if merged(folded(0, cut)?, &folded(cut, count)?)? != whole {
            return Err(format!(
                "merging the folds of records 0..{cut} and {cut}..{count} is not their fold"
            ));
        }
        let continued =
            continue_fold::<P>(settings, &groups[cut..], &records[cut..], folded(0, cut)?)?;
        if continued != whole {
            return Err(format!(
                "folding 0..{cut} and going on with {cut}..{count} is not their fold"
            ));
        }
        let (a, b, c) = (cut / 2, cut, (cut + count) / 2);
        let left = merged(merged(folded(0, a)?, &folded(a, b)?)?, &folded(b, c)?)?;
        let right = merged(folded(0, a)?, &merged(folded(a, b)?, &folded(b, c)?)?)?;
        if left != right {
            return Err(format!("merging 0..{a}, {a}..{b} and {b}..{c} is not associative"));
        }
    }
    Ok(())
}

/// Keys in order of first occurrence, each record's key, and the records.
fn group(
    records: impl IntoIterator<Item = OwnedRecord>,
) -> (Vec<Vec<u8>>, Vec<u32>, Vec<OwnedRecord>) {
    let records: Vec<OwnedRecord> = records.into_iter().collect();
    let mut index = BTreeMap::new();
    let mut keys = Vec::new();
    let mut groups = Vec::with_capacity(records.len());
    for record in &records {
        let key = record.key.clone().unwrap_or_default();
        let group = *index.entry(key.clone()).or_insert_with(|| {
            keys.push(key);
            keys.len() as u32 - 1
        });
        groups.push(group);
    }
    (keys, groups, records)
}

fn fold_part<P: Reduce>(
    settings: &P::Settings,
    groups: &[u32],
    records: &[OwnedRecord],
    keys: usize,
) -> Result<Column, Failure> {
    let new: Column = core::iter::repeat_n(None, keys).collect();
    fold_into::<P>(settings, groups, records, new)
}

fn continue_fold<P: Reduce>(
    settings: &P::Settings,
    groups: &[u32],
    records: &[OwnedRecord],
    from: Column,
) -> Result<Column, String> {
    fold_into::<P>(settings, groups, records, from).map_err(|failure| format!("{failure}"))
}

fn fold_into<P: Reduce>(
    settings: &P::Settings,
    groups: &[u32],
    records: &[OwnedRecord],
    from: Column,
) -> Result<Column, Failure> {
    let Batch { values, timestamps, .. } = only(P::READS, &batch(records.iter().cloned()));
    fold::<P>(settings, groups, &values, &timestamps, from)
}

fn finished<P: Reduce>(
    settings: &P::Settings,
    keys: Vec<Vec<u8>>,
    windows: &[Window],
    accumulators: &Column,
) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>, Failure> {
    let column: Column = keys.iter().map(|key| Some(key.as_slice())).collect();
    let values = finish::<P>(settings, &column, windows, accumulators)?.values;
    let value = |index: usize| values.get(index).map(<[u8]>::to_vec);
    Ok(keys.into_iter().enumerate().map(|(index, key)| (key, value(index))).collect())
}
