//! Back-pressure: how many records a second the next batch may take.
//!
//! [`RateEstimator`] is Spark's `PIDRateEstimator`, with its defaults; [`share_in_turn`] cuts a limit over
//! partitions by their lag. Both are pure: time is an argument.
//! **The shares of a limit add up to exactly the limit, or to all there is.**

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The factors of the controller. `default()` has Spark's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gains {
    /// How much of the error of the last batch is corrected at once.
    pub proportional: f64,
    /// How much of the error that has piled up as scheduling delay is corrected at once.
    pub integral: f64,
    /// How much a change of the error counts.
    pub derivative: f64,
    /// The rate never falls below this, so that a stalled batch cannot stop the pipeline for good.
    pub records_per_second_min: f64,
}

impl Default for Gains {
    fn default() -> Self {
        Self { proportional: 1.0, integral: 0.2, derivative: 0.0, records_per_second_min: 100.0 }
    }
}

/// A PID controller over the rate at which batches were worked on.
#[derive(Debug, Clone)]
pub struct RateEstimator {
    batch_interval_ms: f64,
    gains: Gains,
    latest: Option<Latest>,
}

#[derive(Debug, Clone, Copy)]
struct Latest {
    time_ms: i64,
    rate: f64,
    error: f64,
}

impl RateEstimator {
    /// An estimator that has seen nothing. An interval of zero counts as one millisecond.
    #[must_use]
    pub fn new(batch_interval_ms: u64, gains: Gains) -> Self {
        Self { batch_interval_ms: batch_interval_ms.max(1) as f64, gains, latest: None }
    }

    /// Takes in a finished batch and gives back the new rate in records a second.
    ///
    /// `time_ms` is when the batch ended, `processing_delay_ms` how long it ran, and
    /// `scheduling_delay_ms` how long it waited after its trigger. `None`: nothing was learnt
    /// (no records, no delay, or time did not advance), or this was the first batch, which only
    /// tells where to start from.
    pub fn update(
        &mut self,
        time_ms: i64,
        elements: u64,
        processing_delay_ms: u64,
        scheduling_delay_ms: u64,
    ) -> Option<f64> {
        if elements == 0 || processing_delay_ms == 0 {
            return None;
        }
        let processing_rate = elements as f64 / processing_delay_ms as f64 * 1000.0;
        let Some(latest) = self.latest else {
            self.latest = Some(Latest { time_ms, rate: processing_rate, error: 0.0 });
            return None;
        };
        if time_ms <= latest.time_ms {
            return None;
        }
        let seconds = time_ms.saturating_sub(latest.time_ms) as f64 / 1000.0;
        let error = latest.rate - processing_rate;
        let historical = scheduling_delay_ms as f64 * processing_rate / self.batch_interval_ms;
        let change = (error - latest.error) / seconds;
        let rate = (latest.rate
            - self.gains.proportional * error
            - self.gains.integral * historical
            - self.gains.derivative * change)
            .max(self.gains.records_per_second_min);
        self.latest = Some(Latest { time_ms, rate, error });
        Some(rate)
    }
}

/// Cuts `records_max` over partitions in proportion to their lags.
///
/// No share is above its lag, and the shares add up to the lesser of `records_max` and the sum of
/// the lags. Every partition that lags gets a record at least. Where the limit is too low for
/// that, a record each goes to as many as it allows, and `turn` (the batch's number) says where
/// to begin, so that over successive turns none starves.
#[must_use]
pub fn share_in_turn(records_max: u64, lags: &[u64], turn: u64) -> Vec<u64> {
    let total: u128 = lags.iter().map(|&lag| u128::from(lag)).sum();
    if total <= u128::from(records_max) {
        return lags.to_vec();
    }
    let lagging: Vec<usize> = (0..lags.len()).filter(|&at| lags[at] > 0).collect();
    let count = lagging.len() as u64;
    let mut shares = vec![0; lags.len()];
    if records_max <= count {
        let first = u128::from(turn) * u128::from(records_max) % u128::from(count.max(1));
        for at in lagging.iter().cycle().skip(first as usize).take(records_max as usize) {
            shares[*at] = 1;
        }
        return shares;
    }
    let mut remainders = Vec::with_capacity(lagging.len());
    for &at in &lagging {
        // Both factors are below 2^64, so that the product fits, and the share is at most the lag.
        let product = u128::from(records_max) * u128::from(lags[at]);
        shares[at] = (product / total) as u64;
        // A partition that got nothing goes first, then the largest remainder.
        remainders.push((shares[at] == 0, product % total, Reverse(at)));
    }
    remainders.sort_unstable_by(|left, right| right.cmp(left));
    let given: u64 = shares.iter().sum();
    let left = (records_max - given) as usize;
    for (_, _, Reverse(at)) in remainders.iter().take(left) {
        shares[*at] += 1;
    }
    feed_the_rest(&mut shares, &lagging);
    shares
}

