//! The events of an execution as they happen.

use std::time::Duration;

use futures::{Stream, StreamExt};
use legwork_model::ExecutionId;

use crate::app::App;
use crate::events::follow;
use crate::lifecycle::Stage;
use crate::store::RecordedEvent;

/// How long the last events may take when nothing runs any more.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Events above number `after`. Ends with the last event, when the log can't be read (the reader resumes from its last
/// number), or when the server is about to end.
pub(super) fn live(app: &App, id: ExecutionId, after: u64) -> impl Stream<Item = RecordedEvent> + Send + use<> {
    let phase = app.phase.clone();
    let ended = async move {
        phase.reached(Stage::Ended).await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    follow(app.store.clone(), &app.hub, id, after).take_until(ended).scan((), |(), event| {
        let event = event.inspect_err(|error| tracing::warn!(%error, "an event stream ends early"));
        std::future::ready(event.ok())
    })
}
