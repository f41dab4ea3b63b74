//! The search for the records that make a call fail. Pure: it says what to call next, and is told
//! what came of it.
//!
//! **Parts are called in the order of their records, and each record is part of exactly one call
//! that works, or is found.** One bad record of n is found in at most 2 log₂ n + 2 calls.

use std::ops::Range;

/// See the module. `F` is what a failed call leaves.
#[derive(Debug)]
pub struct Bisection<F> {
    /// The next one last.
    waiting: Vec<Range<u32>>,
    /// The part that is being called, or was.
    current: Range<u32>,
    failed: Option<F>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<F> {
    /// Call these records; if that fails, say so.
    Call(Range<u32>),
    /// This record alone fails.
    Culprit(u32, F),
    /// Every record has worked or was found.
    Done,
}

impl<F> Bisection<F> {
    /// A call of `records` records has failed.
    #[must_use]
    pub fn new(records: u32, fault: F) -> Self {
        Self { waiting: Vec::new(), current: 0..records, failed: Some(fault) }
    }

    /// The last part to be called has failed.
    pub fn failed(&mut self, fault: F) {
        self.failed = Some(fault);
    }

    /// What to do next.
    pub fn next_step(&mut self) -> Step<F> {
        if let Some(fault) = self.failed.take() {
            let Range { start, end } = self.current;
            if end - start <= 1 {
                return Step::Culprit(start, fault);
            }
            let middle = start + (end - start) / 2;
            self.waiting.extend([middle..end, start..middle]);
        }
        match self.waiting.pop() {
            Some(part) => {
                self.current = part.clone();
                Step::Call(part)
            }
            None => Step::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Calls, good records in the order in which they worked, and culprits.
    fn search(records: u32, bad: &BTreeSet<u32>) -> (u32, Vec<u32>, Vec<u32>) {
        let mut search = Bisection::new(records, ());
        let (mut calls, mut good, mut found) = (0, Vec::new(), Vec::new());
        loop {
            match search.next_step() {
                Step::Done => return (calls, good, found),
                Step::Culprit(at, ()) => found.push(at),
                Step::Call(part) => {
                    calls += 1;
                    if part.clone().any(|record| bad.contains(&record)) {
                        search.failed(());
                    } else {
                        good.extend(part);
                    }
                }
            }
        }
    }

    #[test]
    fn the_steps_for_small_batches() {
        let rows: [(u32, &[u32], u32); 7] = [
            (1, &[0], 0),
            (2, &[0], 2),
            (2, &[0, 1], 2),
            (4, &[2], 4),
            (5, &[4], 6),
            (8, &[0, 7], 10),
            // The whole failed, but no part does: it was too much at once.
            (8, &[], 2),
        ];
        for (records, bad, calls) in rows {
            let bad: BTreeSet<u32> = bad.iter().copied().collect();
            let (made, good, found) = search(records, &bad);
            assert_eq!(made, calls, "{records} records, {bad:?}");
            assert!(found.iter().eq(&bad) && good.len() + found.len() == records as usize);
        }
    }

    proptest! {
        #[test]
        fn every_culprit_is_found_within_the_bound(
            records in 1u32..20_000,
            drawn in prop::collection::btree_set(any::<u32>(), 1..20),
        ) {
            let bad: BTreeSet<u32> = drawn.into_iter().map(|at| at % records).collect();
            let (calls, good, found) = search(records, &bad);
            prop_assert!(found.iter().eq(&bad));
            let expected: Vec<u32> = (0..records).filter(|at| !bad.contains(at)).collect();
            prop_assert_eq!(good, expected);
            let depth = f64::from(records).log2().ceil() as u32 + 1;
            prop_assert!(calls <= 2 * depth * bad.len() as u32, "{} calls", calls);
        }
    }
}
