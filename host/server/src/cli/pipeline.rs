//! `tidemill pipeline`: apply, list, status, stop, start, delete, its upgrades and its dead letters.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidemill_engine::spec::PipelineSpec;

use super::dead_letters::{self, DeadLetterArgs};
use super::upgrade;
use super::watch;
use super::{Connection, Failure, Output, table};
use crate::client::Client;

#[derive(Args)]
#[command(
    after_help = "Example:\n  tidemill pipeline apply word-count.toml && tidemill pipeline status word-count --watch"
)]
pub struct PipelineArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: PipelineCommand,
}

#[derive(Subcommand)]
enum PipelineCommand {
    /// Start a pipeline, or replace the one of the same name. It goes on where that one was.
    #[command(after_help = "Example:\n  tidemill pipeline apply word-count.toml")]
    Apply {
        /// The pipeline file (TOML).
        file: PathBuf,
    },
    /// List the pipelines.
    #[command(after_help = "Example:\n  tidemill pipeline list -o json")]
    List,
    /// Show how a pipeline does.
    #[command(
        after_help = "Examples:\n  tidemill pipeline status word-count\n  tidemill pipeline status word-count --watch"
    )]
    Status {
        /// Name of the pipeline.
        pipeline: String,
        /// Show it again each second, until it ends.
        #[arg(short, long)]
        watch: bool,
    },
    /// Stop a pipeline after its running batch. It stays stopped, also over restarts of the host.
    #[command(after_help = "Example:\n  tidemill pipeline stop word-count")]
    Stop {
        /// Name of the pipeline.
        pipeline: String,
    },
    /// Start a pipeline that was stopped, has failed or has finished.
    #[command(after_help = "Example:\n  tidemill pipeline start word-count")]
    Start {
        /// Name of the pipeline.
        pipeline: String,
    },
    /// Run another plugin, or other parameters, from the next batch on; or try it first.
    #[command(
        after_help = "Examples:\n  tidemill pipeline upgrade orders --operator parse --to parse-orders@2\n  tidemill pipeline upgrade orders --operator parse --to parse-orders@2 --canary 100-batches --on-difference stop\n  tidemill pipeline upgrade orders --operator parse --param currency=EUR"
    )]
    Upgrade(upgrade::UpgradeArgs),
    /// Let a version that is tried take over now.
    #[command(after_help = "Example:\n  tidemill pipeline promote orders --operator parse")]
    Promote(upgrade::OperatorArgs),
    /// End a trial; where there is none, run what ran before the last upgrade.
    #[command(
        after_help = "Examples:\n  tidemill pipeline rollback orders --operator parse\n  tidemill pipeline rollback orders --operator totals --state before"
    )]
    Rollback(upgrade::RollbackArgs),
    /// Run a batch that has committed once more and show what comes out. Nothing is committed.
    #[command(
        after_help = "Examples:\n  tidemill pipeline replay orders --batch 412\n  tidemill pipeline replay orders --batch 412 --operator parse --with parse-orders@3"
    )]
    Replay(upgrade::ReplayArgs),
    /// List, show, retry and export the records that operators could not take.
    DeadLetters(DeadLetterArgs),
    /// Forget a pipeline: its file, state and positions. Topics stay.
    #[command(after_help = "Example:\n  tidemill pipeline delete word-count")]
    Delete {
        /// Name of the pipeline.
        pipeline: String,
    },
}

/// The parts of a pipeline's status that are shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub name: String,
    pub state: String,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub batch_id: Option<u64>,
    pub batches: u64,
    pub input_rows: u64,
    pub output_rows: u64,
    pub late_rows: u64,
    pub lag: u64,
    #[serde(default)]
    pub batch_ms: std::collections::BTreeMap<String, f64>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

impl Status {
    /// Whether it will not change by itself any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "stopped" | "finished" | "failed")
    }
}

#[derive(Serialize, Deserialize)]
struct StatusList {
    pipelines: Vec<Status>,
}

pub async fn run(args: PipelineArgs, output: Output) -> Result<(), Failure> {
    let client = args.connection.client()?;
    let act = async |pipeline: &str, action: &str| -> Result<Status, Failure> {
        let path = format!("{}/{action}", client.pipeline_path(pipeline));
        Ok(client.send(Method::POST, &path, "text/plain", bytes::Bytes::new()).await?)
    };
    match args.command {
        PipelineCommand::Apply { file } => {
            let status = apply(&client, &file).await?;
            output
                .print(&status, |status| format!("pipeline `{}` is {}", status.name, status.state))
        }
        PipelineCommand::List => {
            let list: StatusList = client.get_json("/api/v1/pipelines").await?;
            output.print(&list, list_text)
        }
        PipelineCommand::Status { pipeline, watch: true } => {
            watch::watch(&client, &pipeline, output).await
        }
        PipelineCommand::Status { pipeline, watch: false } => {
            let status: Status = client.get_json(&client.pipeline_path(&pipeline)).await?;
            output.print(&status, status_text)
        }
        PipelineCommand::Stop { pipeline } => {
            output.print(&act(&pipeline, "stop").await?, state_text)
        }
        PipelineCommand::Start { pipeline } => {
            output.print(&act(&pipeline, "start").await?, state_text)
        }
        PipelineCommand::Upgrade(args) => upgrade::upgrade(&client, args, output).await,
        PipelineCommand::Promote(args) => upgrade::promote(&client, args, output).await,
        PipelineCommand::Rollback(args) => upgrade::rollback(&client, args, output).await,
        PipelineCommand::Replay(args) => upgrade::replay(&client, args, output).await,
        PipelineCommand::DeadLetters(args) => dead_letters::run(&client, args, output).await,
        PipelineCommand::Delete { pipeline } => {
            client.delete(&client.pipeline_path(&pipeline)).await?;
            output.print(&serde_json::json!({ "deleted": pipeline }), |_| {
                format!("deleted pipeline `{pipeline}`")
            })
        }
    }
}

