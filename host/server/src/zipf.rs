//! Zipf's law: the item of rank r turns up in proportion to 1 / r^s.

/// A distribution over `0..items`, the most frequent first.
pub struct Zipf {
    /// Sums of the shares, the last one 1.
    sums: Vec<f64>,
}

impl Zipf {
    pub fn new(items: usize, exponent: f64) -> Zipf {
        let mut sum = 0.0;
        let mut sums: Vec<f64> = (1..=items)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        sums.iter_mut().for_each(|share| *share /= sum);
        Zipf { sums }
    }

    /// The item for `uniform`, which is drawn evenly from 0 to 1.
    pub fn pick(&self, uniform: f64) -> usize {
        self.sums.partition_point(|sum| *sum <= uniform).min(self.sums.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::Zipf;

    #[test]
    fn the_first_is_the_most_frequent_and_the_last_is_there() {
        let zipf = Zipf::new(4, 1.0);
        // 1 + 1/2 + 1/3 + 1/4 = 25/12.
        assert_eq!(zipf.pick(0.0), 0);
        assert_eq!(zipf.pick(12.0 / 25.0 - 0.001), 0);
        assert_eq!(zipf.pick(12.0 / 25.0 + 0.001), 1);
        assert_eq!(zipf.pick(0.999_999), 3);
        assert_eq!(zipf.pick(1.0), 3);
    }
}
