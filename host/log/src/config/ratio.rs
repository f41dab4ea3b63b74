//! A share of something, exact enough to be compared.

use serde::{Deserialize, Serialize};

const MILLION: u32 = 1_000_000;

/// A number between 0 and 1, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ratio(u32);

impl Ratio {
    /// So many millionths, at most all of them.
    pub const fn from_millionths(millionths: u32) -> Self {
        Self(if millionths > MILLION { MILLION } else { millionths })
    }

    /// The number itself.
    pub fn get(self) -> f64 {
        f64::from(self.0) / f64::from(MILLION)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let number: f64 = text.parse().ok()?;
        if !(0.0..=1.0).contains(&number) {
            return None;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Between 0 and 1.
        Some(Self((number * f64::from(MILLION)).round() as u32))
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // As Java prints a double: with a fraction in any case.
        write!(f, "{:?}", self.get())
    }
}
