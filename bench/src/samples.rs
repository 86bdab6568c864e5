//! Measured durations and their percentiles.

use std::time::Duration;

/// Measured durations.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub(crate) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// Adds all of another.
    pub(crate) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest sample that at least `percent` of a hundred samples do not exceed; zero where there is none.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Samples {
    fn from_iter<T: IntoIterator<Item = Duration>>(samples: T) -> Self {
        Self(samples.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let hundred: Samples = (1..=100).rev().map(Duration::from_millis).collect();
        let at = |percent| hundred.percentile(percent).as_millis();
        assert_eq!([at(0), at(1), at(50), at(99), at(100)], [1, 1, 50, 99, 100]);
    }

    #[test]
    fn few_samples_have_percentiles_too() {
        let three: Samples = [5, 1, 3].map(Duration::from_millis).into_iter().collect();
        assert_eq!([three.percentile(50).as_millis(), three.percentile(99).as_millis()], [3, 5]);
        assert_eq!(Samples::default().percentile(50), Duration::ZERO);
    }
}
