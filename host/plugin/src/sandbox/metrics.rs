//! A plugin's own metrics, kept for the host to export.
//! **Names, labels and series are bounded**: what is above them is left out, and counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use serde::Serialize;

const SERIES_MAX: usize = 200;
const LABELS_MAX: usize = 8;
const NAME_BYTES_MAX: usize = 100;
/// Labels that the host itself puts on every series, or that have a meaning to Prometheus.
const LABELS_RESERVED: [&str; 5] = ["pipeline", "operator", "digest", "le", "quantile"];

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
    dropped: AtomicU64,
}

impl Metrics {
    pub(crate) fn count(&self, name: String, labels: Vec<(String, String)>, by: u64) {
        self.update((name, labels), Metric::Counter(0), |metric| match metric {
            Metric::Counter(sum) => {
                *sum = sum.saturating_add(by);
                true
            }
            Metric::Gauge(_) => false,
        });
    }

    pub(crate) fn gauge(&self, name: String, labels: Vec<(String, String)>, value: f64) {
        self.update((name, labels), Metric::Gauge(0.0), |metric| match metric {
            Metric::Gauge(last) => {
                *last = value;
                true
            }
            Metric::Counter(_) => false,
        });
    }

    fn update(&self, mut key: Series, first: Metric, change: impl FnOnce(&mut Metric) -> bool) {
        key.1.sort();
        if !is_exportable(&key) || !self.change(key, first, change) {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// False where there is no room for another series, or where it is of the other kind.
    fn change(&self, key: Series, first: Metric, change: impl FnOnce(&mut Metric) -> bool) -> bool {
        let mut series = self.series.lock();
        if series.len() >= SERIES_MAX && !series.contains_key(&key) {
            return false;
        }
        change(series.entry(key).or_insert(first))
    }

    /// Updates that were left out so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
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

/// As Prometheus wants names, no label twice in the sorted list; values may be any text.
fn is_exportable((name, labels): &Series) -> bool {
    let is_name = |name: &str| {
        name.len() <= NAME_BYTES_MAX
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let is_label = |(name, value): &(String, String)| {
        is_name(name)
            && !name.starts_with("__")
            && !LABELS_RESERVED.contains(&name.as_str())
            && value.len() <= NAME_BYTES_MAX
    };
    let twice = |[one, other]: &[(String, String); 2]| one.0 == other.0;
    is_name(name)
        && labels.len() <= LABELS_MAX
        && labels.iter().all(is_label)
        && !labels.array_windows().any(twice)
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
    fn what_is_above_the_bounds_is_counted_and_not_kept() {
        let metrics = Metrics::default();
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        metrics.count("bad name".to_owned(), Vec::new(), 1);
        metrics.count("x".repeat(1_000), Vec::new(), 1);
        for labels in [
            vec![label("operator", "mine")],
            vec![label("__name__", "x")],
            vec![label("a", "1"), label("b", "2"), label("a", "3")],
            vec![label("a", &"x".repeat(101))],
            (0..9).map(|n| label(&format!("l{n}"), "x")).collect(),
        ] {
            metrics.count("fine".to_owned(), labels, 1);
        }
        assert!(metrics.snapshot().is_empty());
        assert_eq!(metrics.dropped(), 7);
        for series in 0..1_000 {
            metrics.count(format!("s{series}"), Vec::new(), 1);
        }
        assert_eq!(metrics.snapshot().len(), SERIES_MAX);
        metrics.gauge("s0".to_owned(), Vec::new(), 1.0);
        assert_eq!(metrics.dropped(), 7 + 800 + 1, "a series keeps its kind");
    }

    #[test]
    fn the_order_of_labels_makes_no_other_series() {
        let metrics = Metrics::default();
        let (a, b) = (("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned()));
        metrics.count("seen".to_owned(), vec![a.clone(), b.clone()], 1);
        metrics.count("seen".to_owned(), vec![b, a], 1);
        assert_eq!(metrics.snapshot().len(), 1);
    }
}
