//! The conformance kit: what every plugin of a world has to stand, whoever made it.
//!
//! A call that the plugin fails by its own word (a `failure` of the contract) is allowed and noted: a pipeline's
//! policy decides what becomes of the records. **A trap, a timeout, a result that breaks the contract, and two
//! answers to one question are not.**

mod corpus;
mod judged;
mod shapes;
mod repeats;
mod cuts;
mod merging;
mod memory;
mod parameters;

use tidemill_plugin::World;

use super::bench::Bench;
use super::error::TrialError;
use super::record::Record;
use super::report::Finding;
use judged::Judged;

/// A plugin, and records that it takes.
pub struct Kit<'a> {
    pub bench: &'a Bench,
    pub sample: Vec<Record>,
}

type Check = (&'static str, fn(&Kit<'_>) -> Judged);

/// For every world, in the order in which they are shown.
const CHECKS: [Check; 13] = [
    ("an empty batch", shapes::an_empty_batch),
    ("one record", shapes::one_record),
    ("absent keys and values", shapes::absent_parts),
    ("records without any part", shapes::no_parts),
    ("empty keys and values", shapes::empty_parts),
    ("a record of 1 MiB", shapes::a_large_record),
    ("bytes that are not UTF-8", shapes::bytes_that_are_no_text),
    ("as many records as a call can have", shapes::as_many_as_a_call_can_have),
    ("the same records twice", repeats::twice_in_an_instance),
    ("the same records in a new instance", repeats::in_a_new_instance),
    ("odd values of parameters", parameters::odd_values),
    ("parameters missing, unknown and of a wrong kind", parameters::wrong_settings),
    ("memory over 10,000 calls", memory::over_many_calls),
];

/// Where records are looked at one by one.
const OF_RECORDS: [Check; 1] =
    [("the same records cut into other batches", cuts::into_other_batches)];

const OF_REDUCERS: [Check; 3] = [
    ("folds of parts, merged, equal the fold of all", merging::parts_equal_the_whole),
    ("a fold that goes on equals the fold of all", merging::going_on_equals_the_whole),
    ("merging is associative", merging::is_associative),
];

/// Runs all checks of the plugin's world. `inputs` are records that its author says it takes.
///
/// # Errors
/// Where the plugin does not start with the parameters of the trial: then there is nothing to check.
pub fn run(bench: &Bench, inputs: &[Record]) -> Result<Vec<Finding>, TrialError> {
    let kit = Kit { sample: corpus::sample_for(&bench.subject()?, inputs), bench };
    let of_world: &[Check] = match bench.plugin.world() {
        World::Reducer | World::InvertibleReducer => &OF_REDUCERS,
        _ => &OF_RECORDS,
    };
    let checks = CHECKS.iter().chain(of_world);
    Ok(checks.map(|(name, check)| judged::finding(name, check(&kit))).collect())
}
