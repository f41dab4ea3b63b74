//! `tidemill bench word-count`: from log to log with state and checkpoints, beside a native count in memory.

use std::time::Duration;

use clap::Args;
use hashbrown::HashMap;
use serde::Serialize;
use tidemill_engine::broker::TopicPartition as BrokerPartition;
use tidemill_log::{BatchBuilder, Batches, PartitionId, TopicName, TopicPartition};

use super::BenchError;
use super::corpus::{Corpus, for_each_word};
use super::scratch::Scratch;
use crate::cli::progress_bar;
use crate::clock;

/// Records of one stored batch, as a producer with a large batch size sends them.
const LINES_PER_BATCH: usize = 5_000;
const TIMEOUT: Duration = Duration::from_secs(600);
const NATIVE_THREADS: usize = 2;

#[derive(Args)]
pub struct WordCountArgs {
    /// Lines to count.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    lines: u64,
    /// Partitions of the input topic.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    partitions: u32,
    /// Threads that run batches.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Times to run; the best counts, for both sides.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Small sizes: whether it works, not how fast.
    #[arg(long)]
    smoke: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    lines: u64,
    bytes: u64,
    words: u64,
    batches: u64,
    seconds: f64,
    lines_per_second: f64,
    native_seconds: f64,
    native_lines_per_second: f64,
    /// Of the native speed.
    ratio: f64,
}

impl Figures {
    pub fn text(&self) -> String {
        format!(
            "word count, log to log: {:.0} lines/s ({} lines, {} MB, {} batches, {:.2} s)\n\
             native, {NATIVE_THREADS} threads, in memory: {:.0} lines/s ({:.2} s)\n\
             ratio: {:.2} of native; {} words, all counts right",
            self.lines_per_second,
            self.lines,
            self.bytes / 1_000_000,
            self.batches,
            self.seconds,
            self.native_lines_per_second,
            self.native_seconds,
            self.ratio,
            self.words,
        )
    }
}

type Counts<'a> = HashMap<&'a [u8], u64, foldhash::fast::RandomState>;

pub async fn run(args: &WordCountArgs) -> Result<Figures, BenchError> {
    let lines = if args.smoke { args.lines.min(20_000) } else { args.lines };
    let corpus = Corpus::generate(lines as usize, 42);
    let (mut seconds, mut native_seconds, mut batches) = (f64::MAX, f64::MAX, 0);
    let mut words = 0;
    for _ in 0..args.runs {
        let started = clock::now();
        let counts = count_natively(&corpus);
        native_seconds = native_seconds.min(started.elapsed().as_secs_f64());
        words = counts.len() as u64;
        let (took, ran) = run_pipeline(args, &corpus, &counts).await?;
        batches = ran;
        seconds = seconds.min(took.as_secs_f64());
    }
    Ok(Figures {
        lines,
        bytes: corpus.bytes() as u64,
        words,
        batches,
        seconds,
        lines_per_second: lines as f64 / seconds,
        native_seconds,
        native_lines_per_second: lines as f64 / native_seconds,
        ratio: native_seconds / seconds,
    })
}

/// What a good programmer would write for lines in memory: a map for each thread, then one of both.
fn count_natively(corpus: &Corpus) -> Counts<'_> {
    let share = corpus.lines().div_ceil(NATIVE_THREADS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..NATIVE_THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    count_range(corpus, thread * share, ((thread + 1) * share).min(corpus.lines()))
                })
            })
            .collect();
        let mut total = Counts::default();
        for counts in threads.into_iter().filter_map(|thread| thread.join().ok()) {
            for (word, count) in counts {
                *total.entry(word).or_insert(0) += count;
            }
        }
        total
    })
}

fn count_range(corpus: &Corpus, from: usize, to: usize) -> Counts<'_> {
    let mut counts = Counts::default();
    for line in from..to {
        for_each_word(corpus.line(line), |word| *counts.entry(word).or_insert(0) += 1);
    }
    counts
}

