//! `tidemill pipeline upgrade | promote | rollback | replay`.

use clap::{ArgGroup, Args};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidemill_plugin::{SettingValue, Settings};

use super::parameter::parameter;
use super::{Failure, Output, table};
use crate::api::wire::{
    CanaryLength, OnDifference, ReplayRequest, RollbackRequest, StateChoice, UpgradeRequest,
    Upgraded,
};
use crate::client::Client;

#[derive(Args)]
#[command(group(ArgGroup::new("change").required(true).multiple(true).args(["to", "params"])))]
pub struct UpgradeArgs {
    /// Name of the pipeline.
    pipeline: String,
    /// Name of the operator in it.
    #[arg(long, value_name = "NAME")]
    operator: String,
    /// The plugin: `name`, `name@version` (`name@2` is the newest of those) or `sha256:…`.
    #[arg(long, value_name = "PLUGIN")]
    to: Option<String>,
    /// A parameter that changes. Text that looks like a number goes in quotes: `'column="7"'`.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    params: Vec<(String, SettingValue)>,
    /// Try it first beside what runs, for so long (`5m`, `100-batches`). Without a difference it then takes over.
    #[arg(long, value_name = "LENGTH", value_parser = canary)]
    canary: Option<CanaryLength>,
    /// What the first difference does to a trial.
    #[arg(long, value_enum, default_value_t, requires = "canary")]
    on_difference: OnDifference,
}

#[derive(Args)]
pub struct OperatorArgs {
    /// Name of the pipeline.
    pipeline: String,
    /// Name of the operator in it.
    #[arg(long, value_name = "NAME")]
    operator: String,
}

#[derive(Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    of: OperatorArgs,
    /// The state that the version before goes on with. `before` leaves out what later batches did to it.
    #[arg(long, value_enum, default_value_t)]
    state: StateChoice,
}

#[derive(Args)]
pub struct ReplayArgs {
    /// Name of the pipeline.
    pipeline: String,
    /// Number of the batch.
    #[arg(long, value_name = "N")]
    batch: u64,
    /// The operator that runs the other plugin; needed where there are several.
    #[arg(long, value_name = "NAME", requires = "with")]
    operator: Option<String>,
    /// A plugin instead of the one that ran.
    #[arg(long, value_name = "PLUGIN")]
    with: Option<String>,
}

pub async fn upgrade(client: &Client, args: UpgradeArgs, output: Output) -> Result<(), Failure> {
    let UpgradeArgs { pipeline, operator, to, params, canary, on_difference } = args;
    let params = (!params.is_empty()).then(|| params.into_iter().collect::<Settings>());
    let request = UpgradeRequest { plugin: to, params, canary, on_difference };
    let path = path(client, &pipeline, &operator, "upgrade");
    let upgraded: Upgraded = client.post_json(&path, &request).await?;
    output.print(&upgraded, upgraded_text)
}

pub async fn promote(client: &Client, args: OperatorArgs, output: Output) -> Result<(), Failure> {
    let path = path(client, &args.pipeline, &args.operator, "promote");
    let upgraded: Upgraded = client.post_json(&path, &serde_json::json!({})).await?;
    output.print(&upgraded, upgraded_text)
}

pub async fn rollback(client: &Client, args: RollbackArgs, output: Output) -> Result<(), Failure> {
    let RollbackArgs { of, state } = args;
    let path = path(client, &of.pipeline, &of.operator, "rollback");
    let upgraded: Upgraded = client.post_json(&path, &RollbackRequest { state }).await?;
    output.print(&upgraded, upgraded_text)
}

pub async fn replay(client: &Client, args: ReplayArgs, output: Output) -> Result<(), Failure> {
    let ReplayArgs { pipeline, batch, operator, with } = args;
    let path = format!("{}/replay", client.pipeline_path(&pipeline));
    let request = ReplayRequest { batch, operator, with };
    let replayed: Replayed = client.post_json(&path, &request).await?;
    output.print(&replayed, replayed_text)
}

