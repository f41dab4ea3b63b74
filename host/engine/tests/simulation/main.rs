//! Pipelines on a simulated machine: crashes at every step, and streams cut in every way.
//!
//! `TIDEMILL_SEED` replays one seed, `TIDEMILL_SEEDS` says how many there are.

/// Plugins written by hand, as the tests of the sandbox have them.
#[path = "../../../plugin/tests/guests/mod.rs"]
mod guests;

mod changes;
mod crash;
mod invariance;
mod poison;
mod store;
mod world;
