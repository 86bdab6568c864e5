//! `POST /claude-code`: a prompt answered line by line. The job ends with its client.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use legwork_model::{Container, EventBody, Outcome, SandboxKind, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::body::json_body;
use super::client::Client;
use super::live::live;
use super::{Doors, Problem, web};
use crate::admission::{Caller, LimitRequest, Permission, Refusal, Repeat, Request, Submission, admit, apply_cli_args};
use crate::config::ClaudeCodeSettings;
use crate::parse::parse_json;
use crate::project::container_file::name;
use crate::store::Durability;

/// Our names of fields and theirs.
const NAMES: [(&str, &str); 2] = [("limits.maxTurns", "maxTurns"), ("resumeSession", "sessionId")];

/// A prompt, and how it is to be answered. What is left out comes from the settings; unknown fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ask {
    /// What the agent is to do.
    prompt: Option<String>,
    /// The model, passed on untouched.
    model: Option<String>,
    /// Whether the answer comes line by line, as it happens.
    stream: Option<bool>,
    /// Whether an answer that comes at once holds all messages.
    verbose: Option<bool>,
    /// Turns of the agent.
    max_turns: Option<u32>,
    /// Flags of the CLI, of those that are allowed.
    #[serde(default)]
    additional_args: Vec<String>,
    /// The session to continue.
    session_id: Option<String>,
}

/// Answers a prompt line by line.
///
/// One JSON object a line: `assistant`, `tool_call`, `tool_result`, and last `result` or `error`. The job is cancelled when
/// the client goes away.
#[utoipa::path(
    post, path = "/claude-code", tag = "doors", request_body = Ask,
    responses(
        (status = 200, description = "The lines; with `stream: false` one object", content_type = "text/plain"),
        (status = 422, description = "A field is wrong"),
        (status = 502, description = "The run failed (`stream: false`)"),
        (status = 504, description = "The run took too long (`stream: false`)"),
    ),
)]
pub async fn ask(
    State(doors): State<Doors>,
    caller: Result<Caller, Problem>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !doors.app.config.doors.claude_code.enabled {
        return web::not_found().await.into_response();
    }
    match answer(doors, caller, &headers, body).await {
        Ok(response) => response,
        Err(problem) => refuse(problem.in_words_of(&NAMES)),
    }
}

async fn answer(
    doors: Doors,
    caller: Result<Caller, Problem>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let caller = caller?;
    caller.require(Permission::Execute)?;
    let body = json_body(headers, body)?;
    let ask: Ask = parse_json(&body)?;
    let app = doors.app.clone();
    let settings = &app.config.doors.claude_code;
    let (stream, verbose) = (ask.stream.unwrap_or(settings.stream), ask.verbose.unwrap_or(settings.verbose));
    let mut submission = submission(ask, settings)?;
    if settings.keep_containers && app.config.sandbox.kind == SandboxKind::Docker {
        submission.sandbox.container = container_of(submission.resume_session.as_deref());
    }
    let id = app.ids.execution(app.clock.now());
    let request = Request { caller: &caller, id, repeat: Repeat::Another, quota: None, durability: Durability::Now };
    // From here on the job lives as long as this request does.
    let mut client = Client::new(doors.clone(), id);
    admit(&app, &doors.scheduler, request, submission, &body).await.inspect_err(|_| client.answered())?;
    let lines = lines(&doors, client);
    if stream {
        let lines = lines.map(|line| Ok::<_, Infallible>(Bytes::from(format!("{line}\n"))));
        let headers = [
            (header::CONTENT_TYPE.as_str(), "text/plain; charset=utf-8"),
            (header::CACHE_CONTROL.as_str(), "no-cache, no-transform"),
            ("x-accel-buffering", "no"),
        ];
        return Ok((headers, Body::from_stream(lines)).into_response());
    }
    whole(lines.collect().await, verbose)
}

