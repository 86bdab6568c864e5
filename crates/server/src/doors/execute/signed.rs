//! A prompt with arguments of the CLI, signed together with the time.

use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use legwork_model::{ExecutionId, Outcome, Verdict};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::statistics::Call;
use crate::admission::{Caller, Permissions, Refusal, Repeat, Request, admit};
use crate::app::App;
use crate::config::{ExecuteSettings, Secret};
use crate::doors::body::{says_json, whole_body};
use crate::doors::cli_call::{CANCELLED, CliCall, Rules, code, in_their_words, output};
use crate::doors::peer::{client_address, is_local};
use crate::doors::signature::{is_recent, not_signed, signature_of, single};
use crate::doors::wait::Wait;
use crate::doors::{Doors, Problem};
use crate::parse::parse_json;
use crate::store::Durability;
use crate::store::quota::Quota;

pub(super) const SIGNATURE: &str = "x-claude-signature";
const TIMESTAMP: &str = "x-claude-timestamp";
const CALLER: &str = "door:execute";
const MINUTE_MILLIS: i64 = 60_000;
const DEFAULT_TIMEOUT_MILLIS: u64 = 60_000;

/// A prompt with arguments of the CLI. Unknown fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Execute {
    /// What the agent is to do.
    prompt: Option<String>,
    /// Flags of the CLI, of those that are allowed.
    #[serde(default)]
    args: Vec<String>,
    /// A directory to work in, inside one of the configured roots.
    cwd: Option<String>,
    /// Milliseconds that the run may take.
    #[schema(default = 60_000)]
    timeout: Option<u64>,
    /// A field of the other contract on this path.
    #[serde(rename = "userRequest")]
    #[schema(ignore)]
    user_request: Option<serde_json::Value>,
}

/// The answer to a job, and what it takes to give it.
struct Ran {
    id: ExecutionId,
    outcome: Outcome,
    output: String,
}

pub(super) async fn execute(
    doors: Doors,
    secret: &Secret,
    extensions: &Extensions,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let settings = &doors.app.config.doors.execute;
    let began = Instant::now();
    let exempt = !settings.limit_loopback && is_local(&doors, extensions, headers);
    let client = client_address(&doors, extensions, headers).filter(|_| !exempt);
    let quota = client.map(|client| Quota {
        scope: format!("{CALLER}:{client}"),
        limit: settings.calls_per_minute,
        window_millis: MINUTE_MILLIS,
    });
    let mut response = match run(&doors, settings, secret, quota.as_ref(), headers, body).await {
        Ok(ran) => answer(ran, began),
        Err(problem) => refuse(in_their_words(problem)),
    };
    if let Some(quota) = quota.filter(|_| response.status() != StatusCode::UNAUTHORIZED) {
        tell_quota(&doors.app, &quota, &mut response).await;
    }
    response
}

async fn run(
    doors: &Doors,
    settings: &ExecuteSettings,
    secret: &Secret,
    quota: Option<&Quota>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Ran, Problem> {
    let app = &doors.app;
    let body = whole_body(body)?;
    let token = vouch(app, settings, secret, headers, &body)?;
    says_json(headers)?;
    let rules = Rules {
        door: "execute",
        lane: &settings.lane,
        allow_flags: &settings.allow_flags,
        most_timeout_seconds: app.config.limits.most_timeout_seconds,
    };
    let (submission, format) = cli_call(parse_json(&body)?)?.submission(rules)?;
    let caller = Caller { key: Some(CALLER.to_owned()), permissions: Permissions::execute() };
    let id = app.ids.execution(app.clock.now());
    let mut wait = Wait::for_answer(app, id);
    let request = Request { caller: &caller, id, repeat: Repeat::Refused(&token), quota, durability: Durability::Soon };
    let mut call = Call::begin(&doors.statistics);
    admit(app, &doors.scheduler, request, submission, &body).await.inspect_err(|_| call.was_refused())?;
    let record = wait.for_end(app).await.ok_or(Refusal::ShuttingDown)?;
    let outcome = record.outcome.clone().ok_or(Refusal::ShuttingDown)?;
    call.ended(&outcome);
    let output = output(app, &record, &outcome, format).await?;
    Ok(Ran { id, outcome, output })
}

/// A signature is good once, and for a short time. Gives what is good once: with the time first, so that those of one
/// moment are found beside each other.
fn vouch(
    app: &App,
    settings: &ExecuteSettings,
    secret: &Secret,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<String, Problem> {
    let time = single(headers, TIMESTAMP).unwrap_or_default();
    let signature = signature_of(secret, &[time.as_bytes(), b":", body], headers, SIGNATURE);
    let recent = is_recent(time, app.clock.now(), settings.window_seconds);
    let time = time.trim_start_matches('0');
    let token = signature.filter(|_| recent).map(|signature| format!("{time}:{signature}"));
    token.ok_or_else(not_signed)
}

fn cli_call(request: Execute) -> Result<CliCall, Refusal> {
    let prompt = match (request.prompt, request.user_request) {
        (Some(prompt), None) => prompt,
        (Some(_), Some(_)) => {
            let message = "is of one contract on this path and `prompt` of another; send one of them";
            return Err(Refusal::invalid("userRequest", "ambiguous_request", message));
        }
        (None, Some(_)) => {
            let message =
                "is of the contract without a signature; leave the signature out, or send `prompt` and `args`";
            return Err(Refusal::invalid("userRequest", "wrong_contract", message));
        }
        (None, None) => {
            return Err(Refusal::invalid("prompt", "prompt_missing", "is missing; say what the agent is to do"));
        }
    };
    let timeout = Some(request.timeout.unwrap_or(DEFAULT_TIMEOUT_MILLIS));
    Ok(CliCall { prompt, args: request.args, cwd: request.cwd, timeout })
}

fn answer(ran: Ran, began: Instant) -> Response {
    let Ran { id, outcome, output } = ran;
    let (code, message) = match outcome.verdict {
        Verdict::Succeeded => {
            let body = json!({
                "success": true,
                "result": { "output": output, "duration": outcome.duration_ms },
                "executionTime": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                "executionId": id,
            });
            return Json(body).into_response();
        }
        Verdict::Failed(failure) => (code(failure.reason), failure.message),
        Verdict::Cancelled { message } => (CANCELLED, message),
    };
    let body = json!({ "success": false, "error": message, "code": code, "executionId": id });
    (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
}

fn refuse(problem: Problem) -> Response {
    if problem.status == StatusCode::UNAUTHORIZED.as_u16() {
        return not_signed().shaped(json!({ "error": "Unauthorized" }));
    }
    let mut body = json!({ "success": false, "error": problem.detail, "code": problem.code.to_ascii_uppercase() });
    if let (Some(field), Some(body)) = (&problem.field, body.as_object_mut()) {
        body.insert("field".into(), json!(field));
    }
    problem.shaped(body)
}

/// What is left for this client: `RateLimit` as the IETF's draft has it.
async fn tell_quota(app: &App, quota: &Quota, response: &mut Response) {
    let now = app.clock.now();
    let Ok(left) = app.store.quota_left(quota, now).await else { return };
    let wait = left.next_at.map_or(0, |at| at.as_millis() - now.as_millis());
    let seconds = u64::try_from(wait).unwrap_or(0).div_ceil(1000);
    let policy = format!("\"client\";q={};w={}", quota.limit, quota.window_millis / 1000);
    let rest = format!("\"client\";r={};t={seconds}", left.remaining);
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", rest)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}