/// The timed part is from applying the pipeline until it has finished: load, every batch, every commit.
async fn run_pipeline(
    args: &WordCountArgs,
    corpus: &Corpus,
    expected: &Counts<'_>,
) -> Result<(Duration, u64), BenchError> {
    let scratch = Scratch::open(args.workers).await?;
    let lines = scratch.create_topic("lines", args.partitions).await?;
    load(&scratch, &lines, args.partitions, corpus).await?;
    let started = clock::now();
    scratch.apply(PIPELINE).await?;
    scratch.wait_until_finished("word-count", TIMEOUT).await?;
    let took = started.elapsed();
    let batches = scratch.host.engine().status("word-count").map_or(0, |status| status.batches);
    check(&scratch, expected).await?;
    scratch.close().await;
    Ok((took, batches))
}

const PIPELINE: &str = r#"name = "word-count"
trigger = "available-now"

[[source]]
name = "lines"
topic = "lines"

[[operator]]
name = "split"
plugin = "split-words"
input = "lines"

[[operator]]
name = "count"
plugin = "count"
input = "split"

[[sink]]
name = "out"
input = "count"
topic = "counts"
"#;

async fn load(
    scratch: &Scratch,
    topic: &TopicName,
    partitions: u32,
    corpus: &Corpus,
) -> Result<(), BenchError> {
    let bar = progress_bar(Some(corpus.lines() as u64), "loading lines");
    let log = scratch.host.log();
    let mut builder = BatchBuilder::new();
    for (batch, first) in (0_u32..).zip((0..corpus.lines()).step_by(LINES_PER_BATCH)) {
        let last = (first + LINES_PER_BATCH).min(corpus.lines());
        for line in first..last {
            builder.push(None, Some(corpus.line(line)), &[], clock::unix_ms())?;
        }
        if let Some(encoded) = builder.finish() {
            let at = TopicPartition::new(topic.clone(), PartitionId::new(batch % partitions));
            log.append(&at, encoded).await?;
        }
        bar.set_position(last as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

/// The last total of each word must be the native one.
async fn check(scratch: &Scratch, expected: &Counts<'_>) -> Result<(), BenchError> {
    let wrong = |what: String| BenchError::Wrong { what };
    let broker = scratch.host.broker();
    let mut totals: HashMap<Vec<u8>, u64> = HashMap::new();
    for (partition, bounds) in (0..).zip(broker.bounds("counts").await?) {
        let at = BrokerPartition { topic: "counts".into(), partition };
        let mut next = bounds.start;
        while next < bounds.end {
            let fetched = broker.fetch(&at, next, bounds.end, 4 << 20).await?;
            for bytes in &fetched.batches {
                for batch in Batches::new(bytes) {
                    let records = batch
                        .and_then(|batch| batch.records())
                        .map_err(|error| wrong(error.to_string()))?;
                    for record in records {
                        let record = record.map_err(|error| wrong(error.to_string()))?;
                        let total = std::str::from_utf8(record.value.unwrap_or_default())
                            .ok()
                            .and_then(|text| text.parse().ok());
                        totals.insert(
                            record.key.unwrap_or_default().to_vec(),
                            total.ok_or_else(|| wrong("a total is no number".to_owned()))?,
                        );
                    }
                }
            }
            next = fetched.next.max(next + 1);
        }
    }
    let differing = expected.iter().find(|(word, count)| totals.get(**word) != Some(count));
    if let Some((word, count)) = differing {
        let word_text = String::from_utf8_lossy(word);
        return Err(wrong(format!(
            "word `{word_text}` has the count {:?} instead of {count}",
            totals.get(*word)
        )));
    }
    if totals.len() != expected.len() {
        return Err(wrong(format!(
            "there are {} words instead of {}",
            totals.len(),
            expected.len()
        )));
    }
    Ok(())
}
