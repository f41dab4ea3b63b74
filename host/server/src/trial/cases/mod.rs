//! Cases of a plugin's author: input records, and what has to come out.
//!
//! They are in `cases.toml` of the project:
//! ```toml
//! [[case]]
//! name = "short words are left out"
//! params = { length_min = 3 }
//! input = ["to be or not"]
//! output = [{ key = "not", value = "" }]
//! ```
//! A record is a text (its value), or a table of the parts that it has. Of a record that came out, **only the parts
//! that are named are looked at**.

mod file;
mod compare;

use std::path::Path;

use tidemill_plugin::{CallFault, Window};

use super::bench::Bench;
use super::error::TrialError;
use super::record::Record;
use super::report::{Finding, Verdict};
use super::subject::RunError;
use crate::cli::chain;
use file::Case;
pub use file::Cases;

const CASES: &str = "cases.toml";

/// The cases of the project in `dir`; none where it has no file of them.
pub fn read(dir: &Path) -> Result<Option<Cases>, TrialError> {
    let path = dir.join(CASES);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|source| TrialError::Read { path: path.clone(), source })?,
    };
    let cases: Result<Cases, _> = toml::from_str(&text);
    cases.map(Some).map_err(|error| TrialError::Cases { path, source: Box::new(error) })
}

/// Runs all cases, each in an instance of its own.
pub fn run(cases: &Cases, bench: &Bench) -> Vec<Finding> {
    let finding = |case: &Case| match one(case, bench) {
        Ok(()) => Finding::new(&case.name, Verdict::Passed, None),
        Err(why) => Finding::new(&case.name, Verdict::Failed, Some(why)),
    };
    cases.cases.iter().map(finding).collect()
}

fn one(case: &Case, bench: &Bench) -> Result<(), String> {
    let params = bench.params.clone().with_all(&case.params);
    let subject = bench.subject_with(&params).map_err(|error| chain(&error))?;
    let input: Vec<Record> = case.input.iter().map(|given| given.record()).collect();
    let window = case.window.map(|window| Window { start: window.start, end: window.end });
    match (subject.run(&input, window), &case.fails) {
        (Ok(ran), None) => {
            let ports = &bench.plugin.description().ports;
            compare::records(&ran.emitted, &case.output, ports)?;
            compare::rejected(&ran.rejected, &case.rejected)
        }
        (Ok(_), Some(wanted)) => Err(format!("the call succeeds, but has to fail with `{wanted}`")),
        (Err(RunError::Call(error)), Some(wanted)) => match &error.fault {
            CallFault::Failed { message, .. } if message.contains(wanted.as_str()) => Ok(()),
            fault => Err(format!("the call fails, but not with `{wanted}`: {}", chain(fault))),
        },
        (Err(RunError::Call(error)), None) => Err(chain(&error.fault)),
        (Err(error), _) => Err(chain(&error)),
    }
}
