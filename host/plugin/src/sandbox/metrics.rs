//! A plugin's own metrics, kept for the host to export.
//! **Names, labels and series are bounded**: what is above them is left out.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::Serialize;

const SERIES_MAX: usize = 200;
const LABELS_MAX: usize = 8;
const NAME_BYTES_MAX: usize = 100;

/// Whether values add up or replace each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// Grows by what is added.
    Counter,
    /// Is what was set last.
    Gauge,
}

/// The current value of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// The sum of all that was counted.
    Counter(u64),
    /// The last value.
    Gauge(f64),
}

/// One series and its value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricSample {
    /// The metric's name: letters, digits and `_`.
    pub name: String,
    /// Names and values of its labels.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: Metric,
}

type Series = (String, Vec<(String, String)>);

/// All series of one operator.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    series: Mutex<BTreeMap<Series, Metric>>,
}

impl Metrics {
    pub(crate) fn count(&self, name: String, labels: Vec<(String, String)>, by: u64) {
        self.update((name, labels), MetricKind::Counter, |metric| {
            if let Metric::Counter(sum) = metric {
                *sum = sum.saturating_add(by);
            }
        });
    }

    pub(crate) fn gauge(&self, name: String, labels: Vec<(String, String)>, value: f64) {
        self.update((name, labels), MetricKind::Gauge, |metric| {
            if let Metric::Gauge(last) = metric {
                *last = value;
            }
        });
    }

    fn update(&self, key: Series, kind: MetricKind, change: impl FnOnce(&mut Metric)) {
        if !is_exportable(&key) {
            return;
        }
        let mut series = self.series.lock();
        if series.len() >= SERIES_MAX && !series.contains_key(&key) {
            return;
        }
        change(series.entry(key).or_insert(match kind {
            MetricKind::Counter => Metric::Counter(0),
            MetricKind::Gauge => Metric::Gauge(0.0),
        }));
    }

    pub(crate) fn snapshot(&self) -> Vec<MetricSample> {
        let series = self.series.lock();
        let sample = |((name, labels), value): (&Series, &Metric)| MetricSample {
            name: name.clone(),
            labels: labels.clone(),
            value: *value,
        };
        series.iter().map(sample).collect()
    }
}

/// As Prometheus wants names; values may be any text.
fn is_exportable((name, labels): &Series) -> bool {
    let is_name = |name: &str| {
        name.len() <= NAME_BYTES_MAX
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let is_label =
        |(name, value): &(String, String)| is_name(name) && value.len() <= NAME_BYTES_MAX;
    is_name(name) && labels.len() <= LABELS_MAX && labels.iter().all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_gauges_replace() {
        let metrics = Metrics::default();
        let label = || vec![("port".to_owned(), "80".to_owned())];
        metrics.count("seen".to_owned(), label(), 2);
        metrics.count("seen".to_owned(), label(), 3);
        metrics.gauge("depth".to_owned(), Vec::new(), 1.0);
        metrics.gauge("depth".to_owned(), Vec::new(), 0.5);
        let values: Vec<_> = metrics.snapshot().into_iter().map(|s| (s.name, s.value)).collect();
        let expected = [("depth", Metric::Gauge(0.5)), ("seen", Metric::Counter(5))];
        assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn what_is_above_the_bounds_is_not_kept() {
        let metrics = Metrics::default();
        metrics.count("bad name".to_owned(), Vec::new(), 1);
        metrics.count("x".repeat(1_000), Vec::new(), 1);
        assert!(metrics.snapshot().is_empty());
        for series in 0..1_000 {
            metrics.count(format!("s{series}"), Vec::new(), 1);
        }
        assert_eq!(metrics.snapshot().len(), SERIES_MAX);
    }
}