/// Takes a record from the largest shares for each partition that lags and got none.
fn feed_the_rest(shares: &mut [u64], lagging: &[usize]) {
    let mut largest: BinaryHeap<(u64, Reverse<usize>)> =
        lagging.iter().map(|&at| (shares[at], Reverse(at))).collect();
    let starving: Vec<usize> = lagging.iter().copied().filter(|&at| shares[at] == 0).collect();
    for at in starving {
        // There is at least a record for each partition, so that somebody has two.
        let Some((share, Reverse(giver))) = largest.pop() else { return };
        shares[giver] -= 1;
        shares[at] = 1;
        largest.push((share - 1, Reverse(giver)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One batch handed to the estimator, and the rate it must answer with.
    struct Row(i64, u64, u64, u64, Option<f64>);

    fn check(interval_ms: u64, gains: Gains, rows: &[Row]) {
        let mut estimator = RateEstimator::new(interval_ms, gains);
        for (at, Row(time, elements, processing, scheduling, expected)) in rows.iter().enumerate() {
            let rate = estimator.update(*time, *elements, *processing, *scheduling);
            match (rate, expected) {
                (Some(rate), Some(expected)) => {
                    assert!((rate - expected).abs() < 1e-9, "row {at}: {rate}, not {expected}")
                }
                (rate, expected) => assert_eq!(rate, *expected, "row {at}"),
            }
        }
    }

    #[test]
    fn follows_the_formula_with_the_default_gains() {
        check(
            100,
            Gains::default(),
            &[
                Row(0, 10, 10, 0, None),
                // Steady at 1,000/s: no error.
                Row(10, 10, 10, 0, Some(1000.0)),
                // 500/s: error 500, taken back in full.
                Row(20, 10, 20, 0, Some(500.0)),
                // 500/s and 50 ms late: 0.2 * 50 * 500 / 100 = 50 off.
                Row(120, 10, 20, 50, Some(450.0)),
                // Back at 1,000/s: error -550 lifts the rate at once.
                Row(220, 10, 10, 0, Some(1000.0)),
                // Very slow: held at the minimum.
                Row(320, 1, 1000, 0, Some(100.0)),
            ],
        );
    }

    #[test]
    fn weighs_the_change_of_the_error() {
        let gains = Gains {
            proportional: 0.5,
            integral: 0.0,
            derivative: 0.1,
            records_per_second_min: 1.0,
        };
        check(
            1000,
            gains,
            &[
                Row(0, 1000, 1000, 0, None),
                // error 500, change 500/s: 1000 - 250 - 50.
                Row(1000, 500, 1000, 0, Some(700.0)),
                // error 200, change -300/2: 700 - 100 + 15.
                Row(3000, 500, 1000, 0, Some(615.0)),
            ],
        );
    }

    #[test]
    fn learns_nothing_from_empty_batches_and_standing_time() {
        check(
            100,
            Gains::default(),
            &[
                Row(0, 0, 10, 0, None),
                Row(1, 10, 0, 0, None),
                Row(2, 10, 10, 0, None),
                Row(2, 10, 20, 0, None),
                Row(1, 10, 20, 0, None),
                Row(3, 10, 10, 0, Some(1000.0)),
            ],
        );
    }

    #[test]
    fn shares_by_lag() {
        for (limit, lags, expected) in [
            (10, vec![], vec![]),
            (10, vec![0, 0], vec![0, 0]),
            (10, vec![3, 4], vec![3, 4]),
            (10, vec![10, 10], vec![5, 5]),
            (10, vec![90, 10], vec![9, 1]),
            (10, vec![1_000_000, 1], vec![9, 1]),
            (10, vec![0, 7, 1_000_000], vec![0, 1, 9]),
            (4, vec![1, 1, 1, 1_000_000], vec![1, 1, 1, 1]),
            (8, vec![1, 500_000, 1, 500_000], vec![1, 3, 1, 3]),
            (100, vec![333, 333, 334], vec![33, 33, 34]),
            (2, vec![5, 5, 5], vec![1, 1, 0]),
            (0, vec![5, 5], vec![0, 0]),
            (7, vec![u64::MAX, u64::MAX], vec![4, 3]),
        ] {
            assert_eq!(share_in_turn(limit, &lags, 0), expected, "{limit} over {lags:?}");
        }
    }

    #[test]
    fn turns_let_nobody_starve() {
        let mut seen = [0; 5];
        for turn in 0..5 {
            for (sum, share) in seen.iter_mut().zip(share_in_turn(2, &[9; 5], turn)) {
                *sum += share;
            }
        }
        assert_eq!(seen, [2; 5]);
    }

    proptest! {
        #[test]
        fn shares_add_up(limit: u64, lags in prop::collection::vec(prop_oneof![0..5_u64, any::<u64>()], 0..40), turn: u64) {
            let shares = share_in_turn(limit.min(1 << 62), &lags, turn);
            let total: u128 = lags.iter().map(|&lag| u128::from(lag)).sum();
            let sum: u128 = shares.iter().map(|&share| u128::from(share)).sum();
            prop_assert_eq!(sum, total.min(u128::from(limit.min(1 << 62))));
            let lagging = lags.iter().filter(|&&lag| lag > 0).count() as u64;
            for (share, lag) in shares.iter().zip(&lags) {
                prop_assert!(share <= lag);
                prop_assert!(*share > 0 || *lag == 0 || limit < lagging);
            }
        }
    }
}
