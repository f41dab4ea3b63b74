//! The column checks against a naive reading of the contract, and owned columns against vectors.

use proptest::prelude::*;
use tidemill_plugin::{BatchRef, Column, ColumnRef};

/// The contract, word by word.
fn naive_is_valid(data: &[u8], offsets: &[u32], validity: &[u8]) -> bool {
    if offsets.is_empty() {
        return validity.is_empty();
    }
    let items = offsets.len() - 1;
    let rising = (0..items).all(|i| offsets[i] <= offsets[i + 1]);
    let inside = offsets.iter().all(|&o| o < 1 << 31 && o as usize <= data.len());
    let bitmap = validity.is_empty() || validity.len() == items.div_ceil(8);
    let absent_are_empty = validity.is_empty()
        || !bitmap
        || (0..items)
            .all(|i| validity[i / 8] & (1 << (i % 8)) != 0 || offsets[i] == offsets[i + 1]);
    offsets[0] == 0 && rising && inside && bitmap && absent_are_empty
}

prop_compose! {
    /// Mostly right columns, with some damage.
    fn parts()(
        lengths in prop::collection::vec(0_u32..5, 0..40),
        slack in 0_usize..3,
        validity in prop_oneof![
            3 => Just(None),
            3 => prop::collection::vec(any::<u8>(), 0..6).prop_map(Some),
        ],
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u32>())),
        start in prop_oneof![9 => Just(0_u32), 1 => 1_u32..3],
    ) -> (Vec<u8>, Vec<u32>, Vec<u8>) {
        let mut offsets = vec![start];
        for length in &lengths {
            offsets.push(offsets.last().unwrap() + length);
        }
        let data = vec![b'x'; *offsets.last().unwrap() as usize + slack];
        if let Some((index, value)) = damage {
            let index = index.index(offsets.len());
            // Small values are the interesting ones.
            offsets[index] = if value % 2 == 0 { value % 100 } else { value };
        }
        let validity = validity.map_or_else(Vec::new, |mut bits| {
            bits.resize(lengths.len().div_ceil(8), 0xFF);
            bits
        });
        (data, offsets, validity)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_check_agrees_with_the_contract((data, mut offsets, validity) in parts(), none in any::<u8>()) {
        if none == 0 {
            offsets.clear();
        }
        let checked = ColumnRef::new(&data, &offsets, &validity);
        prop_assert_eq!(
            checked.is_ok(),
            naive_is_valid(&data, &offsets, &validity),
            "{:?}", checked
        );
        if let Ok(column) = checked {
            let by_index: Vec<_> = (0..column.len()).map(|i| column.get(i)).collect();
            prop_assert_eq!(&by_index, &column.iter().collect::<Vec<_>>());
            prop_assert_eq!(column.all_present(), by_index.iter().all(Option::is_some));
            prop_assert_eq!(
                by_index.iter().flatten().map(|item| item.len()).sum::<usize>(),
                column.item_bytes()
            );
            prop_assert_eq!(column.get(column.len()), None);
        }
    }

    #[test]
    fn an_owned_column_holds_what_was_pushed(
        items in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..4)), 0..50),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(items.len() + 1);
        let (first, second) = items.split_at(cut);
        let column_of = |items: &[Option<Vec<u8>>]| -> Column {
            items.iter().map(Option::as_deref).collect()
        };
        let mut column = column_of(first);
        column.extend(column_of(second).as_ref());
        prop_assert_eq!(&column, &column_of(&items));
        let view = column.as_ref();
        // Valid by construction, and seen as such.
        let view = ColumnRef::new(view.data(), view.offsets(), view.validity()).unwrap();
        prop_assert_eq!(view.iter().collect::<Vec<_>>(), items.iter().map(Option::as_deref).collect::<Vec<_>>());
        column.clear();
        prop_assert_eq!(column, Column::new());
    }
}

#[test]
fn a_batch_has_one_item_for_each_record_or_none() {
    let three: Column = [Some(b"a".as_slice()), None, Some(b"c")].into_iter().collect();
    let none = ColumnRef::EMPTY;
    let batch = BatchRef::new(none, three.as_ref(), none, &[1, 2, 3]).unwrap();
    assert_eq!((batch.len(), batch.is_empty()), (3, false));
    let fault = BatchRef::new(none, three.as_ref(), none, &[1, 2]).unwrap_err();
    assert_eq!(fault.to_string(), "`timestamps` has 2 items for 3 records");
    assert!(BatchRef::new(none, none, none, &[]).unwrap().is_empty());
}
