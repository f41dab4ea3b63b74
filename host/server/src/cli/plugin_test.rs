//! `tidemill plugin test`.

use std::path::PathBuf;

use clap::Args;
use tidemill_plugin::SettingValue;

use super::parameter::parameter;
use super::{Failure, Output};
use crate::trial::{self, Finding, Report, Terms, Verdict};

#[derive(Args)]
pub struct TestArgs {
    /// Folder of the project, which is built first.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Run the conformance kit alone, with any component, whoever made it.
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    conformance: Option<PathBuf>,
    /// A parameter, as in a pipeline file: `--param length_min=7`.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, SettingValue)>,
    /// Memory that an instance may have.
    #[arg(long, default_value = "256MiB")]
    memory: bytesize::ByteSize,
}

pub fn test(args: &TestArgs, output: Output) -> Result<(), Failure> {
    let terms = Terms::new(&args.parameters, args.memory.as_u64());
    let report = match &args.conformance {
        Some(file) => trial::of_component(file, &terms)?,
        None => trial::of_project(&args.dir, &terms)?,
    };
    output.print(&report, report_text)?;
    match report.count(Verdict::Failed) {
        0 => Ok(()),
        failed => Err(Failure::TrialFailed { plugin: report.plugin, failed }),
    }
}

fn report_text(report: &Report) -> String {
    let Report { plugin, version, world, cases, conformance, .. } = report;
    let mut text = format!("{plugin}@{version}, a {world}\n");
    for (heading, findings) in [("cases", cases), ("conformance", conformance)] {
        if !findings.is_empty() {
            text += &format!("\n{heading}\n{}\n", findings_text(findings));
        }
    }
    let counted = [Verdict::Passed, Verdict::Noted, Verdict::Skipped, Verdict::Failed]
        .map(|verdict| format!("{} {}", report.count(verdict), verdict.name().to_lowercase()));
    text + "\n" + &counted.join(", ")
}

fn findings_text(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let detail = finding.detail.iter().map(|detail| format!("\n          {detail}"));
        format!("  {:<8}{}{}", finding.verdict.name(), finding.name, detail.collect::<String>())
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}