fn path(client: &Client, pipeline: &str, operator: &str, action: &str) -> String {
    let operators = format!("{}/operators", client.pipeline_path(pipeline));
    format!("{}/{action}", client.below(&operators, operator))
}

/// `100-batches`, or a duration.
fn canary(text: &str) -> Result<CanaryLength, String> {
    if let Some(batches) = text.strip_suffix("-batches") {
        let batches = batches.parse().map_err(|_| "it is written `100-batches`")?;
        return Ok(CanaryLength::Batches(batches));
    }
    let length = humantime::parse_duration(text)
        .map_err(|_| "it is written `5m`, `30s` or `100-batches`".to_owned())?;
    Ok(CanaryLength::ForMs(i64::try_from(length.as_millis()).unwrap_or(i64::MAX)))
}

fn upgraded_text(upgraded: &Upgraded) -> String {
    let Upgraded { pipeline, operator, batch, plugin, canary, .. } = upgraded;
    match canary {
        None => format!("operator `{operator}` runs {plugin} from batch {batch} on"),
        Some(tried) => format!(
            "{tried} is tried beside {plugin} from batch {batch} on\n\
             `tidemill pipeline status {pipeline}` shows how it does"
        ),
    }
}

/// What came out of a batch that was run once more.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    batch: u64,
    records: u64,
    plugins: std::collections::BTreeMap<String, String>,
    sinks: Vec<Sink>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Sink {
    name: String,
    records: u64,
    shown: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    value: Option<String>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

fn replayed_text(replayed: &Replayed) -> String {
    let Replayed { batch, records, plugins, sinks, .. } = replayed;
    let ran: Vec<String> =
        plugins.iter().map(|(operator, plugin)| format!("{operator}: {plugin}")).collect();
    let mut text = format!(
        "batch {batch} once more, {records} records; nothing was committed\nran {}",
        ran.join(", ")
    );
    for sink in sinks {
        text.push_str(&format!("\n\n{}: {} records", sink.name, sink.records));
        for Record { key, value, .. } in &sink.shown {
            let key = key.as_ref().map_or_else(String::new, |key| format!("{key}\t"));
            text.push_str(&format!("\n{key}{}", value.as_deref().unwrap_or("(no value)")));
        }
        let more = sink.records.saturating_sub(sink.shown.len() as u64);
        if more > 0 {
            text.push_str(&format!("\n… and {more} more"));
        }
    }
    text
}

/// How the versions that are tried do, as lines for a pipeline's status.
pub fn canaries_text(canaries: &[Value]) -> String {
    let mut rows = table(&["TRIED AT", "PLUGIN", "RECORDS", "DIFFERENT", "FAILED CALLS", "STATE"]);
    for canary in canaries {
        let text = |name: &str| canary[name].as_str().unwrap_or_default();
        let state = match text("ended") {
            "" => "running",
            "difference" => "ended: it differs",
            "failures" => "ended: its calls fail",
            _ => "ended: promote it or roll it back",
        };
        rows.add_row([
            text("operator").to_owned(),
            format!("{}@{}", text("plugin"), text("version")),
            canary["records"].to_string(),
            canary["different"].to_string(),
            canary["failedCalls"].to_string(),
            state.to_owned(),
        ]);
    }
    let mut shown = rows.trim_fmt();
    for sample in canaries.iter().filter_map(|canary| canary["samples"].get(0)) {
        shown.push_str(&format!(
            "\n\nfirst difference, batch {}: key {}, value {}\n  old: {}\n  new: {}",
            sample["batch"], sample["key"], sample["value"], sample["old"], sample["new"]
        ));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_last_for_a_time_or_for_batches() {
        assert_eq!(canary("100-batches"), Ok(CanaryLength::Batches(100)));
        assert_eq!(canary("5m"), Ok(CanaryLength::ForMs(300_000)));
        assert!(canary("soon").is_err() && canary("x-batches").is_err());
    }
}
