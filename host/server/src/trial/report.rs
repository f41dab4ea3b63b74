//! What a trial found.

use serde::Serialize;
use tidemill_plugin::{Digest, Plugin};

/// How a case or a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Passed,
    /// It keeps the contract; there is something to know.
    Noted,
    /// It could not be tried.
    Skipped,
    Failed,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Noted => "noted",
            Verdict::Skipped => "skipped",
            Verdict::Failed => "FAILED",
        }
    }
}

/// A case or a check, and how it ended.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub name: String,
    pub verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Finding {
    pub fn new(name: &str, verdict: Verdict, detail: Option<String>) -> Finding {
        Finding { name: name.to_owned(), verdict, detail }
    }
}

/// All that a trial found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub plugin: String,
    pub version: String,
    pub world: &'static str,
    pub digest: Digest,
    /// Those of the author.
    pub cases: Vec<Finding>,
    pub conformance: Vec<Finding>,
}

impl Report {
    pub fn of(plugin: &Plugin) -> Report {
        let description = plugin.description();
        Report {
            plugin: description.name.clone(),
            version: description.version.to_string(),
            world: plugin.world().name(),
            digest: plugin.digest(),
            cases: Vec::new(),
            conformance: Vec::new(),
        }
    }

    /// How many ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        let all = self.cases.iter().chain(&self.conformance);
        all.filter(|finding| finding.verdict == verdict).count()
    }
}
