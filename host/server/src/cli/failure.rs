//! Why a command ended without success, as a person reads it: message, causes, hint.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::Output;
use crate::bench::BenchError;
use crate::client::ClientError;
use crate::config::ConfigError;
use crate::demo::DemoError;
use crate::project::ProjectError;
use crate::serve::ServeError;
use crate::trial::TrialError;

/// What a command failed of.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error("read `{path}`")]
    ReadFile { path: PathBuf, source: std::io::Error },
    #[error("write `{path}`", path = path.display())]
    WriteFile { path: PathBuf, source: std::io::Error },
    #[error("read standard input")]
    Stdin(#[source] std::io::Error),
    #[error("write to standard output")]
    Stdout(#[source] std::io::Error),
    #[error("encode the result as JSON")]
    Encode(#[source] serde_json::Error),
    #[error("start the command's runtime")]
    Runtime(#[source] std::io::Error),
    #[error("{path}: not a valid pipeline\n{problem}", path = path.display())]
    Pipeline { path: PathBuf, problem: String },
    #[error("`{path}` is no plugin that can be loaded", path = path.display())]
    Component { path: PathBuf, hint: Option<String>, source: Box<dyn Error + Send + Sync> },
    #[error("use the OCI image layout in `{path}`", path = path.display())]
    Layout { path: PathBuf, hint: Option<String>, source: Box<dyn Error + Send + Sync> },
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Trial(#[from] TrialError),
    #[error("`{plugin}` fails {failed} of its cases and checks")]
    TrialFailed { plugin: String, failed: usize },
    #[error("open the log in `{path}`", path = path.display())]
    Log { path: PathBuf, hint: Option<String>, source: Box<dyn Error + Send + Sync> },
    #[error("the log is damaged in {damages} place(s)")]
    Damaged { damages: usize },
    #[error("{what}")]
    PipelineFailed { what: String, hint: String },
}

impl Failure {
    fn hint(&self) -> Option<String> {
        match self {
            Failure::Client(error) => error.hint(),
            Failure::Config(error) => Some(error.hint()),
            Failure::Serve(error) => error.hint(),
            Failure::Demo(error) => error.hint(),
            Failure::Bench(error) => error.hint(),
            Failure::Component { hint, .. }
            | Failure::Log { hint, .. }
            | Failure::Layout { hint, .. } => hint.clone(),
            Failure::Project(error) => error.hint(),
            Failure::Trial(error) => error.hint(),
            Failure::PipelineFailed { hint, .. } => Some(hint.clone()),
            Failure::Damaged { .. } => Some(
                "nothing was changed; restore the named files from a backup, or delete the topic"
                    .to_owned(),
            ),
            Failure::TrialFailed { .. }
            | Failure::ReadFile { .. }
            | Failure::WriteFile { .. }
            | Failure::Stdin(_)
            | Failure::Stdout(_)
            | Failure::Encode(_)
            | Failure::Runtime(_)
            | Failure::Pipeline { .. } => None,
        }
    }

    /// 2 where what was asked for could not be understood, 1 where it could not be done.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            failure if failure.reader_went_away() => ExitCode::SUCCESS,
            Failure::Config(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }

    /// Prints to stderr, as text or as one JSON object of the API's shape.
    pub fn print(&self, output: Output) {
        if self.reader_went_away() {
            return;
        }
        let causes = self.causes();
        match output {
            Output::Json => {
                eprintln!(
                    "{}",
                    json!({ "error": self.to_string(), "causes": causes, "hint": self.hint() })
                );
            }
            Output::Text => {
                eprintln!("error: {self}");
                for cause in causes {
                    eprintln!("  because: {cause}");
                }
                if let Some(hint) = self.hint() {
                    eprintln!("  hint: {hint}");
                }
            }
        }
    }

    /// Those of the host's answer stand for those that this process does not see.
    fn causes(&self) -> Vec<String> {
        match self {
            Failure::Client(ClientError::Refused { problem, .. }) => problem.causes.clone(),
            other => causes(other),
        }
    }

    /// `tidemill … | head` is no failure.
    fn reader_went_away(&self) -> bool {
        matches!(self, Failure::Stdout(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// An error and its causes on one line.
pub fn chain(error: &dyn Error) -> String {
    let all = std::iter::once(error.to_string()).chain(causes(error));
    all.collect::<Vec<_>>().join(": ")
}

/// The chain below an error, without a cause that only repeats what stands above it.
pub fn causes(error: &dyn Error) -> Vec<String> {
    let mut last = error.to_string();
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !last.ends_with(&text) {
            causes.push(text.clone());
        }
        last = text;
        next = cause.source();
    }
    causes
}
