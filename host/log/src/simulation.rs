//! A machine that can lose power at any moment, for tests.
//!
//! **Every crash is replayable from its seed.**

mod clock;
mod disk;
mod image;
mod random;

use std::sync::Arc;

pub use clock::SimulatedClock;
pub use disk::{Fault, SimulatedDisk};
pub use random::SimulatedRandom;

use crate::environment::{Blocking, Environment};

/// A simulated machine.
#[derive(Clone)]
pub struct Simulation {
    /// Its disk.
    pub disk: Arc<SimulatedDisk>,
    /// Its clock, which moves only when it is told to.
    pub clock: Arc<SimulatedClock>,
    /// Its randomness.
    pub random: Arc<SimulatedRandom>,
}

impl Simulation {
    /// A machine with an empty disk; `seed` decides all that is random in it.
    pub fn new(seed: u64) -> Self {
        Self {
            disk: Arc::new(SimulatedDisk::new()),
            clock: Arc::new(SimulatedClock::new(1_700_000_000_000)),
            random: Arc::new(SimulatedRandom::new(seed)),
        }
    }

    /// What the log is opened with. All of its I/O runs where the caller stands.
    pub fn environment(&self) -> Environment {
        Environment {
            disk: self.disk.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            blocking: Blocking::Inline,
        }
    }

    /// The machine after a power loss: one of the legal images of its disk, chosen by `seed`.
    #[must_use]
    pub fn after_crash(&self, seed: u64) -> Self {
        Self {
            disk: Arc::new(self.disk.after_crash(seed)),
            clock: self.clock.clone(),
            random: Arc::new(SimulatedRandom::new(seed)),
        }
    }
}
