//! A host folds parts of a batch on many cores and merges them in the order of the records.
//!
//! What `finish` makes of accumulators is compared, not their bytes: a plugin may write equal ones in two ways.

use tidemill_plugin::Column;

use super::super::subject::{Grouped, Ran};
use super::Kit;
use super::judged::{Bad, Judged, again, needed, started};
use super::repeats::same;

/// Places to cut: at both ends, close to them, and between.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    [0, 1, 2, 7, length / 3, length / 2, length.saturating_sub(1), length]
        .into_iter()
        .filter(move |cut| *cut <= length)
}

pub fn parts_equal_the_whole(kit: &Kit<'_>) -> Judged {
    with(kit, |grouped, whole| {
        let length = kit.sample.len();
        for cut in cuts(length) {
            let early = again(grouped.fold(0..cut, &grouped.none()), "in parts")?;
            let late = again(grouped.fold(cut..length, &grouped.none()), "in parts")?;
            let merged = again(grouped.merge(&early, &late), "where parts are merged")?;
            let finished = again(grouped.finish(&merged, None), "at its end")?;
            same(whole, &finished, &format!("where the records are cut at {cut} and merged"))?;
        }
        Ok(None)
    })
}

pub fn going_on_equals_the_whole(kit: &Kit<'_>) -> Judged {
    with(kit, |grouped, whole| {
        let length = kit.sample.len();
        for cut in cuts(length) {
            let early = again(grouped.fold(0..cut, &grouped.none()), "in parts")?;
            let folded = again(grouped.fold(cut..length, &early), "where a fold goes on")?;
            let finished = again(grouped.finish(&folded, None), "at its end")?;
            same(whole, &finished, &format!("where the fold stops at {cut} and goes on"))?;
        }
        Ok(None)
    })
}

pub fn is_associative(kit: &Kit<'_>) -> Judged {
    with(kit, |grouped, _| {
        let length = kit.sample.len();
        for cut in cuts(length) {
            let (first, last) = (cut / 2, (cut + length) / 2);
            let part = |range| again(grouped.fold(range, &grouped.none()), "in parts");
            let merge = |left: &Column, right: &Column| {
                again(grouped.merge(left, right), "where parts are merged")
            };
            let (a, b, c) = (part(0..first)?, part(first..cut)?, part(cut..last)?);
            let left = merge(&merge(&a, &b)?, &c)?;
            let right = merge(&a, &merge(&b, &c)?)?;
            let left = again(grouped.finish(&left, None), "at its end")?;
            let right = again(grouped.finish(&right, None), "at its end")?;
            let place = format!(
                "where 0..{first}, {first}..{cut} and {cut}..{last} are merged from the right"
            );
            same(&left, &right, &place)?;
        }
        Ok(None)
    })
}

fn with(
    kit: &Kit<'_>,
    check: impl FnOnce(&Grouped<'_>, &Ran) -> Result<Option<String>, Bad>,
) -> Judged {
    let subject = started(kit.bench.subject())?;
    let grouped = Grouped::of(&subject, &kit.sample);
    let whole = needed(grouped.fold(0..kit.sample.len(), &grouped.none()))?;
    check(&grouped, &needed(grouped.finish(&whole, None))?)
}
