//! The Anthropic Messages API, as far as agents use it: messages (streamed and whole), token counts, models.
//!
//! Wire format: <https://docs.anthropic.com/en/api/messages> and `…/messages-streaming`, `…/errors`.

mod message;
mod request;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use legwork_model::ModelApi;
use serde_json::json;

use self::message::Message;
use self::request::Request;
use super::refusal::Refusal;
use super::reply::Reply;
use super::stage::{Asker, Stage};
use super::wire;

/// `POST /v1/messages`
pub(super) async fn messages(
    State(stage): State<Arc<Stage>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let number = stage.next_request();
    let response = match answer(&stage, number, &headers, body) {
        Ok((message, reply)) => wire::perform(&message, &reply).await,
        Err(refusal) => refusal.respond(ModelApi::Anthropic),
    };
    wire::identified(response, "request-id", number)
}

/// `POST /v1/messages/count_tokens`
pub(super) async fn count_tokens(headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    let count = || {
        credential(&headers)?;
        let body = wire::body(body)?;
        Ok(Request::parse(&body)?.usage().input())
    };
    match count() {
        Ok(tokens) => Json(json!({ "input_tokens": tokens })).into_response(),
        Err(refusal) => Refusal::respond(&refusal, ModelApi::Anthropic),
    }
}

fn answer(
    stage: &Stage,
    number: u64,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(Message, Reply), Refusal> {
    let credential = credential(headers)?;
    let body = wire::body(body)?;
    let request = Request::parse(&body)?;
    request.check_max_tokens()?;
    let turns = if request.is_aside(headers) { Vec::new() } else { request.turns() };
    let asker = Asker { credential, session: request.user() };
    let answer = stage.answer(number, asker, &turns, &request.toolbox())?;
    Ok((Message::new(&request, &answer), answer.reply))
}

fn credential(headers: &HeaderMap) -> Result<&[u8], Refusal> {
    let given = headers.get("x-api-key").or_else(|| headers.get(header::AUTHORIZATION));
    wire::credential(given.map(HeaderValue::as_bytes), StatusCode::UNAUTHORIZED, "x-api-key header")
}
