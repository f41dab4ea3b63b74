//! `tidemill bench append`: many producers at once share their fdatasyncs; one has to wait for its own.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tidemill_log::{
    AppendError, BatchBuilder, EncodedBatch, Log, PartitionId, TopicName, TopicPartition,
};

use super::BenchError;
use super::scratch::Scratch;
use crate::clock;

const RECORD_BYTES: usize = 1024;

#[derive(Args)]
pub struct AppendArgs {
    /// Producers at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    producers: u32,
    /// Seconds for each side.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Small sizes: whether it works, not how fast.
    #[arg(long)]
    smoke: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    producers: u32,
    appends_per_second: f64,
    one_appends_per_second: f64,
    /// Of one producer's appends.
    ratio: f64,
    syncs: u64,
}

impl Figures {
    pub fn text(&self) -> String {
        format!(
            "{} producers of 1 KiB, each append durable: {:.0} appends/s\none producer: {:.0} appends/s\nratio: {:.1} x one ({} syncs in all)",
            self.producers,
            self.appends_per_second,
            self.one_appends_per_second,
            self.ratio,
            self.syncs,
        )
    }
}

pub async fn run(args: &AppendArgs) -> Result<Figures, BenchError> {
    let duration =
        if args.smoke { Duration::from_millis(200) } else { Duration::from_secs(args.seconds) };
    let scratch = Scratch::open(1).await?;
    let topic = scratch.create_topic("records", 1).await?;
    let log = scratch.host.log();
    let one = measure(&log, &topic, 1, duration).await?;
    let many = measure(&log, &topic, args.producers, duration).await?;
    let syncs = log.metrics().syncs_total;
    scratch.close().await;
    Ok(Figures {
        producers: args.producers,
        appends_per_second: many,
        one_appends_per_second: one,
        ratio: many / one,
        syncs,
    })
}

/// Appends a second, over all producers.
async fn measure(
    log: &Arc<Log>,
    topic: &TopicName,
    producers: u32,
    duration: Duration,
) -> Result<f64, BenchError> {
    let record = batch()?;
    let started = clock::now();
    let tasks: Vec<_> = (0..producers)
        .map(|_| {
            let (log, at, record) = (
                Arc::clone(log),
                TopicPartition::new(topic.clone(), PartitionId::new(0)),
                record.clone(),
            );
            tokio::spawn(async move {
                let mut appends = 0_u64;
                while started.elapsed() < duration {
                    log.append(&at, record.clone()).await?;
                    appends += 1;
                }
                Ok::<u64, AppendError>(appends)
            })
        })
        .collect();
    let mut appends = 0;
    for task in tasks {
        appends += task.await.map_err(|error| BenchError::Wrong { what: error.to_string() })??;
    }
    Ok(appends as f64 / started.elapsed().as_secs_f64())
}

fn batch() -> Result<EncodedBatch, BenchError> {
    let mut builder = BatchBuilder::new();
    builder.push(None, Some(&[b'x'; RECORD_BYTES]), &[], clock::unix_ms())?;
    builder.finish().ok_or_else(|| BenchError::Wrong { what: "the batch is empty".to_owned() })
}
