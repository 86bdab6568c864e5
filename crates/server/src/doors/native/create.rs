//! `POST /v1/executions`

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use legwork_model::ExecutionId;

use super::stream::{self, Format};
use super::view::ExecutionView;
use crate::admission::{Accepted, Caller, Permission, Refusal, Repeat, Request, Submission, admit};
use crate::app::App;
use crate::doors::body::json_body;
use crate::doors::wait::{PREFERENCE_APPLIED, Wait};
use crate::doors::{Doors, Problem};
use crate::parse::parse_json;
use crate::store::Durability;

/// Submits a job.
///
/// Answers `202` as soon as the job is durably recorded. With `Prefer: wait=N` it waits up to N seconds for the end and
/// answers `200` with the finished execution; with `Accept: text/event-stream` it streams the events at once. With an
/// `Idempotency-Key` the same request can be sent again without a second job.
#[utoipa::path(
    post, path = "/v1/executions", tag = "executions", request_body = Submission,
    params(
        ("Prefer" = Option<String>, Header, description = "`wait=30`: wait up to 30 s for the end"),
        ("Idempotency-Key" = Option<String>, Header, description = "the same key with the same body is the same job"),
    ),
    responses(
        (status = 200, description = "Ended within the wait; or, for `text/event-stream`, its events", body = ExecutionView),
        (status = 202, description = "Recorded; `Location` is where to look", body = ExecutionView),
        (status = 400, description = "Not JSON", body = Problem),
        (status = 401, description = "No valid API key", body = Problem),
        (status = 402, description = "A budget has no room; see `Retry-After`", body = Problem),
        (status = 403, description = "The key lacks `execute`", body = Problem),
        (status = 409, description = "The session is in use", body = Problem),
        (status = 413, description = "Body too large", body = Problem),
        (status = 415, description = "Not `application/json`", body = Problem),
        (status = 422, description = "A field is wrong", body = Problem),
        (status = 503, description = "Queue full, shutting down, or database unavailable; see `Retry-After`", body = Problem),
    ),
)]
pub async fn create(
    State(doors): State<Doors>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    caller.require(Permission::Execute)?;
    let body = json_body(&headers, body)?;
    let submission: Submission = parse_json(&body)?;
    let app = &doors.app;
    let id = app.ids.execution(app.clock.now());
    let wait = Wait::wanted(&headers, app, id);
    let durability = durability(&headers, wait.as_ref());
    let request = Request { caller: &caller, id, repeat: repeat(&headers)?, quota: None, durability };
    let accepted = admit(app, &doors.scheduler, request, submission, &body).await?;
    answer(app, &headers, accepted, wait).await
}

/// Who waits is told nothing for a second at least, unless the job has ended.
fn durability(headers: &HeaderMap, wait: Option<&Wait>) -> Durability {
    let waits = wait.is_some_and(|wait| wait.seconds > 0) && Format::of(headers) != Format::Sse;
    if waits { Durability::Soon } else { Durability::Now }
}

/// The answer to a request that made a job, in the form the caller prefers. `wait` listens since before the job was made.
pub(super) async fn answer(
    app: &App,
    headers: &HeaderMap,
    accepted: Accepted,
    mut wait: Option<Wait>,
) -> Result<Response, Problem> {
    let id = accepted.id;
    if Format::of(headers) == Format::Sse {
        return Ok((located(id), stream::sse(app, id, 0)).into_response());
    }
    let mut record = None;
    if accepted.replayed {
        wait = Wait::wanted(headers, app, id);
        record = app.store.execution(id).await?.filter(|record| record.state.is_finished());
    }
    if let (Some(wait), None) = (&mut wait, &record) {
        record = wait.for_end(app).await;
    }
    let record = match record {
        Some(record) => record,
        None => app.store.execution(id).await?.ok_or_else(|| Refusal::NotFound(id.to_string()))?,
    };
    let finished = record.state.is_finished() && (wait.is_some() || accepted.replayed);
    let status = if finished { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = (status, located(id), Json(ExecutionView::new(record, app))).into_response();
    if let Some(Ok(applied)) = wait.map(|wait| format!("wait={}", wait.seconds).parse()) {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    if accepted.replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn located(id: ExecutionId) -> [(HeaderName, String); 1] {
    [(header::LOCATION, format!("/v1/executions/{id}"))]
}

/// What the `Idempotency-Key`, written as a token or in quotes, says of a second request.
pub(super) fn repeat(headers: &HeaderMap) -> Result<Repeat<'_>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(Repeat::Another) };
    let key = value.to_str().unwrap_or_default().trim();
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    if (1..=255).contains(&key.len()) {
        return Ok(Repeat::Same(key));
    }
    let detail = "the Idempotency-Key must be 1 to 255 visible ASCII characters";
    Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", detail))
}
