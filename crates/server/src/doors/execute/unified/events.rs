//! The events of an execution in the words of this contract: one for each, under the same number.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use legwork_model::{EventBody, ExecutionId, Outcome, Verdict};
use serde_json::{Value, json};

use crate::app::App;
use crate::doors::Problem;
use crate::doors::live::live;
use crate::store::RecordedEvent;

/// All events of an execution as they happen. `delivers`: somebody else gets them, too.
pub(super) fn stream(app: &App, id: ExecutionId, delivers: bool) -> Response {
    let events = live(app, id, 0).map(move |event| {
        let (name, mut data) = translated(id, &event);
        if event.seq == 1 {
            data["delivers"] = delivers.into();
        }
        Event::default().id(event.seq.to_string()).event(name).data(data.to_string())
    });
    response(events, app.config.server.heartbeat_seconds)
}

/// A job that was not taken, told as an event.
pub(super) fn refused(problem: &Problem) -> Response {
    let data = json!({ "error": problem.code, "status": 404, "message": problem.detail });
    let event = Event::default().event("error").data(data.to_string());
    response(stream::iter([event]), 1)
}

fn response(events: impl Stream<Item = Event> + Send + 'static, heartbeat_seconds: u64) -> Response {
    let heartbeat = KeepAlive::new().interval(Duration::from_secs(heartbeat_seconds.max(1)));
    let headers = [(header::CACHE_CONTROL.as_str(), "no-cache, no-transform"), ("x-accel-buffering", "no")];
    (headers, Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(heartbeat)).into_response()
}

/// The name and data of an event.
pub(super) fn translated(id: ExecutionId, event: &RecordedEvent) -> (&'static str, Value) {
    let other = || ("message", json!({ "kind": event.kind, "data": event.data }));
    let Ok(decoded) = event.decode() else { return other() };
    match decoded.body {
        EventBody::Queued { lane } if event.seq == 1 => ("connected", json!({ "executionId": id, "lane": lane })),
        EventBody::RepositoryProgress { phase, percent } => {
            ("github_pull_progress", json!({ "stage": "running", "phase": phase, "percent": percent }))
        }
        EventBody::Workspace { commit: Some(commit), .. } => {
            ("github_pull_progress", json!({ "stage": "completed", "percent": 100, "commit": commit }))
        }
        EventBody::Text { text, .. } => ("assistant_message", json!({ "content": text })),
        EventBody::Finished { outcome } => last(id, outcome),
        _ => other(),
    }
}

fn last(id: ExecutionId, outcome: Outcome) -> (&'static str, Value) {
    let mut data = json!({
        "executionId": id,
        "sessionId": outcome.session_id,
        "durationMs": outcome.duration_ms,
        "costUsd": outcome.cost_usd,
        "usage": outcome.usage,
    });
    let (name, code, message) = match outcome.verdict {
        Verdict::Succeeded => {
            data["result"] = outcome.result.unwrap_or_default().into();
            return ("completed", data);
        }
        Verdict::Failed(failure) => ("error", failure.reason.as_str(), failure.message),
        Verdict::Cancelled { message } => ("error", "cancelled", message),
    };
    data["error"] = code.into();
    data["message"] = message.into();
    (name, data)
}
