//! Compares what is in the output topics with what the input says.
//!
//! **Every record counts**: a total that is written twice, or that falls, is a batch that happened twice, even
//! where the last total is right.

use hashbrown::HashMap;
use serde::Deserialize;

use super::DemoError;
use super::expected::{Latencies, Latency, WordCounts, parse_billionths};
use crate::api::wire::{WireRecord, decode};
use crate::client::{Client, ClientError};

/// Differences that are shown; the others are counted.
const SHOWN_MAX: usize = 5;

/// What was wrong.
#[derive(Debug, Default)]
pub struct Differences {
    pub count: u64,
    pub shown: Vec<String>,
}

impl Differences {
    fn add(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(what());
        }
    }
}

/// Reads a topic from its beginning, key and value of each record.
async fn read(
    client: &Client,
    topic: &str,
    mut each: impl FnMut(&[u8], &[u8]),
) -> Result<u64, DemoError> {
    let mut lines = client.stream(&format!("{}/records", client.topic_path(topic))).await?;
    let mut records = 0;
    let wrong = |error: serde_json::Error| ClientError::Answer {
        host: client.host().to_owned(),
        source: error,
    };
    while let Some(line) = lines.next().await? {
        let record: WireRecord<'_> = serde_json::from_slice(line).map_err(wrong)?;
        let bytes = |text, encoding| {
            decode(text, encoding).map_err(|error| wrong(serde::de::Error::custom(error)))
        };
        let key = bytes(&record.key, record.key_encoding)?.unwrap_or_default();
        let value = bytes(&record.value, record.value_encoding)?.unwrap_or_default();
        each(&key, &value);
        records += 1;
    }
    Ok(records)
}

/// How many records a topic has.
pub async fn count(client: &Client, topic: &str) -> Result<u64, DemoError> {
    read(client, topic, |_, _| ()).await
}

/// The word counts in the topic, and how many records they came in.
pub async fn words(
    client: &Client,
    topic: &str,
    expected: &WordCounts,
) -> Result<(u64, Differences), DemoError> {
    let mut totals: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut differences = Differences::default();
    let records = read(client, topic, |word, value| {
        let shown = || String::from_utf8_lossy(word).into_owned();
        let Some(total) = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok())
        else {
            return differences.add(|| {
                format!("word `{}`: its count is `{}`", shown(), String::from_utf8_lossy(value))
            });
        };
        let before = totals.get(word).copied().unwrap_or(0);
        if total <= before {
            differences
                .add(|| format!("word `{}`: the count goes from {before} to {total}", shown()));
        }
        totals.insert(word.to_vec(), total);
    })
    .await?;
    for (word, expected) in expected {
        let actual = totals.remove(word).unwrap_or(0);
        if actual != *expected {
            differences.add(|| {
                format!("word `{}`: {actual} instead of {expected}", String::from_utf8_lossy(word))
            });
        }
    }
    for (word, actual) in totals {
        differences.add(|| {
            format!(
                "word `{}`: {actual}, but it is not in the input",
                String::from_utf8_lossy(&word)
            )
        });
    }
    Ok((records, differences))
}

/// What the `stats` plugin writes. Numbers are taken as they are written: floats would hide a difference.
#[derive(Deserialize)]
struct StatsValue<'a> {
    count: u64,
    #[serde(borrow)]
    sum: &'a serde_json::value::RawValue,
    #[serde(borrow)]
    mean: &'a serde_json::value::RawValue,
    #[serde(borrow)]
    min: &'a serde_json::value::RawValue,
    #[serde(borrow)]
    max: &'a serde_json::value::RawValue,
    window_start: i64,
}

impl StatsValue<'_> {
    fn latency(&self) -> Option<Latency> {
        let billionths =
            |raw: &serde_json::value::RawValue| parse_billionths(raw.get().trim_matches('"'));
        Some(Latency {
            count: self.count,
            sum_billionths: billionths(self.sum)?,
            min_billionths: billionths(self.min)?,
            max_billionths: billionths(self.max)?,
        })
    }

    /// The mean has no end in decimals; a billionth part is close enough to tell it from any other.
    fn mean_fits(&self, latency: &Latency) -> bool {
        let mean = latency.sum_billionths as f64 / latency.count.max(1) as f64 / 1e9;
        let written: Option<f64> = self.mean.get().trim_matches('"').parse().ok();
        written.is_some_and(|written| (written - mean).abs() <= 1e-9 * mean.abs().max(1.0))
    }
}

/// The page latencies in the topic: each path and minute exactly once.
pub async fn pages(
    client: &Client,
    topic: &str,
    expected: &Latencies,
) -> Result<(u64, Differences), DemoError> {
    let mut seen: HashMap<(Vec<u8>, i64), u32> = HashMap::new();
    let mut differences = Differences::default();
    let records = read(client, topic, |path, value| {
        let shown = || String::from_utf8_lossy(path).into_owned();
        let parsed = serde_json::from_slice::<StatsValue<'_>>(value)
            .ok()
            .and_then(|stats| Some((stats.latency()?, stats)));
        let Some((latency, stats)) = parsed else {
            return differences.add(|| {
                format!("page `{}`: its value is `{}`", shown(), String::from_utf8_lossy(value))
            });
        };
        let key = (path.to_vec(), stats.window_start);
        match expected.get(&key) {
            Some(expected) if *expected == latency && stats.mean_fits(expected) => {}
            other => differences.add(|| {
                format!(
                    "page `{}` at {}: {latency:?} instead of {other:?}",
                    shown(),
                    stats.window_start
                )
            }),
        }
        *seen.entry(key).or_insert(0) += 1;
    })
    .await?;
    for ((path, window), times) in seen.iter().filter(|(_, times)| **times > 1) {
        differences.add(|| {
            format!("page `{}` at {window}: written {times} times", String::from_utf8_lossy(path))
        });
    }
    for (path, window) in expected.keys().filter(|key| !seen.contains_key(*key)) {
        differences
            .add(|| format!("page `{}` at {window}: missing", String::from_utf8_lossy(path)));
    }
    Ok((records, differences))
}
