//! Waiting for the end of an execution within a request (`Prefer: wait=N`, RFC 7240).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use legwork_model::ExecutionId;

use crate::app::App;
use crate::events::{Signal, Subscription};
use crate::lifecycle::Stage;
use crate::store::RecordedEvent;

pub(super) const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Longer waits are cut to this; proxies in between give up earlier anyway.
const LONGEST: u64 = 3_600;
/// How often the record is looked at without being told.
const LOOK: Duration = Duration::from_secs(1);

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
        Some(Self { seconds: wanted(headers)?, id, subscription: app.hub.subscribe_to_end(id) })
    }

    /// Returns when the execution has ended, the time is over, or the server is about to end.
    pub(super) async fn for_end(&mut self, app: &App) {
        let seconds = Duration::from_secs(self.seconds);
        tokio::select! {
            () = self.until_ended(app) => {}
            () = tokio::time::sleep(seconds) => {}
            () = app.phase.reached(Stage::Ended) => {}
        }
    }

    async fn until_ended(&mut self, app: &App) {
        loop {
            match tokio::time::timeout(LOOK, self.subscription.next()).await {
                Ok(Signal::Recorded(events)) if events.last().is_some_and(RecordedEvent::is_last) => return,
                Ok(Signal::Recorded(_)) => {}
                // The run may be on another node.
                Ok(Signal::Changed) | Err(_) => {
                    let record = app.store.execution(self.id).await;
                    if record.is_ok_and(|record| record.is_none_or(|record| record.state.is_finished())) {
                        return;
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
