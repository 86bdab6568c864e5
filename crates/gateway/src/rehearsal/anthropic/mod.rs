//! The Anthropic Messages API, as far as agents use it: messages (streamed and whole), token counts, models.
//!
//! Wire format: <https://docs.anthropic.com/en/api/messages> and `…/messages-streaming`, `…/errors`.

mod error;
mod message;
mod request;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use self::error::ApiError;
use self::message::Message;
use self::request::Request;
use super::Stage;
use super::conversation::{self, Turn};
use super::reply::{Ending, Reply};
use super::step::Mishap;

/// The API's own limit for the body of a request, in bytes.
const LARGEST_BODY: usize = 32 << 20;

/// The models that are listed. Requests may name any other, too.
const MODELS: [(&str, &str); 3] = [
    ("claude-opus-4-8", "Rehearsal in place of Claude Opus"),
    ("claude-sonnet-4-6", "Rehearsal in place of Claude Sonnet"),
    ("claude-haiku-4-5", "Rehearsal in place of Claude Haiku"),
];

struct Api {
    stage: Stage,
    requests: AtomicU64,
}

/// The routes, below the base URL that agents are given.
pub(super) fn router(stage: Stage) -> Router {
    Router::new()
        .route("/v1/messages", post(messages))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .route("/v1/models", get(models))
        .fallback(|| async { ApiError::new(StatusCode::NOT_FOUND, "there is no such path in the rehearsal model") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method")
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Arc::new(Api { stage, requests: AtomicU64::new(1) }))
}

async fn messages(State(api): State<Arc<Api>>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    let number = api.requests.fetch_add(1, Ordering::Relaxed);
    let mut response = match api.answer(number, &headers, body) {
        Ok((message, reply)) => perform(&message, &reply).await,
        Err(error) => error.into_response(),
    };
    if let Ok(id) = HeaderValue::try_from(format!("req_rehearsal{number:06}")) {
        response.headers_mut().insert("request-id", id);
    }
    response
}

async fn count_tokens(headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Json<Value>, ApiError> {
    credential(&headers)?;
    let body = body.map_err(|rejection| ApiError::unreadable(&rejection))?;
    let request = Request::parse(&body)?;
    Ok(Json(json!({ "input_tokens": request.tokens().total() })))
}

async fn models() -> Json<Value> {
    let model = |(id, name): &(&str, &str)| json!({ "type": "model", "id": id, "display_name": name, "created_at": "2026-01-01T00:00:00Z" });
    let data: Vec<_> = MODELS.iter().map(model).collect();
    Json(json!({ "data": data, "has_more": false, "first_id": MODELS[0].0, "last_id": MODELS[MODELS.len() - 1].0 }))
}

impl Api {
    /// Finds what to answer; `number` makes the ids in the answer unlike those of any other.
    fn answer(
        &self,
        number: u64,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<(Message, Reply), ApiError> {
        let credential = credential(headers)?;
        let body = body.map_err(|rejection| ApiError::unreadable(&rejection))?;
        let request = Request::parse(&body)?;
        request.check_max_tokens()?;
        let reply = self.reply(&request, headers, credential)?;
        tracing::debug!(number, ending = ?reply.ending, "the rehearsal model answers");
        Ok((Message::new(&request, &reply, number), reply))
    }

    fn reply(&self, request: &Request<'_>, headers: &HeaderMap, credential: &[u8]) -> Result<Reply, ApiError> {
        let turns = if request.is_aside(headers) { Vec::new() } else { request.turns() };
        let due = conversation::due(&turns, &self.stage.script)
            .map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, &format!("rehearsal: {error}")))?;
        if !Reply::depends_on_attempt(&due.steps) {
            return Ok(Reply::of(&due.steps, 1));
        }
        let prompt = match turns.get(due.place.0) {
            Some(Turn::Asked(prompt)) => prompt.as_str(),
            _ => "",
        };
        let attempt = self.stage.attempts.next(&(credential, request.user(), prompt, due.place));
        Ok(Reply::of(&due.steps, attempt))
    }
}

/// Whoever asks; any credential will do, but as with the real API there must be one.
fn credential(headers: &HeaderMap) -> Result<&[u8], ApiError> {
    let given = headers.get("x-api-key").or_else(|| headers.get(header::AUTHORIZATION));
    given.map(HeaderValue::as_bytes).filter(|credential| !credential.is_empty()).ok_or_else(|| {
        ApiError::new(
            StatusCode::UNAUTHORIZED,
            "x-api-key header is required: the rehearsal model takes any key, but needs one",
        )
    })
}

async fn perform(message: &Message, reply: &Reply) -> Response {
    let started = message.streamed && !reply.blocks.is_empty();
    match reply.ending {
        Ending::Mishap(Mishap::Error(status)) if !started => return ApiError::scripted(status).into_response(),
        Ending::Mishap(Mishap::Hang) if !started => std::future::pending().await,
        _ => {}
    }
    if message.streamed {
        let events = stream::body(message.frames(reply));
        return ([(header::CONTENT_TYPE, "text/event-stream")], events).into_response();
    }
    tokio::time::sleep(reply.duration()).await;
    ([(header::CONTENT_TYPE, "application/json")], whole(message, reply)).into_response()
}

fn whole(message: &Message, reply: &Reply) -> Body {
    let mut text = message.whole(reply).to_string();
    match reply.ending {
        Ending::Mishap(_) => {
            let half = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(half);
            stream::body(vec![stream::Frame::Data(text.into()), stream::Frame::Cut])
        }
        _ => Body::from(text),
    }
}
