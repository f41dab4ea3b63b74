//! Which parts of a batch a plugin gets. Pure.

use crate::batch::BatchRef;
use crate::column::ColumnRef;
use crate::description::Parts;

/// The parts of `input` that a plugin which reads `reads` is handed.
///
/// **The number of records always shows**: where nothing that the plugin reads has items, it gets
/// the timestamps all the same, or whatever else there is.
pub(crate) fn of(input: BatchRef<'_>, reads: Parts) -> BatchRef<'_> {
    let chosen = choose(input, reads);
    let shows = |batch: &BatchRef<'_>| {
        !batch.timestamps().is_empty()
            || [batch.keys(), batch.values(), batch.headers()].iter().any(|c| !c.is_empty())
    };
    if input.is_empty() || shows(&chosen) {
        return chosen;
    }
    match input.timestamps().is_empty() {
        true => input,
        false => choose(input, Parts { timestamps: true, ..reads }),
    }
}

fn choose(input: BatchRef<'_>, reads: Parts) -> BatchRef<'_> {
    let column = |read, column| if read { column } else { ColumnRef::EMPTY };
    input.with_parts(
        column(reads.keys, input.keys()),
        column(reads.values, input.values()),
        column(reads.headers, input.headers()),
        if reads.timestamps { input.timestamps() } else { &[] },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Column;

    #[test]
    fn unread_parts_stay_behind_but_the_number_of_records_shows() {
        let values: Column = [Some(b"v".as_slice()), None].into_iter().collect();
        let input =
            BatchRef::new(ColumnRef::EMPTY, values.as_ref(), ColumnRef::EMPTY, &[7, 8]).unwrap();
        let parts = |reads| {
            let batch = of(input, reads);
            (batch.keys().len(), batch.values().len(), batch.timestamps().len(), batch.len())
        };
        let none = Parts::default();
        assert_eq!(parts(Parts { values: true, ..none }), (0, 2, 0, 2));
        assert_eq!(parts(Parts { timestamps: true, ..none }), (0, 0, 2, 2));
        assert_eq!(parts(Parts { keys: true, ..none }), (0, 0, 2, 2));
        assert_eq!(parts(none), (0, 0, 2, 2));
    }
}
