//! An execution's events as a stream: SSE for browsers, NDJSON for scripts.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use legwork_model::ExecutionId;

use crate::app::App;
use crate::doors::live::live;
use crate::store::RecordedEvent;

/// How a caller wants to read events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `text/event-stream`
    Sse,
    /// `application/x-ndjson`
    Ndjson,
    /// `application/json`: pages of what is on record.
    Pages,
}

impl Format {
    /// What the `Accept` header asks for.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let accepts = |kind: &str| {
            accept.split(',').any(|one| one.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(kind))
        };
        match () {
            () if accepts("text/event-stream") => Self::Sse,
            () if accepts("application/x-ndjson") => Self::Ndjson,
            () => Self::Pages,
        }
    }
}

/// Events above number `after`, as server-sent events: `id` is the number, `event` the kind, `data` the event as JSON.
pub(super) fn sse(app: &App, id: ExecutionId, after: u64) -> Response {
    let events = live(app, id, after).map(|event| {
        Ok::<_, Infallible>(Event::default().id(event.seq.to_string()).event(&event.kind).data(json(&event)))
    });
    let heartbeat = KeepAlive::new().interval(Duration::from_secs(app.config.server.heartbeat_seconds.max(1)));
    let headers = [(header::CACHE_CONTROL.as_str(), "no-cache, no-transform"), ("x-accel-buffering", "no")];
    (headers, Sse::new(events).keep_alive(heartbeat)).into_response()
}

/// Events above number `after`, a JSON object a line.
pub(super) fn ndjson(app: &App, id: ExecutionId, after: u64) -> Response {
    let lines = live(app, id, after).map(|event| Ok::<_, Infallible>(Bytes::from(json(&event) + "\n")));
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-cache, no-transform")];
    (headers, Body::from_stream(lines)).into_response()
}

/// One line: serde_json writes no raw line breaks.
fn json(event: &RecordedEvent) -> String {
    serde_json::to_string(event).unwrap_or_else(|_| "{}".to_owned())
}
