//! Randomness, injected: for ids, never for secrets.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// A source of random numbers.
pub trait RandomSource: Send + Sync + 'static {
    /// The next number.
    fn next_u64(&self) -> u64;
}

/// Randomness from the operating system, by way of the standard library's hash seeds.
#[derive(Debug, Default)]
pub struct RealRandom;

impl RandomSource for RealRandom {
    fn next_u64(&self) -> u64 {
        // Each `RandomState` has other keys, derived from the system's randomness.
        RandomState::new().build_hasher().finish()
    }
}
