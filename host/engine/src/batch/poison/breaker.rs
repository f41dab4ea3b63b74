//! How much poison a batch may have, and how much may be spent on finding it.
//! **It decides whether a batch goes on, never what becomes of a record**: all tasks of a batch share
//! it, and their order must not show in a result.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use super::PoisonCounts;

/// So many bad records an operator may have in a batch whatever its share: a batch of three
/// records, two of them bad, is no storm.
pub const POISON_ALLOWED: u64 = 1_000;
/// Calls that one operator's search may take in one batch.
const BISECT_CALLS_MAX: u64 = 50_000;
/// Time that failed calls of one operator may take in one batch.
const BISECT_TIME_MAX: Duration = Duration::from_secs(60);
/// Reasons that are kept for the message.
const SAMPLES_MAX: usize = 3;

/// See the module.
#[derive(Debug)]
pub struct Breaker {
    /// Records that the batch reads.
    records: u64,
    /// How often the batch was tried before.
    retried: u32,
    operators: Vec<Spent>,
    samples: Mutex<Vec<String>>,
}

#[derive(Debug, Default)]
struct Spent {
    poison: AtomicU64,
    calls: AtomicU64,
    time_ns: AtomicU64,
}

/// Which bound was passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tripped {
    /// Too many bad records.
    Poison {
        /// So many at least.
        found: u64,
        /// Read by the batch.
        records: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// The search took too many calls.
    Calls {
        /// What is allowed.
        allowed: u64,
        /// Bad records found with them.
        found: u64,
    },
    /// The search took too long.
    Time {
        /// What is allowed.
        allowed: Duration,
        /// Bad records found in that time.
        found: u64,
    },
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poison { found, records, allowed } => write!(
                f,
                "{found} bad records among the {records} that the batch read, where {allowed} are allowed"
            ),
            Self::Calls { allowed, found } => {
                write!(f, "the search for bad records took {allowed} calls and found {found}")
            }
            Self::Time { allowed, found } => {
                write!(f, "failed calls took {allowed:?}, in which {found} bad records were found")
            }
        }
    }
}

impl Breaker {
    /// For a batch that reads `records` records and was tried `retried` times before.
    #[must_use]
    pub fn new(operators: usize, records: u64, retried: u32) -> Self {
        let mut spent = Vec::new();
        spent.resize_with(operators, Spent::default);
        Self { records, retried, operators: spent, samples: Mutex::default() }
    }

    /// How often the batch was tried before.
    #[must_use]
    pub fn retried(&self) -> u32 {
        self.retried
    }

    /// The first reasons that were found, for people.
    #[must_use]
    pub fn samples(&self) -> Vec<String> {
        self.samples.lock().clone()
    }

    /// One more bad record of an operator that may have `share` of them.
    ///
    /// # Errors
    /// It is one too many.
    pub fn poison(
        &self,
        operator: usize,
        share: f64,
        sample: impl FnOnce() -> String,
    ) -> Result<(), Tripped> {
        let found = self.operators[operator].poison.fetch_add(1, Relaxed) + 1;
        if found <= SAMPLES_MAX as u64 {
            let mut samples = self.samples.lock();
            if samples.len() < SAMPLES_MAX {
                samples.push(sample());
            }
        }
        let allowed = allowed(share, self.records);
        if found <= allowed {
            return Ok(());
        }
        Err(Tripped::Poison { found, records: self.records, allowed })
    }

    /// One more call of a search.
    ///
    /// # Errors
    /// It is one too many.
    pub fn call(&self, operator: usize) -> Result<(), Tripped> {
        let spent = &self.operators[operator];
        if spent.calls.fetch_add(1, Relaxed) < BISECT_CALLS_MAX {
            return Ok(());
        }
        Err(Tripped::Calls { allowed: BISECT_CALLS_MAX, found: spent.poison.load(Relaxed) })
    }

    /// A call that failed took so long.
    ///
    /// # Errors
    /// All of them together take too long.
    pub fn time(&self, operator: usize, took: Duration) -> Result<(), Tripped> {
        let spent = &self.operators[operator];
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let before = Duration::from_nanos(spent.time_ns.fetch_add(ns, Relaxed));
        if before <= BISECT_TIME_MAX {
            return Ok(());
        }
        Err(Tripped::Time { allowed: BISECT_TIME_MAX, found: spent.poison.load(Relaxed) })
    }

    /// A task begins anew: what it had found is found again.
    pub fn take_back(&self, counts: &[PoisonCounts]) {
        for (spent, counts) in self.operators.iter().zip(counts) {
            spent.poison.fetch_sub(counts.rejected + counts.failed, Relaxed);
        }
    }
}

/// How many bad records a batch may have. Pure.
fn allowed(share: f64, records: u64) -> u64 {
    let of_all = (records as f64 * share).floor() as u64;
    if share >= 1.0 { u64::MAX } else { of_all.max(POISON_ALLOWED) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed() {
        for (share, records, expected) in [
            (0.0, 1_000_000, 1_000),
            (0.5, 3, 1_000),
            (0.5, 2_000, 1_000),
            (0.5, 2_002, 1_001),
            (0.1, 50_000, 5_000),
            (1.0, 3, u64::MAX),
        ] {
            assert_eq!(allowed(share, records), expected, "{share} of {records}");
        }
    }

    #[test]
    fn it_trips_at_the_first_record_too_many_and_keeps_samples() {
        let breaker = Breaker::new(2, 10, 0);
        for record in 0..POISON_ALLOWED {
            breaker.poison(1, 0.5, || format!("reason {record}")).unwrap();
        }
        let tripped = breaker.poison(1, 0.5, || "more".to_owned()).unwrap_err();
        assert_eq!(tripped, Tripped::Poison { found: 1_001, records: 10, allowed: 1_000 });
        assert_eq!(breaker.samples(), ["reason 0", "reason 1", "reason 2"]);
        breaker.poison(0, 0.5, || "another operator".to_owned()).unwrap();
    }

    #[test]
    fn what_a_task_takes_back_does_not_count() {
        let breaker = Breaker::new(1, 0, 0);
        for _ in 0..POISON_ALLOWED {
            breaker.poison(0, 0.0, String::new).unwrap();
        }
        let found = PoisonCounts { rejected: 900, failed: 100, ..PoisonCounts::default() };
        breaker.take_back(&[found]);
        assert!(breaker.poison(0, 0.0, String::new).is_ok());
    }

    #[test]
    fn calls_and_time_are_bounded() {
        let breaker = Breaker::new(1, 0, 0);
        assert!((0..BISECT_CALLS_MAX).all(|_| breaker.call(0).is_ok()));
        assert!(matches!(breaker.call(0), Err(Tripped::Calls { .. })));
        assert!(breaker.time(0, BISECT_TIME_MAX).is_ok());
        assert!(breaker.time(0, Duration::from_nanos(1)).is_ok());
        assert!(matches!(breaker.time(0, Duration::ZERO), Err(Tripped::Time { .. })));
    }
}
