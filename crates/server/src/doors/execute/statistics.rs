//! What this door's callers read of it as JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use legwork_model::{Outcome, Verdict};
use serde_json::{Value, json};

/// Calls since the process started.
#[derive(Debug, Clone, Default)]
pub struct Statistics(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    active: AtomicU64,
    successful: AtomicU64,
    failed: AtomicU64,
    millis: AtomicU64,
}

/// A call that goes on until it is dropped.
pub(super) struct Call {
    statistics: Statistics,
    failed: bool,
    counts: bool,
}

impl Statistics {
    /// The figures, in the words of the contract.
    pub(in crate::doors) fn to_json(&self) -> Value {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (successful, failed) = (read(&self.0.successful), read(&self.0.failed));
        let ended = successful + failed;
        json!({
            "totalRequests": ended + read(&self.0.active),
            "successfulRequests": successful,
            "failedRequests": failed,
            "averageExecutionTime": read(&self.0.millis).checked_div(ended).unwrap_or(0),
            "activeRequests": read(&self.0.active),
        })
    }
}

impl Call {
    pub(super) fn begin(statistics: &Statistics) -> Self {
        statistics.0.active.fetch_add(1, Ordering::Relaxed);
        Self { statistics: statistics.clone(), failed: true, counts: true }
    }

    /// It was never more than a request.
    pub(super) fn was_refused(&mut self) {
        self.counts = false;
    }

    pub(super) fn ended(&mut self, outcome: &Outcome) {
        self.failed = outcome.verdict != Verdict::Succeeded;
        self.statistics.0.millis.fetch_add(outcome.duration_ms, Ordering::Relaxed);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let counters = &self.statistics.0;
        counters.active.fetch_sub(1, Ordering::Relaxed);
        if self.counts {
            let ended = if self.failed { &counters.failed } else { &counters.successful };
            ended.fetch_add(1, Ordering::Relaxed);
        }
    }
}
