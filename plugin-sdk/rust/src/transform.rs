//! The loop around a transform's function.

use crate::batch::{Batch, Record};
use crate::emit::{Buffers, Emitter};
use crate::failure::{Failure, Refusal, Reject};
use crate::plugin::Transform;
use alloc::vec::Vec;

/// What a transform makes of the records of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The emitted records. A column without items: as in the input records.
    pub emitted: Batch,
    /// How many records each input record emitted. Empty: exactly one each.
    pub counts: Vec<u32>,
    /// The output of each emitted record. Empty: all go to the first.
    pub ports: Vec<u16>,
    /// The refused input records, in rising order of index.
    pub rejected: Vec<Rejection>,
}

/// An input record that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its index in the batch.
    pub index: u32,
    /// Why.
    pub reason: Reject,
}

/// Runs `P` over `records`, as the host would have it run, with the buffers of an earlier result.
///
/// # Errors
/// The call failed as a whole.
pub fn transform<P: Transform>(
    settings: &P::Settings,
    records: &Batch,
    buffers: Buffers,
) -> Result<Outcome, Failure> {
    let mut out = Emitter::new(records, P::READS, buffers);
    let mut rejected = Vec::new();
    for index in 0..records.len() {
        let mark = out.begin(index);
        let record = Record { batch: records, index };
        if let Err(refusal) = P::transform(settings, record, &mut out) {
            out.roll_back(mark);
            rejected.push(refused(index, refusal)?);
        }
        out.end(mark);
    }
    let outcome = out.finish()?;
    Ok(Outcome { rejected, ..outcome })
}

#[cold]
fn refused(index: usize, refusal: Refusal) -> Result<Rejection, Failure> {
    match refusal {
        Refusal::Reject(reason) => Ok(Rejection { index: index as u32, reason }),
        Refusal::Fail(failure) => Err(failure),
    }
}