/// Checks the file here, where its name is known, then hands it to the host.
async fn apply(client: &Client, file: &Path) -> Result<Status, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| Failure::ReadFile { path: file.to_owned(), source })?;
    let spec = PipelineSpec::parse(&text)
        .map_err(|error| Failure::Pipeline { path: file.to_owned(), problem: error.to_string() })?;
    Ok(client
        .send(
            Method::PUT,
            &client.pipeline_path(spec.name.as_str()),
            "application/toml",
            text.into(),
        )
        .await?)
}

fn list_text(list: &StatusList) -> String {
    if list.pipelines.is_empty() {
        return "no pipelines yet; `tidemill pipeline apply FILE` starts one".to_owned();
    }
    let mut rows = table(&["PIPELINE", "STATE", "BATCHES", "RECORDS IN", "RECORDS OUT", "LAG"]);
    for status in &list.pipelines {
        rows.add_row([
            status.name.clone(),
            status.state.clone(),
            status.batches.to_string(),
            status.input_rows.to_string(),
            status.output_rows.to_string(),
            status.lag.to_string(),
        ]);
    }
    rows.trim_fmt()
}

fn state_text(status: &Status) -> String {
    match &status.reason {
        None => format!("pipeline `{}` is {}", status.name, status.state),
        Some(reason) => format!("pipeline `{}` is {}: {reason}", status.name, status.state),
    }
}

/// Some lines that say how a pipeline does.
pub fn status_text(status: &Status) -> String {
    let mut text = state_text(status);
    text.push_str(&format!(
        "\nbatches: {}{}\nrecords: {} in, {} out, {} late, {} waiting",
        status.batches,
        status.batch_id.map(|id| format!(" (the last is {id})")).unwrap_or_default(),
        status.input_rows,
        status.output_rows,
        status.late_rows,
        status.lag,
    ));
    let times: Vec<String> =
        status.batch_ms.iter().map(|(name, ms)| format!("{name} {ms:.1} ms")).collect();
    if !times.is_empty() {
        text.push_str(&format!("\nbatch time: {}", times.join(", ")));
    }
    let operators = status.rest.get("operators").and_then(Value::as_array);
    if let Some(operators) = operators.filter(|operators| !operators.is_empty()) {
        text.push_str("\n\n");
        text.push_str(&operators_text(operators));
    }
    let canaries = status.rest.get("canaries").and_then(Value::as_array);
    if let Some(canaries) = canaries.filter(|canaries| !canaries.is_empty()) {
        text.push_str("\n\n");
        text.push_str(&upgrade::canaries_text(canaries));
    }
    text
}

fn operators_text(operators: &[Value]) -> String {
    let mut rows = table(&[
        "OPERATOR", "PLUGIN", "CALLS", "RECORDS", "OUT", "BAD", "GUEST", "BOUNDARY", "MEMORY",
    ]);
    for operator in operators {
        let time = |name: &str| {
            let ms = operator[name].as_f64().unwrap_or_default().max(0.0);
            format!("{:.1?}", Duration::from_secs_f64(ms / 1000.0))
        };
        let text = |name: &str| operator[name].as_str().unwrap_or_default();
        let digest = text("digest").trim_start_matches("sha256:");
        rows.add_row([
            text("name").to_owned(),
            format!("{} ({})", text("plugin"), digest.get(..8).unwrap_or(digest)),
            operator["calls"].to_string(),
            operator["records"].to_string(),
            operator["recordsOut"].to_string(),
            bad_text(operator),
            time("timeMs"),
            time("boundaryMs"),
            bytesize::ByteSize(operator["memoryBytesHigh"].as_u64().unwrap_or_default())
                .to_string(),
        ]);
    }
    rows.trim_fmt()
}

/// Bad records, and what became of them.
fn bad_text(operator: &Value) -> String {
    let parts = [("skipped", "skipped"), ("deadLettered", "dead letters")];
    let told: Vec<String> = parts
        .iter()
        .filter_map(|(name, what)| {
            let records = operator[*name].as_u64().filter(|records| *records > 0)?;
            Some(format!("{records} {what}"))
        })
        .collect();
    if told.is_empty() { "0".to_owned() } else { told.join(", ") }
}
