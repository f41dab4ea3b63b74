//! The demo step by step: set up, write, crash, go on, end the windows, check.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::Method;

use super::DemoError;
use super::access_log::closing_line;
use super::check;
use super::expected::{self, Latencies, WINDOW_MS};
use super::host_process::HostProcess;
use super::input::Input;
use super::live::Live;
use super::pipelines::{self, LINES_TOPIC, PAGE_LATENCY, PARTITIONS, WORD_COUNT};
use super::report::{BatchTimes, PageRow, Report, WordRow};
use super::writer::{Writer, send};
use crate::api::wire::{NewTopic, TopicDescription};
use crate::cli::Status;
use crate::client::Client;
use crate::clock;

/// Between two looks at the pipelines.
const LOOK_PERIOD: Duration = Duration::from_millis(300);
/// How long the pipelines may take for what is left once everything is written.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);
/// The first batch after the crash.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(30);
/// Beyond what the input needs: partitions are read side by side.
const DELAY_MS_MIN: i64 = 10_000;
/// How many chunks a batch may be ahead in one partition: some may come while it is planned.
const CHUNKS_AHEAD: usize = 16;
/// Some batch intervals.
const SETTLE: Duration = Duration::from_millis(600);
/// Rows of the small tables.
const TOP: usize = 5;

/// What the demo runs, decided before anything is written.
struct Plan {
    pages: Latencies,
    parsed_lines: usize,
    delay_ms: i64,
    closing: Vec<String>,
}

impl Plan {
    fn new(input: &Input) -> Plan {
        let pages = expected::measure_pages(input);
        let parsed_lines = pages.values().map(|page| page.count as usize).sum();
        let delay_ms = expected::delay_needed_ms(input, CHUNKS_AHEAD).max(DELAY_MS_MIN);
        let last_window = pages.keys().map(|(_, window)| *window).max();
        // Past the end of the last window and its delay, so that the watermark closes it.
        let closing =
            last_window.map(|window| closing_line(window + 2 * WINDOW_MS + delay_ms + 1000));
        Plan {
            pages,
            parsed_lines,
            delay_ms,
            closing: closing.into_iter().cycle().take(PARTITIONS as usize).collect(),
        }
    }

    fn with_pages(&self) -> bool {
        !self.pages.is_empty()
    }

    fn pipelines(&self) -> Vec<&'static str> {
        if self.with_pages() { vec![PAGE_LATENCY, WORD_COUNT] } else { vec![WORD_COUNT] }
    }
}

/// Runs the demo on a fresh host. Gives back the host that is up at the end.
pub async fn tell(
    host: HostProcess,
    input: &Input,
    duration: Duration,
) -> Result<(HostProcess, Report), DemoError> {
    let plan = Plan::new(input);
    let mut scene = Scene {
        live: Live::new(input.line_count() as u64, plan.pipelines().len()),
        times: BatchTimes::default(),
        last_look: None,
        started: clock::now(),
        plan,
    };
    scene.live.say(&format!(
        "a host is up at {} ({:.0?} from start to ready)",
        host.address(),
        host.started_in()
    ));
    scene.set_up(&host.client()?).await?;
    let mut writer = Writer::new(input, LINES_TOPIC, PARTITIONS, duration);
    scene.write(&mut writer, &host.client()?, input.line_count() as u64 / 2).await?;
    let (host, recovery) = scene.crash(host, &mut writer).await?;
    scene.write(&mut writer, &host.client()?, u64::MAX).await?;
    scene.end_windows(&host.client()?).await?;
    scene.drain(&host.client()?).await?;
    let report = scene.check(&host.client()?, input, recovery).await?;
    scene.live.finish();
    Ok((host, report))
}

/// How long the crash was felt.
pub struct Recovery {
    /// From the kill until the new host was ready.
    pub ready: Duration,
    /// From the kill until every pipeline had committed a batch.
    pub first_batch: Duration,
}

struct Scene {
    plan: Plan,
    live: Live,
    times: BatchTimes,
    last_look: Option<Instant>,
    started: Instant,
}

impl Scene {
    async fn set_up(&mut self, client: &Client) -> Result<(), DemoError> {
        for topic in [LINES_TOPIC, PAGE_LATENCY, WORD_COUNT] {
            let new = NewTopic {
                name: topic.to_owned(),
                partitions: Some(PARTITIONS),
                // The event times of an old log must not make retention delete its results.
                retention_ms: Some(-1),
                retention_bytes: None,
                flush_interval_ms: None,
                configs: BTreeMap::new(),
            };
            let _: TopicDescription = client.post_json("/api/v1/topics", &new).await?;
        }
        for pipeline in self.plan.pipelines() {
            let text = if pipeline == WORD_COUNT {
                pipelines::word_count()
            } else {
                pipelines::page_latency(self.plan.delay_ms)
            };
            let _: Status = client
                .send(Method::PUT, &client.pipeline_path(pipeline), "application/toml", text.into())
                .await?;
        }
        self.live.say(&format!("pipelines are running: {}", self.plan.pipelines().join(", ")));
        Ok(())
    }

    /// Writes until so many lines are in the topic.
    async fn write(
        &mut self,
        writer: &mut Writer<'_>,
        client: &Client,
        until: u64,
    ) -> Result<(), DemoError> {
        while !writer.is_done() && writer.lines_written() < until {
            writer.write_next(client).await?;
            self.look(client, writer.lines_written()).await?;
        }
        Ok(())
    }

