//! `tidemill bench hot-swap`: how long batches take while another version of a plugin is pushed, and while it takes over.
//!
//! Every version is a component that the host has not seen: it is validated and compiled while records flow.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tidemill_log::{BatchBuilder, Log, PartitionId, TopicName, TopicPartition};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::corpus::Corpus;
use super::scratch::{Scratch, upper_case};
use super::{BenchError, percentile};
use crate::api::wire::UpgradeRequest;
use crate::clock;

/// Before each push and before each swap.
const PAUSE: Duration = Duration::from_millis(350);
/// Between two appends of the load, and their records.
const LOAD_PAUSE: Duration = Duration::from_millis(20);
const LOAD_RECORDS: usize = 2_000;
/// The first batches also pay for what starts with them.
const WARM_UP: u64 = 20;

#[derive(Args)]
pub struct HotSwapArgs {
    /// How often another version takes over.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    swaps: u32,
    /// Small sizes: whether it works, not how fast.
    #[arg(long)]
    smoke: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    swaps: u32,
    /// Batches that neither a push nor a swap touched.
    others: Batches,
    /// Batches under way between a push and its answer, and the next one.
    beside_push: Batches,
    /// Batches from the request for another version to the one behind its first.
    beside_swap: Batches,
    /// From the request to the batch that runs the new version.
    upgrade_median_ms: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Batches {
    count: usize,
    median_ms: f64,
    max_ms: f64,
    /// The longest, in medians of the others.
    longest: f64,
    /// The share that took longer than twice the median of the others.
    long_share: f64,
}

impl Figures {
    pub fn text(&self) -> String {
        let line = |what: &str, batches: &Batches| {
            format!(
                "{what:<14} {:>6} batches, median {:>5.1} ms, max {:>5.1} ms = {:.2} x the median of the others; longer than 2 x: {:.1} %",
                batches.count,
                batches.median_ms,
                batches.max_ms,
                batches.longest,
                batches.long_share * 100.0,
            )
        };
        [
            line("beside a swap", &self.beside_swap),
            line("beside a push", &self.beside_push),
            line("others", &self.others),
            format!(
                "{} swaps, each {:.1} ms (median) from the request to the batch with the new version",
                self.swaps, self.upgrade_median_ms
            ),
        ]
        .join("\n")
    }
}

pub async fn run(args: &HotSwapArgs) -> Result<Figures, BenchError> {
    let swaps = if args.smoke { args.swaps.min(2) } else { args.swaps };
    let scratch = Scratch::open(2).await?;
    let input = scratch.create_topic("in", 2).await?;
    scratch.create_topic("out", 2).await?;
    scratch.apply(&upper_case("swap", "50ms")).await?;
    let stop = CancellationToken::new();
    let load = tokio::spawn(load(scratch.host.log(), input, stop.clone()));
    let times = tokio::spawn(batch_times(&scratch, stop.clone())?);
    let ready = tidemill_plugins::ready().iter().find(|ready| ready.name == "upper-case");
    let component = ready.map(|ready| ready.component).unwrap_or_default();
    let last_batch = || {
        let progress = scratch.host.engine().progress("swap").unwrap_or_default();
        progress.last().map_or(0, |batch| batch.batch_id)
    };
    let (mut pushes, mut boundaries, mut took) = (Vec::new(), Vec::new(), Vec::new());
    for swap in 0..swaps {
        tokio::time::sleep(PAUSE).await;
        let (pushed, version) = (renamed(component, swap), format!("1.0.{swap}"));
        let before = last_batch();
        scratch
            .host
            .push_plugin(pushed, Some("swapped".to_owned()), Some(version.clone()))
            .await
            .map_err(|error| BenchError::Wrong { what: error.to_string() })?;
        pushes.push(before + 1..=last_batch() + 1);
        tokio::time::sleep(PAUSE).await;
        let plugin = Some(format!("swapped@{version}"));
        let (before, started) = (last_batch(), clock::now());
        let request = UpgradeRequest { plugin, ..UpgradeRequest::default() };
        let upgraded = scratch.host.upgrade("swap", "upper", request).await?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
        boundaries.push(before + 1..=upgraded.batch + 1);
    }
    tokio::time::sleep(PAUSE).await;
    stop.cancel();
    let wrong = |what: &dyn std::fmt::Display| BenchError::Wrong { what: what.to_string() };
    load.await.map_err(|lost| wrong(&lost))??;
    let times = times.await.map_err(|lost| wrong(&lost))?;
    scratch.close().await;
    Ok(figures(swaps, &times, &pushes, &boundaries, took))
}

/// The same component with other bytes, so that it is compiled anew: a custom section whose name is a number.
fn renamed(component: &[u8], number: u32) -> Vec<u8> {
    let name = format!("{number:08}");
    let section = [&[0, 9, 8], name.as_bytes()].concat();
    [component, &section].concat()
}

async fn load(log: Arc<Log>, topic: TopicName, stop: CancellationToken) -> Result<(), BenchError> {
    let corpus = Corpus::generate(LOAD_RECORDS, 1);
    let mut builder = BatchBuilder::new();
    while !stop.is_cancelled() {
        for partition in 0..2 {
            for line in 0..corpus.lines() {
                builder.push(None, Some(corpus.line(line)), &[], clock::unix_ms())?;
            }
            let at = TopicPartition::new(topic.clone(), PartitionId::new(partition));
            if let Some(batch) = builder.finish() {
                log.append(&at, batch).await?;
            }
        }
        tokio::time::sleep(LOAD_PAUSE).await;
    }
    Ok(())
}

/// Batch and milliseconds of every batch until `stop`.
fn batch_times(
    scratch: &Scratch,
    stop: CancellationToken,
) -> Result<impl Future<Output = Vec<(u64, f64)>> + use<>, BenchError> {
    let batches = scratch.host.engine().subscribe("swap");
    let mut batches =
        batches.ok_or_else(|| BenchError::Wrong { what: "no pipeline".to_owned() })?;
    Ok(async move {
        let mut times = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return times,
                batch = batches.recv() => match batch {
                    Ok(batch) => times.push((batch.batch_id, batch.duration_ms.trigger_execution)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return times,
                },
            }
        }
    })
}

fn figures(
    swaps: u32,
    times: &[(u64, f64)],
    pushes: &[RangeInclusive<u64>],
    boundaries: &[RangeInclusive<u64>],
    mut took: Vec<f64>,
) -> Figures {
    let touched =
        |by: &[RangeInclusive<u64>], batch: u64| by.iter().any(|range| range.contains(&batch));
    let sorted = |wanted: &dyn Fn(u64) -> bool| {
        let wanted = times.iter().filter(|(batch, _)| *batch >= WARM_UP && wanted(*batch));
        let mut sorted: Vec<f64> = wanted.map(|(_, time)| *time).collect();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let at =
        |times: &[f64], percent: usize| percentile(times, percent).copied().unwrap_or_default();
    let others = sorted(&|batch| !touched(pushes, batch) && !touched(boundaries, batch));
    let median = at(&others, 50);
    let batches = |times: &[f64]| Batches {
        count: times.len(),
        median_ms: at(times, 50),
        max_ms: at(times, 100),
        longest: at(times, 100) / median,
        long_share: times.iter().filter(|time| **time > 2.0 * median).count() as f64
            / times.len().max(1) as f64,
    };
    took.sort_by(f64::total_cmp);
    Figures {
        swaps,
        beside_push: batches(&sorted(&|batch| touched(pushes, batch))),
        beside_swap: batches(&sorted(&|batch| touched(boundaries, batch))),
        others: batches(&others),
        upgrade_median_ms: at(&took, 50),
    }
}
