//! A host cuts batches as it likes: what comes out must not depend on it.

use super::super::subject::Ran;
use super::Kit;
use super::judged::{Judged, again, needed, started};
use super::repeats::same;

const SIZES: [usize; 4] = [1, 2, 7, 33];

pub fn into_other_batches(kit: &Kit<'_>) -> Judged {
    let subject = started(kit.bench.subject())?;
    let whole = needed(subject.run(&kit.sample, None))?;
    for size in SIZES {
        let (mut cut, place) = (Ran::default(), format!("in batches of {size}"));
        for (number, part) in kit.sample.chunks(size).enumerate() {
            cut.append(again(subject.run(part, None), &place)?, number * size);
        }
        same(&whole, &cut, &place)?;
    }
    Ok(None)
}