fn submission(ask: Ask, settings: &ClaudeCodeSettings) -> Result<Submission, Refusal> {
    let prompt = ask.prompt.or_else(|| settings.prompt.clone());
    let missing = || Refusal::invalid("prompt", "prompt_missing", "is missing; say what the agent is to do");
    let mut submission = Submission {
        prompt: prompt.ok_or_else(missing)?,
        model: ask.model.or_else(|| settings.model.clone()),
        resume_session: ask.session_id,
        limits: LimitRequest {
            max_turns: Some(ask.max_turns.unwrap_or(settings.max_turns)),
            ..LimitRequest::default()
        },
        lane: Some(settings.lane.clone()),
        door: Some("claude-code"),
        ..Submission::default()
    };
    apply_cli_args("additionalArgs", &ask.additional_args, &settings.allow_flags, &mut submission)?;
    Ok(submission)
}

/// The container of a session that is continued, which whoever continues it again gets. The first request of a session has one of
/// its own, as most are never continued.
fn container_of(session: Option<&str>) -> Option<Container> {
    let keep = name(&format!("session-{}", session?)).ok();
    keep.map(|keep| Container { keep: Some(keep), ..Container::default() })
}

/// The answer, a line for each thing that happens. The last one is the result or an error.
fn lines(doors: &Doors, mut client: Client) -> impl Stream<Item = Value> + Send + use<> {
    let mut tools = HashMap::new();
    let events = live(&doors.app, client.id, 0);
    events.filter_map(move |event| {
        if event.is_last() {
            client.answered();
        }
        let line = event.decode().ok().and_then(|event| line(event.body, &mut tools));
        std::future::ready(line)
    })
}

fn line(event: EventBody, tools: &mut HashMap<String, String>) -> Option<Value> {
    Some(match event {
        EventBody::Text { text, .. } => json!({ "type": "assistant", "content": text }),
        EventBody::ToolCall { id, name, input, .. } => {
            let line = json!({ "type": "tool_call", "tool": name, "input": input });
            tools.insert(id, name);
            line
        }
        EventBody::ToolResult { id, output, .. } => {
            json!({ "type": "tool_result", "tool": tools.get(&id), "result": output })
        }
        EventBody::Finished { outcome } => last_line(outcome),
        _ => return None,
    })
}

fn last_line(outcome: Outcome) -> Value {
    let error = |code: &str, message: String| json!({ "type": "error", "error": code, "message": message });
    match outcome.verdict {
        Verdict::Succeeded => {
            json!({ "type": "result", "result": outcome.result.unwrap_or_default(), "sessionId": outcome.session_id })
        }
        Verdict::Failed(failure) => error(failure.reason.as_str(), failure.message),
        Verdict::Cancelled { message } => error("cancelled", message),
    }
}

/// The whole answer at once.
fn whole(mut lines: Vec<Value>, verbose: bool) -> Result<Response, Problem> {
    // Without its end the log could not be read on, or the server is about to end.
    let Some(mut last) = lines.pop().filter(|line| line["type"] == "result" || line["type"] == "error") else {
        return Err(Refusal::ShuttingDown.into());
    };
    let failed = last["type"] == "error";
    if let (true, Some(last)) = (verbose && !failed, last.as_object_mut()) {
        last.insert("messages".into(), lines.into());
    }
    let timed_out = last["error"].as_str().is_some_and(|code| code.ends_with("timeout"));
    let status = match (failed, timed_out) {
        (false, _) => StatusCode::OK,
        (true, true) => StatusCode::GATEWAY_TIMEOUT,
        (true, false) => StatusCode::BAD_GATEWAY,
    };
    Ok((status, Json(last)).into_response())
}

fn refuse(problem: Problem) -> Response {
    let mut body = json!({ "type": "error", "error": problem.code, "message": problem.detail });
    if let (Some(field), Some(body)) = (&problem.field, body.as_object_mut()) {
        body.insert("details".into(), json!({ "field": field }));
    }
    problem.shaped(body)
}
