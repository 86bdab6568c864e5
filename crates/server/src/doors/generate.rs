//! `POST /generate`: a signed prompt, one answer. One number of jobs an hour for all callers together.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use legwork_model::{ExecutionId, FailureReason, Outcome, Verdict};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::body::{says_json, whole_body};
use super::signature::{is_recent, not_signed, signature_of, single};
use super::wait::Wait;
use super::{Doors, Problem, web};
use crate::admission::{Caller, LimitRequest, Permissions, Refusal, Repeat, Request, Submission, admit};
use crate::app::App;
use crate::config::{GenerateSettings, Secret};
use crate::parse::parse_json;
use crate::store::Durability;
use crate::store::quota::Quota;

const SIGNATURE: &str = "x-sheen-signature";
const TIMESTAMP: &str = "x-sheen-timestamp";
const CALLER: &str = "door:generate";
const HOUR_MILLIS: i64 = 3_600_000;

/// A prompt. Unknown fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Generate {
    /// What the agent is to do.
    prompt: String,
}

/// Answers a signed prompt.
///
/// `x-sheen-signature` is the HMAC-SHA256 of the body in hex. With `x-sheen-timestamp` (milliseconds) it is that of
/// `<timestamp>:<body>`, and good once.
#[utoipa::path(
    post, path = "/generate", tag = "doors", request_body = Generate,
    params(("x-sheen-signature" = String, Header), ("x-sheen-timestamp" = Option<String>, Header)),
    responses(
        (status = 200, description = "`{success: true, result, executionId, sessionId, durationMs, costUsd, usage}`"),
        (status = 401, description = "Not signed"),
        (status = 422, description = "A field is wrong"),
        (status = 429, description = "As many jobs were taken as are allowed in an hour; see `Retry-After`"),
        (status = 502, description = "The run failed"),
        (status = 503, description = "Queue full or shutting down; see `Retry-After`"),
        (status = 504, description = "The run took too long"),
    ),
)]
pub async fn generate(State(doors): State<Doors>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    let settings = &doors.app.config.doors.generate;
    let Some(secret) = &settings.secret else { return web::not_found().await.into_response() };
    match run(&doors, settings, secret, &headers, body).await {
        Ok((id, outcome)) => answer(id, outcome),
        Err(problem) => refuse(problem),
    }
}

async fn run(
    doors: &Doors,
    settings: &GenerateSettings,
    secret: &Secret,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(ExecutionId, Outcome), Problem> {
    let app = &doors.app;
    let body = whole_body(body)?;
    let repeat = vouch(app, settings, secret, headers, &body)?;
    says_json(headers)?;
    let Generate { prompt } = parse_json(&body)?;
    let limits = LimitRequest { timeout_seconds: Some(settings.timeout_seconds), ..LimitRequest::default() };
    let (lane, door) = (Some(settings.lane.clone()), Some("generate"));
    let submission = Submission { prompt, limits, lane, door, ..Submission::default() };
    let caller = Caller { key: Some(CALLER.to_owned()), permissions: Permissions::execute() };
    let quota = Quota { scope: CALLER.to_owned(), limit: settings.calls_per_hour, window_millis: HOUR_MILLIS };
    let id = app.ids.execution(app.clock.now());
    let mut wait = Wait::for_answer(app, id);
    let request = Request { caller: &caller, id, repeat, quota: Some(&quota), durability: Durability::Soon };
    admit(app, &doors.scheduler, request, submission, &body).await?;
    let outcome = wait.for_end(app).await.and_then(|record| record.outcome);
    Ok((id, outcome.ok_or(Refusal::ShuttingDown)?))
}

/// Who signs a time may ask once with it; a signature of the body alone is as good for ever.
fn vouch<'a>(
    app: &App,
    settings: &GenerateSettings,
    secret: &Secret,
    headers: &'a HeaderMap,
    body: &[u8],
) -> Result<Repeat<'a>, Problem> {
    if !headers.contains_key(TIMESTAMP) {
        let signed = signature_of(secret, &[body], headers, SIGNATURE).is_some() && !settings.require_timestamp;
        return if signed { Ok(Repeat::Another) } else { Err(not_signed()) };
    }
    let time = single(headers, TIMESTAMP).unwrap_or_default();
    let signature = signature_of(secret, &[time.as_bytes(), b":", body], headers, SIGNATURE);
    let recent = is_recent(time, app.clock.now(), settings.window_seconds);
    signature.filter(|_| recent).map(Repeat::Refused).ok_or_else(not_signed)
}

fn answer(id: ExecutionId, outcome: Outcome) -> Response {
    match outcome.verdict {
        Verdict::Succeeded => Json(json!({
            "success": true,
            "result": outcome.result.unwrap_or_default(),
            "executionId": id,
            "sessionId": outcome.session_id,
            "durationMs": outcome.duration_ms,
            "costUsd": outcome.cost_usd,
            "usage": outcome.usage,
        }))
        .into_response(),
        Verdict::Failed(failure) => {
            let (status, code) = match failure.reason {
                FailureReason::OutputLimit => (StatusCode::BAD_GATEWAY, "output_too_large"),
                reason if reason.is_timeout() => (StatusCode::GATEWAY_TIMEOUT, reason.as_str()),
                reason => (StatusCode::BAD_GATEWAY, reason.as_str()),
            };
            failed(id, status, code, &failure.message)
        }
        Verdict::Cancelled { message } => failed(id, StatusCode::BAD_GATEWAY, "cancelled", &message),
    }
}

fn failed(id: ExecutionId, status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "success": false, "error": code, "message": message, "executionId": id });
    (status, Json(body)).into_response()
}

fn refuse(problem: Problem) -> Response {
    // That a signature was good once is nobody's business either.
    let problem = if problem.status == StatusCode::UNAUTHORIZED.as_u16() { not_signed() } else { problem };
    let body = json!({ "success": false, "error": problem.code, "message": problem.detail });
    problem.shaped(body)
}