    /// Kills the host while a chunk is on its way, starts it again, and finds the writer's place.
    async fn crash(
        &mut self,
        mut host: HostProcess,
        writer: &mut Writer<'_>,
    ) -> Result<(HostProcess, Recovery), DemoError> {
        self.live
            .say(&format!("killing the host (SIGKILL) after {} records", writer.lines_written()));
        let client = host.client()?;
        writer.hurry();
        let kill = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            host.kill().await
        };
        let killed_at = clock::now();
        let (written, killed) = tokio::join!(writer.write_next(&client), kill);
        killed?;
        if let Err(error) = written
            && !error.is_retryable()
        {
            return Err(error);
        }
        let host = host.restart().await?;
        let ready = killed_at.elapsed();
        let client = host.client()?;
        writer.find_place(&client).await?;
        let first_batch = self.first_batches(writer, &client, killed_at).await?;
        self.live.say(&format!("it is back: ready {ready:.0?} after the kill, all pipelines at work after {first_batch:.0?}"));
        Ok((host, Recovery { ready, first_batch }))
    }

    /// Goes on writing until every pipeline has committed a batch of its new run.
    async fn first_batches(
        &mut self,
        writer: &mut Writer<'_>,
        client: &Client,
        since: Instant,
    ) -> Result<Duration, DemoError> {
        while since.elapsed() < RECOVERY_TIMEOUT {
            writer.write_next(client).await?;
            let statuses = self.statuses(client).await?;
            if statuses.iter().all(|status| status.batches > 0) {
                break;
            }
            if writer.is_done() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(since.elapsed())
    }

    /// A request far enough in the future, in each partition: its time closes every window of the input.
    async fn end_windows(&mut self, client: &Client) -> Result<(), DemoError> {
        for (partition, line) in (0..).zip(&self.plan.closing) {
            send(client, LINES_TOPIC, partition, Bytes::from(line.clone())).await?;
        }
        Ok(())
    }

    /// Waits until everything is read and every window of the input has closed.
    async fn drain(&mut self, client: &Client) -> Result<(), DemoError> {
        let started = clock::now();
        while started.elapsed() < DRAIN_TIMEOUT {
            self.last_look = None;
            let statuses = self.look(client, self.live.lines()).await?;
            if statuses.iter().all(|status| status.lag == 0 && status.batches > 0)
                && check::count(client, PAGE_LATENCY).await? >= self.plan.pages.len() as u64
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Whatever comes twice would come now.
        tokio::time::sleep(SETTLE).await;
        Ok(())
    }

    async fn check(
        &mut self,
        client: &Client,
        input: &Input,
        recovery: Recovery,
    ) -> Result<Report, DemoError> {
        self.live.say("computing both results again from the input alone, and comparing");
        let closing = self.plan.closing.iter().map(|line| line.trim_end().as_bytes());
        let word_counts = expected::count_words(input.lines().chain(closing));
        let (word_records, mut differences) =
            check::words(client, WORD_COUNT, &word_counts).await?;
        let mut page_records = 0;
        if self.plan.with_pages() {
            let (records, page_differences) =
                check::pages(client, PAGE_LATENCY, &self.plan.pages).await?;
            page_records = records;
            differences.count += page_differences.count;
            differences.shown.extend(page_differences.shown);
        }
        let late: u64 = self.statuses(client).await?.iter().map(|status| status.late_rows).sum();
        Ok(Report {
            records_in: input.line_count() as u64,
            closing_records: self.plan.closing.len() as u64,
            parsed_records: self.plan.parsed_lines as u64,
            word_records,
            words: word_counts.len() as u64,
            page_records,
            pages: self.plan.pages.len() as u64,
            late_records: late,
            exactly_once: differences.count == 0,
            differences: differences.count,
            shown_differences: differences.shown,
            batches: self.times.count(),
            batch_p50_ms: self.times.percentile(50.0),
            batch_p99_ms: self.times.percentile(99.0),
            recovery_ready_ms: recovery.ready.as_millis() as u64,
            recovery_first_batch_ms: recovery.first_batch.as_millis() as u64,
            took_seconds: self.started.elapsed().as_secs_f64(),
            top_words: WordRow::top(&word_counts, TOP),
            slowest_pages: PageRow::slowest(&self.plan.pages, TOP),
        })
    }

    /// Shows how far things are, now and then.
    async fn look(&mut self, client: &Client, written: u64) -> Result<Vec<Status>, DemoError> {
        if self.last_look.is_some_and(|last| last.elapsed() < LOOK_PERIOD) {
            return Ok(Vec::new());
        }
        self.last_look = Some(clock::now());
        let statuses = self.statuses(client).await?;
        for pipeline in self.plan.pipelines() {
            let path = format!("{}/progress", client.pipeline_path(pipeline));
            self.times.add(pipeline, &client.get_json(&path).await?);
        }
        self.live.show(written, &statuses);
        Ok(statuses)
    }

    async fn statuses(&self, client: &Client) -> Result<Vec<Status>, DemoError> {
        let mut statuses = Vec::new();
        for pipeline in self.plan.pipelines() {
            let status: Status = client.get_json(&client.pipeline_path(pipeline)).await?;
            if status.state == "failed" {
                let reason = status.reason.unwrap_or_default();
                return Err(DemoError::PipelineFailed { pipeline: pipeline.to_owned(), reason });
            }
            statuses.push(status);
        }
        Ok(statuses)
    }
}
