//! Poison: records that a plugin rejects, or that make a call of it fail.
//!
//! A call that fails is cut in halves until each part works or is one record ([`Bisection`]); what
//! becomes of that record is the operator's [`Policy`]. Where it came from is looked up only then
//! ([`Origin`]), and a batch that is full of poison is stopped by its [`Breaker`].
//! **Good records of a batch with poison are handed on once and in their order**, as if the bad ones
//! had never been there.

mod bisection;
mod breaker;
mod origin;
mod policy;

pub use bisection::{Bisection, Step};
pub use breaker::{Breaker, POISON_ALLOWED, Tripped};
pub use origin::{Found, Origin, Positions};
pub use policy::{Poison, Policy, Verdict, decide};

/// What became of one operator's bad records, and what finding them took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoisonCounts {
    /// Rejected by the plugin itself.
    pub rejected: u64,
    /// Found because a call failed.
    pub failed: u64,
    /// Left out, of both.
    pub skipped: u64,
    /// Written to the topic of dead letters, of both.
    pub dead_lettered: u64,
    /// Calls that were made to find them.
    pub bisect_calls: u64,
}

impl PoisonCounts {
    /// Adds another task's.
    pub fn add(&mut self, other: &Self) {
        self.rejected += other.rejected;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.dead_lettered += other.dead_lettered;
        self.bisect_calls += other.bisect_calls;
    }
}
