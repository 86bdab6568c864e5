//! Pauses between two looks at something that tells no one when it changes.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The first pause; most processes that are told to end are gone by then.
const FIRST: Duration = Duration::from_millis(2);

/// The longest.
const LONGEST: Duration = Duration::from_millis(100);

/// Pauses that grow.
#[derive(Debug)]
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    /// Waits a little longer than last time, but not past a `deadline` that lies ahead.
    pub(crate) async fn next(&mut self, deadline: Instant) {
        let now = Instant::now();
        let end = now + self.0;
        sleep_until(if deadline > now { end.min(deadline) } else { end }).await;
        self.0 = (self.0 * 2).min(LONGEST);
    }
}
