//! How long batches took, by pipeline, as a histogram.

use std::collections::BTreeMap;

/// Upper bounds of the buckets, in seconds.
const BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// The batches of one pipeline.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    pub sum: f64,
    pub count: u64,
    /// Batches in each bucket alone; the last one has no bound.
    buckets: [u64; BOUNDS.len() + 1],
}

impl Histogram {
    fn add(&mut self, seconds: f64) {
        self.sum += seconds;
        self.count += 1;
        self.buckets[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
    }

    /// Bound and batches of each bucket; the last bound is infinite.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        BOUNDS.into_iter().chain([f64::INFINITY]).zip(self.buckets)
    }
}

/// A histogram for each pipeline.
#[derive(Debug, Default)]
pub struct BatchTimes {
    pipelines: BTreeMap<String, Histogram>,
}

impl BatchTimes {
    pub fn add(&mut self, pipeline: &str, seconds: f64) {
        match self.pipelines.get_mut(pipeline) {
            Some(histogram) => histogram.add(seconds),
            None => self.pipelines.entry(pipeline.to_owned()).or_default().add(seconds),
        }
    }

    /// A pipeline was deleted.
    pub fn forget(&mut self, pipeline: &str) {
        self.pipelines.remove(pipeline);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Histogram)> {
        self.pipelines.iter().map(|(name, histogram)| (name.as_str(), histogram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_bucket_of_its_bound() {
        let mut times = BatchTimes::default();
        for seconds in [0.001, 0.005, 0.0051, 61.0] {
            times.add("p", seconds);
        }
        let (_, histogram) = times.iter().next().unwrap();
        let buckets: Vec<(f64, u64)> = histogram.buckets().collect();
        assert_eq!(
            (buckets[0], buckets[1], buckets[12]),
            ((0.005, 2), (0.01, 1), (f64::INFINITY, 1))
        );
        assert_eq!(histogram.count, 4);
        times.forget("p");
        assert_eq!(times.iter().count(), 0);
    }
}
