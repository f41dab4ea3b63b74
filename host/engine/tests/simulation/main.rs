//! Pipelines on a simulated machine: crashes at every step, and streams cut in every way.
//!
//! `TIDEMILL_SEED` replays one seed, `TIDEMILL_SEEDS` says how many there are.

mod changes;
mod crash;
mod invariance;
mod store;
mod world;
