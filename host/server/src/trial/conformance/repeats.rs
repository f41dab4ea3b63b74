//! **The same batch gives the same bytes**: what replay and recovery rest on.

use super::super::subject::Ran;
use super::judged::{Judged, again, failed, needed, started};
use super::{Kit, corpus};

pub fn twice_in_an_instance(kit: &Kit<'_>) -> Judged {
    let subject = started(kit.bench.subject())?;
    let first = needed(subject.run(&kit.sample, None))?;
    // Other records in between: what a plugin keeps from call to call would show.
    let _ = subject.run(&corpus::mixed(), None);
    let place = "in a later call";
    same(&first, &again(subject.run(&kit.sample, None), place)?, place)
}

pub fn in_a_new_instance(kit: &Kit<'_>) -> Judged {
    let first = needed(started(kit.bench.subject())?.run(&kit.sample, None))?;
    let place = "in another instance";
    same(&first, &again(started(kit.bench.subject())?.run(&kit.sample, None), place)?, place)
}

/// Passes where nothing differs.
pub fn same(first: &Ran, second: &Ran, place: &str) -> Judged {
    if first == second {
        return Ok(None);
    }
    if first.emitted.len() != second.emitted.len() {
        let (one, other) = (first.emitted.len(), second.emitted.len());
        return failed(format!("{one} records come out, and {other} {place}"));
    }
    match first.emitted.iter().zip(&second.emitted).position(|(a, b)| a != b) {
        Some(index) => failed(format!("output record {index} is another one {place}")),
        None => failed(format!("other records are rejected {place}, or for other reasons")),
    }
}
