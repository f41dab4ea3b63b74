//! Tries a plugin in the real sandbox: its author's cases, and what every plugin has to stand.
//!
//! ```text
//! component ─► Bench ─► Subject ── records in, records out ──► cases, conformance ─► Report
//! ```
//! **A trial says what a plugin does, not whether that is useful**: a plugin may refuse records and fail calls by
//! its own word; it may not trap, take too long, return what breaks the contract, or answer the same question in two
//! ways.

mod record;
mod subject;
mod bench;
mod cases;
mod conformance;
mod report;
mod error;

use std::path::Path;

use bench::Bench;
pub use bench::Terms;
pub use error::TrialError;
pub use report::{Finding, Report, Verdict};

use crate::project;

/// Builds the project in `dir`, runs the cases of its author, and then the conformance kit with their records.
pub fn of_project(dir: &Path, terms: &Terms) -> Result<Report, TrialError> {
    let cases = cases::read(dir)?;
    let built = project::build(dir)?;
    // What the command line says comes after what the file says.
    let terms = terms.with_defaults(cases.as_ref().map(|cases| &cases.params));
    let bench = Bench::new(&built.component, &terms)?;
    let mut report = Report::of(&bench.plugin);
    let mut inputs = Vec::new();
    if let Some(cases) = &cases {
        report.cases = cases::run(cases, &bench);
        inputs = cases.inputs();
    }
    report.conformance = conformance::run(&bench, &inputs)?;
    Ok(report)
}

/// Runs the conformance kit alone, with any component of a world.
pub fn of_component(file: &Path, terms: &Terms) -> Result<Report, TrialError> {
    let bench = Bench::new(file, terms)?;
    let mut report = Report::of(&bench.plugin);
    report.conformance = conformance::run(&bench, &[])?;
    Ok(report)
}
