//! Randomness that is a function of a call's place in the pipeline.
//! **It is for spreading, not for secrets**: whoever knows the pipeline knows the numbers.

use crate::context::CallContext;

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// SplitMix64 (Steele, Lea, Flood, 2014), seeded by names and numbers.
#[derive(Debug, Clone)]
pub(crate) struct Entropy(u64);

impl Entropy {
    /// The numbers of an instance while it starts: the same for all instances of an operator.
    pub(crate) fn of_start(operator: &str) -> Self {
        Self(fold(FNV_OFFSET, operator.as_bytes()))
    }

    /// The numbers of one call.
    pub(crate) fn of_call(operator: &str, cx: &CallContext<'_>) -> Self {
        let mut seed = fold(FNV_OFFSET, cx.pipeline.as_bytes());
        // A byte that no name has keeps ("a", "bc") and ("ab", "c") apart.
        seed = fold(seed, &[0xFF]);
        seed = fold(seed, operator.as_bytes());
        seed = fold(seed, &cx.batch.to_le_bytes());
        Self(fold(seed, &cx.task.to_le_bytes()))
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length.next_multiple_of(8));
        while bytes.len() < length {
            bytes.extend(self.next_u64().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

/// FNV-1a.
fn fold(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |seed, &byte| (seed ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_its_own_numbers_every_time() {
        let cx = CallContext { pipeline: "p", batch: 1, task: 2, time_ms: 0 };
        let numbers = |operator, cx| Entropy::of_call(operator, &cx).bytes(20);
        assert_eq!(numbers("o", cx), numbers("o", cx));
        assert_eq!(numbers("o", cx), numbers("o", CallContext { time_ms: 9, ..cx }));
        assert_ne!(numbers("o", cx), numbers("o", CallContext { task: 3, ..cx }));
        assert_ne!(numbers("o", cx), numbers("o", CallContext { batch: 3, ..cx }));
        assert_ne!(numbers("o", cx), numbers("p", cx));
        assert_eq!(numbers("o", cx).len(), 20);
    }
}
