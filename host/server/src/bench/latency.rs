//! `tidemill bench latency`: one record at a time through `upper-case`, from produce to readable.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tidemill_engine::broker::{Broker, TopicPartition as BrokerPartition};
use tidemill_log::{BatchBuilder, PartitionId, TopicPartition};

use super::scratch::{Scratch, upper_case};
use super::{BenchError, percentile};
use crate::clock;

const PAUSE: Duration = Duration::from_millis(17);
const TIMEOUT: Duration = Duration::from_secs(10);
/// The first records also pay for what starts with them.
const WARM_UP: u32 = 20;

#[derive(Args)]
pub struct LatencyArgs {
    /// Records to send, one after the other.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    records: u32,
    /// Small sizes: whether it works, not how fast.
    #[arg(long)]
    smoke: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    records: u32,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// One durable append, in the same run.
    append_p50_ms: f64,
    /// Of one durable append.
    ratio: f64,
}

impl Figures {
    pub fn text(&self) -> String {
        format!(
            "produce to readable through upper-case, exactly once, batch_interval 5 ms: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms ({} records)\n\
             one durable append alone: p50 {:.1} ms\nratio: {:.1} x one append",
            self.p50_ms, self.p99_ms, self.max_ms, self.records, self.append_p50_ms, self.ratio,
        )
    }
}

pub async fn run(args: &LatencyArgs) -> Result<Figures, BenchError> {
    let records = if args.smoke { args.records.min(20) } else { args.records };
    let scratch = Scratch::open(2).await?;
    let input = TopicPartition::new(scratch.create_topic("in", 1).await?, PartitionId::new(0));
    scratch.create_topic("out", 1).await?;
    scratch.apply(&upper_case("upper", "5ms")).await?;
    let broker = scratch.host.broker();
    let output = BrokerPartition { topic: "out".into(), partition: 0 };
    let (mut latencies, mut appends) = (Vec::new(), Vec::new());
    let mut builder = BatchBuilder::new();
    for record in 0..records + WARM_UP {
        let seen = end_of(broker.as_ref(), &output).await?;
        builder.push(None, Some(b"one record, to be in capital letters"), &[], clock::unix_ms())?;
        let Some(batch) = builder.finish() else { continue };
        let started = clock::now();
        scratch.host.log().append(&input, batch).await?;
        let appended = started.elapsed();
        let position = [(output.clone(), seen)];
        let readable = broker.wait_for_records(&position);
        tokio::time::timeout(TIMEOUT, readable)
            .await
            .map_err(|_| BenchError::TimedOut { within: TIMEOUT })??;
        if record >= WARM_UP {
            latencies.push(started.elapsed());
            appends.push(appended);
        }
        // The transaction's marker moves the end as well; the pause also keeps batches from following a rhythm.
        tokio::time::sleep(PAUSE + Duration::from_micros(u64::from(record) * 137 % 5000)).await;
    }
    scratch.close().await;
    Ok(figures(records, latencies, appends))
}

async fn end_of(broker: &dyn Broker, at: &BrokerPartition) -> Result<i64, BenchError> {
    let bounds = broker.bounds(&at.topic).await?;
    Ok(bounds.get(at.partition as usize).map_or(0, |bounds| bounds.end))
}

fn figures(records: u32, mut latencies: Vec<Duration>, mut appends: Vec<Duration>) -> Figures {
    latencies.sort();
    appends.sort();
    let at = |times: &[Duration], percent: usize| {
        percentile(times, percent).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    let (p50_ms, append_p50_ms) = (at(&latencies, 50), at(&appends, 50));
    Figures {
        records,
        p50_ms,
        p99_ms: at(&latencies, 99),
        max_ms: at(&latencies, 100),
        append_p50_ms,
        ratio: p50_ms / append_p50_ms,
    }
}
