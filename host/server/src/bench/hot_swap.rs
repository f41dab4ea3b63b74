//! `tidemill bench hot-swap`: how long batches take while another version of a plugin takes over.
//!
//! Every swap is to a component that the host has not seen: it is validated and compiled while records flow.

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

/// Between two swaps.
const PAUSE: Duration = Duration::from_millis(700);
/// Between two appends of the load, and their records.
const LOAD_PAUSE: Duration = Duration::from_millis(20);
const LOAD_RECORDS: usize = 2_000;
/// Batches before and behind the boundary that count as touched by the swap.
const NEAR: u64 = 1;
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
    batches: usize,
    /// Of batches that no swap touched.
    median_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Of batches beside a swap.
    swap_median_ms: f64,
    swap_max_ms: f64,
    /// The longest batch beside a swap, in medians.
    ratio: f64,
    /// Batches beside a swap, and the share of them that took longer than twice the median.
    swap_batches: usize,
    swap_long_share: f64,
    /// The same share where no swap was near: what of it is the machine's.
    long_share: f64,
    /// From the request to the batch that runs the new version, compiling included.
    upgrade_median_ms: f64,
}

impl Figures {
    pub fn text(&self) -> String {
        format!(
            "{} batches, no swap near: median {:.1} ms, p99 {:.1} ms, max {:.1} ms\n\
             batches beside one of {} swaps: median {:.1} ms, max {:.1} ms\n\
             an upgrade takes {:.1} ms (median), compiling included\n\
             ratio: the longest batch beside a swap is {:.2} x the median\n\
             longer than 2 x the median: {:.1} % of {} batches beside a swap, {:.1} % of the others",
            self.batches,
            self.median_ms,
            self.p99_ms,
            self.max_ms,
            self.swaps,
            self.swap_median_ms,
            self.swap_max_ms,
            self.upgrade_median_ms,
            self.ratio,
            self.swap_long_share * 100.0,
            self.swap_batches,
            self.long_share * 100.0,
        )
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
    let (mut boundaries, mut took) = (Vec::new(), Vec::new());
    for swap in 0..swaps {
        tokio::time::sleep(PAUSE).await;
        let (pushed, version) = (renamed(component, swap), format!("1.0.{swap}"));
        scratch
            .host
            .push_plugin(pushed, Some("swapped".to_owned()), Some(version.clone()))
            .await
            .map_err(|error| BenchError::Wrong { what: error.to_string() })?;
        let plugin = Some(format!("swapped@{version}"));
        let started = clock::now();
        let request = UpgradeRequest { plugin, ..UpgradeRequest::default() };
        let upgraded = scratch.host.upgrade("swap", "upper", request).await?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
        boundaries.push(upgraded.batch);
    }
    tokio::time::sleep(PAUSE).await;
    stop.cancel();
    let wrong = |what: &dyn std::fmt::Display| BenchError::Wrong { what: what.to_string() };
    load.await.map_err(|lost| wrong(&lost))??;
    let times = times.await.map_err(|lost| wrong(&lost))?;
    scratch.close().await;
    Ok(figures(swaps, &times, &boundaries, took))
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

fn figures(swaps: u32, times: &[(u64, f64)], boundaries: &[u64], mut took: Vec<f64>) -> Figures {
    let is_near =
        |batch: u64| boundaries.iter().any(|at| batch + NEAR >= *at && batch <= at + NEAR);
    let measured = times.iter().filter(|(batch, _)| *batch >= WARM_UP);
    let (near, far): (Vec<_>, Vec<_>) = measured.partition(|(batch, _)| is_near(*batch));
    let sorted = |times: Vec<&(u64, f64)>| {
        let mut sorted: Vec<f64> = times.into_iter().map(|(_, time)| *time).collect();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let (near, far) = (sorted(near), sorted(far));
    took.sort_by(f64::total_cmp);
    let at =
        |times: &[f64], percent: usize| percentile(times, percent).copied().unwrap_or_default();
    let median = at(&far, 50);
    let long_share = |times: &[f64]| {
        let long = times.iter().filter(|time| **time > 2.0 * median).count();
        long as f64 / times.len().max(1) as f64
    };
    Figures {
        swaps,
        batches: far.len(),
        median_ms: median,
        p99_ms: at(&far, 99),
        max_ms: at(&far, 100),
        swap_median_ms: at(&near, 50),
        swap_max_ms: at(&near, 100),
        ratio: at(&near, 100) / median,
        swap_batches: near.len(),
        swap_long_share: long_share(&near),
        long_share: long_share(&far),
        upgrade_median_ms: at(&took, 50),
    }
}
