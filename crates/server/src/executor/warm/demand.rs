//! How many jobs of one kind come at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Jobs that come this close together come at once: no program can be started in between.
const AT_ONCE: Duration = Duration::from_secs(2);
/// As many are remembered.
const MOST: usize = 64;

/// When jobs came.
#[derive(Debug, Default)]
pub(super) struct Demand(VecDeque<Instant>);

impl Demand {
    /// A job came.
    pub(super) fn came(&mut self, now: Instant) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// How many came at once when most did, of those that came within `memory`.
    pub(super) fn peak(&mut self, now: Instant, memory: Duration) -> usize {
        while self.0.front().is_some_and(|came| now.duration_since(*came) > memory) {
            self.0.pop_front();
        }
        // For each job, the first one that still came at once with it; that moves on as the jobs do.
        let mut first = 0;
        let at_once = |(index, came): (usize, &Instant)| {
            while came.duration_since(self.0[first]) >= AT_ONCE {
                first += 1;
            }
            index + 1 - first
        };
        self.0.iter().enumerate().map(at_once).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_moment_counts_until_it_is_forgotten() {
        let start = Instant::now();
        let mut demand = Demand::default();
        assert_eq!(demand.peak(start, Duration::from_secs(60)), 0);
        for seconds in [0.0, 10.0, 10.5, 11.0, 30.0] {
            demand.came(start + Duration::from_secs_f64(seconds));
        }
        let peak =
            |demand: &mut Demand, seconds| demand.peak(start + Duration::from_secs(seconds), Duration::from_secs(60));
        assert_eq!(peak(&mut demand, 31), 3);
        assert_eq!(peak(&mut demand, 80), 1);
        assert_eq!(peak(&mut demand, 120), 0);
    }
}
