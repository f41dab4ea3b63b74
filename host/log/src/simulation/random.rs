//! Randomness from a seed.

use parking_lot::Mutex;

use crate::random::RandomSource;

/// Randomness from a seed: the same seed gives the same numbers (`SplitMix64`).
#[derive(Debug)]
pub struct SimulatedRandom {
    state: Mutex<u64>,
}

impl SimulatedRandom {
    /// The numbers that belong to `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }

    /// A number below `bound`; 0 where that is 0.
    pub fn below(&self, bound: u64) -> u64 {
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }
}

impl RandomSource for SimulatedRandom {
    fn next_u64(&self) -> u64 {
        let mut state = self.state.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
