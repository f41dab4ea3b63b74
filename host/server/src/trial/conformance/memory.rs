//! Memory of an instance that is called for a long time.

use bytesize::ByteSize;

use super::Kit;
use super::judged::{Judged, allowed, started};

const CALLS: usize = 10_000;
/// Buffers have found their sizes, collectors their pace.
const WARM_CALLS: usize = 2_000;
/// Few: interpreters are to be done in seconds.
const RECORDS: usize = 10;
/// Below that nothing is leaking.
const GROWTH_BYTES_MIN: u64 = 1 << 20;

pub fn over_many_calls(kit: &Kit<'_>) -> Judged {
    let subject = started(kit.bench.subject())?;
    let records = &kit.sample[..kit.sample.len().min(RECORDS)];
    let call_often = |calls: usize| {
        for _ in 0..calls {
            let _ = allowed(subject.run(records, None))?;
        }
        Ok(subject.operator.costs().memory_bytes_high)
    };
    let warm = call_often(WARM_CALLS)?;
    let mut growth = call_often(CALLS - WARM_CALLS)?.saturating_sub(warm);
    if growth >= GROWTH_BYTES_MIN {
        // A collector that waits for its first megabytes grows once; a leak grows on.
        let before = subject.operator.costs().memory_bytes_high;
        growth = call_often(CALLS)?.saturating_sub(before);
    }
    let costs = subject.operator.costs();
    if growth < GROWTH_BYTES_MIN && costs.instances_dropped == 0 {
        return Ok(None);
    }
    // The host replaces an instance before it fails, so that a tool chain's leak is bearable.
    Ok(Some(format!(
        "grows by about {} a call, to {}; {} instances were replaced",
        ByteSize(growth / CALLS as u64),
        ByteSize(costs.memory_bytes_high),
        costs.instances_dropped
    )))
}
