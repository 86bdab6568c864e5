//! Waiting for the end of an execution within a request (for the native API `Prefer: wait=N`, RFC 7240).

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use legwork_model::ExecutionId;

use crate::app::App;
use crate::events::{Signal, Subscription};
use crate::lifecycle::Stage;
use crate::store::ExecutionRecord;

pub(super) const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Longer waits are cut to this; proxies in between give up earlier anyway.
const LONGEST: u64 = 3_600;
const A_YEAR: u64 = 365 * 24 * 3_600;
/// How often the record is looked at without being told.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_ALONE: Duration = Duration::from_secs(30);

/// For how many seconds the caller prefers to wait.
fn wanted(headers: &HeaderMap) -> Option<u64> {
    let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let wait = preferences.flat_map(|value| value.split([',', ';'])).find_map(|one| one.trim().strip_prefix("wait="));
    Some(wait?.trim_matches('"').parse::<u64>().ok()?.min(LONGEST))
}

/// A caller that waits for the end of an execution. Begins to listen when it is made, so that no end is missed that
/// comes later.
pub(super) struct Wait {
    pub(super) seconds: u64,
    id: ExecutionId,
    subscription: Subscription,
}

impl Wait {
    /// The wait that the caller prefers, if any.
    pub(super) fn wanted(headers: &HeaderMap, app: &App, id: ExecutionId) -> Option<Self> {
        Some(Self::new(app, id, wanted(headers)?))
    }

    /// For a door whose callers expect an answer and nothing else, however long the job waits for its turn.
    pub(super) fn for_answer(app: &App, id: ExecutionId) -> Self {
        Self::new(app, id, A_YEAR)
    }

    fn new(app: &App, id: ExecutionId, seconds: u64) -> Self {
        Self { seconds, id, subscription: app.hub.subscribe_to_end(id) }
    }

    /// Gives the execution once it has ended; `None` where the time is over before, or the server is about to end.
    pub(super) async fn for_end(&mut self, app: &App) -> Option<ExecutionRecord> {
        let seconds = Duration::from_secs(self.seconds);
        tokio::select! {
            // The last job of a server that ends has its answer all the same.
            biased;
            record = self.until_ended(app) => Some(record),
            () = tokio::time::sleep(seconds) => None,
            () = app.phase.reached(Stage::Ended) => None,
        }
    }

    /// The same for an execution that may have ended before anybody listened.
    pub(super) async fn for_end_of_known(&mut self, app: &App) -> Option<ExecutionRecord> {
        match app.store.execution(self.id).await {
            Ok(Some(record)) if record.state.is_finished() => Some(record),
            _ => self.for_end(app).await,
        }
    }

    async fn until_ended(&mut self, app: &App) -> ExecutionRecord {
        loop {
            // Where nobody else writes, what happens is told.
            let look = if app.store.is_shared() { LOOK } else { LOOK_ALONE };
            match tokio::time::timeout(look, self.subscription.next()).await {
                Ok(Signal::Ended(record)) => return Arc::unwrap_or_clone(record),
                Ok(Signal::Recorded(_)) => {}
                // The run may be on another node.
                Ok(Signal::Changed) | Err(_) => {
                    if let Ok(Some(record)) = app.store.execution(self.id).await
                        && record.state.is_finished()
                    {
                        return record;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_wait_is_read_from_among_other_preferences() {
        for (value, seconds) in [
            ("wait=30", Some(30)),
            ("respond-async, wait=5", Some(5)),
            ("wait=\"7\"", Some(7)),
            ("wait=999999", Some(LONGEST)),
            ("wait=soon", None),
            ("respond-async", None),
        ] {
            let headers = HeaderMap::from_iter([(PREFER, HeaderValue::from_static(value))]);
            assert_eq!(wanted(&headers), seconds, "{value}");
        }
    }
}
