//! The loop around a filter's function.

use crate::batch::{Batch, Record};
use crate::failure::Failure;
use crate::plugin::Filter;
use alloc::vec::Vec;

/// Runs `P` over `records`: a bitmap with bit `i`, least significant first, set where record `i` stays.
///
/// # Errors
/// The call failed as a whole.
pub fn keep<P: Filter>(settings: &P::Settings, records: &Batch) -> Result<Vec<u8>, Failure> {
    let count = records.len();
    let mut bitmap = Vec::with_capacity(count.div_ceil(8));
    for first in (0..count).step_by(8) {
        let mut bits = 0u8;
        for index in first..count.min(first + 8) {
            let kept = P::keep(settings, Record { batch: records, index })?;
            bits |= u8::from(kept) << (index - first);
        }
        bitmap.push(bits);
    }
    Ok(bitmap)
}
