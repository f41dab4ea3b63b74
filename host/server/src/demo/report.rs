//! What the demo tells at its end.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::DemoError;
use super::expected::{Latencies, Latency, WordCounts};
use crate::cli::table;

/// How long each batch took, however often it was looked at.
#[derive(Default)]
pub struct BatchTimes {
    by_batch: BTreeMap<(String, u64), f64>,
}

impl BatchTimes {
    /// Adds what `GET …/progress` answered.
    pub fn add(&mut self, pipeline: &str, answer: &Value) {
        for progress in answer["progress"].as_array().into_iter().flatten() {
            if let (Some(batch), Some(ms)) =
                (progress["batchId"].as_u64(), progress["durationMs"]["triggerExecution"].as_f64())
            {
                self.by_batch.insert((pipeline.to_owned(), batch), ms);
            }
        }
    }

    pub fn count(&self) -> u64 {
        self.by_batch.len() as u64
    }

    /// The time that so many percent of the batches stayed within.
    pub fn percentile(&self, percent: f64) -> f64 {
        let mut times: Vec<f64> = self.by_batch.values().copied().collect();
        times.sort_by(f64::total_cmp);
        let rank = (percent / 100.0 * times.len() as f64).ceil() as usize;
        times.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }
}

#[derive(Debug, Serialize)]
pub struct WordRow {
    word: String,
    count: u64,
}

impl WordRow {
    pub fn top(counts: &WordCounts, rows: usize) -> Vec<WordRow> {
        let mut sorted: Vec<_> = counts.iter().collect();
        sorted.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
        let top = sorted.into_iter().take(rows);
        top.map(|(word, count)| WordRow {
            word: String::from_utf8_lossy(word).into_owned(),
            count: *count,
        })
        .collect()
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageRow {
    path: String,
    requests: u64,
    mean_ms: f64,
    max_ms: f64,
}

impl PageRow {
    /// By the mean over the whole input.
    pub fn slowest(pages: &Latencies, rows: usize) -> Vec<PageRow> {
        let mut by_path: BTreeMap<&[u8], Latency> = BTreeMap::new();
        for ((path, _), seen) in pages {
            by_path
                .entry(path)
                .and_modify(|page| {
                    page.count += seen.count;
                    page.sum_billionths += seen.sum_billionths;
                    page.max_billionths = page.max_billionths.max(seen.max_billionths);
                })
                .or_insert(*seen);
        }
        let mut table: Vec<PageRow> = by_path
            .into_iter()
            .map(|(path, page)| PageRow {
                path: String::from_utf8_lossy(path).into_owned(),
                requests: page.count,
                mean_ms: page.sum_billionths as f64 / page.count as f64 / 1e6,
                max_ms: page.max_billionths as f64 / 1e6,
            })
            .collect();
        table.sort_by(|a, b| b.mean_ms.total_cmp(&a.mean_ms));
        table.truncate(rows);
        table
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub records_in: u64,
    /// Written at the end, one a partition, to close the windows.
    pub closing_records: u64,
    /// Lines of the input that are access-log lines.
    pub parsed_records: u64,
    pub word_records: u64,
    pub words: u64,
    pub page_records: u64,
    pub pages: u64,
    pub late_records: u64,
    pub exactly_once: bool,
    pub differences: u64,
    pub shown_differences: Vec<String>,
    pub batches: u64,
    pub batch_p50_ms: f64,
    pub batch_p99_ms: f64,
    pub recovery_ready_ms: u64,
    pub recovery_first_batch_ms: u64,
    pub took_seconds: f64,
    pub top_words: Vec<WordRow>,
    pub slowest_pages: Vec<PageRow>,
}

impl Report {
    /// A difference makes the demo fail.
    pub fn verdict(&self) -> Result<(), DemoError> {
        if self.exactly_once {
            return Ok(());
        }
        Err(DemoError::Different {
            count: self.differences,
            shown: self.shown_differences.join("\n"),
        })
    }

    pub fn text(&self) -> String {
        let mut words = table(&["TOP WORDS", "COUNT"]);
        for row in &self.top_words {
            words.add_row([row.word.clone(), row.count.to_string()]);
        }
        let mut text = format!("{}\n\n", words.trim_fmt());
        if !self.slowest_pages.is_empty() {
            let mut pages = table(&["SLOWEST PATHS", "REQUESTS", "MEAN MS", "MAX MS"]);
            for row in &self.slowest_pages {
                pages.add_row([
                    row.path.clone(),
                    row.requests.to_string(),
                    format!("{:.1}", row.mean_ms),
                    format!("{:.0}", row.max_ms),
                ]);
            }
            text.push_str(&format!("{}\n\n", pages.trim_fmt()));
        }
        text.push_str(&self.figures());
        text.push_str(NEXT);
        text
    }

    fn figures(&self) -> String {
        let of_log = if self.parsed_records == self.records_in {
            String::new()
        } else {
            format!(
                "\naccess-log lines: {} (page-latency looks at these alone; word-count at all)",
                self.parsed_records
            )
        };
        format!(
            "records in: {} (and {} that close the windows){of_log}\n\
             results: {} words in {} updates, {} pages and minutes in {} records, {} late\n\
             exactly once: {}\n\
             batches: {}, p50 {:.1} ms, p99 {:.1} ms\n\
             crash: ready again after {} ms, all pipelines at work after {} ms\n\
             took: {:.1} s\n",
            self.records_in,
            self.closing_records,
            self.words,
            self.word_records,
            self.pages,
            self.page_records,
            self.late_records,
            if self.exactly_once { "yes" } else { "NO" },
            self.batches,
            self.batch_p50_ms,
            self.batch_p99_ms,
            self.recovery_ready_ms,
            self.recovery_first_batch_ms,
            self.took_seconds,
        )
    }
}

const NEXT: &str = "\nnext:\n  \
    tidemill demo --input FILE        your own log, or any text\n  \
    tidemill demo --keep              and look around: topics, pipelines, /metrics\n  \
    tidemill serve --data ./data      a host of your own";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_batches_and_not_of_looks() {
        let mut times = BatchTimes::default();
        let answer = |batch: u64, ms: f64| serde_json::json!({"progress": [{"batchId": batch, "durationMs": {"triggerExecution": ms}}]});
        (1..=100).for_each(|batch| times.add("p", &answer(batch, batch as f64)));
        times.add("p", &answer(1, 1.0));
        assert_eq!(
            (times.count(), times.percentile(50.0), times.percentile(99.0)),
            (100, 50.0, 99.0)
        );
        assert_eq!(BatchTimes::default().percentile(50.0), 0.0);
    }
}
