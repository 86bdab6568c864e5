//! The two OpenAI APIs that agents use, streamed and whole: Responses and Chat Completions.
//!
//! Wire format: <https://platform.openai.com/docs/api-reference/responses> and `…/responses-streaming`, `…/chat`.

mod chat;
mod error;
mod request;
mod responses;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use legwork_model::ModelApi;

use self::request::{credential, is_aside, session};
use super::refusal::Refusal;
use super::reply::Reply;
use super::stage::{Asker, Stage};
use super::wire::{self, Wire};

/// The key that is rejected, in the words of these APIs.
const BAD_KEY: &str = "Incorrect API key provided";

/// `POST /v1/responses`
pub(super) async fn responses(
    State(stage): State<Arc<Stage>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let number = stage.next_request();
    respond(number, answer_response(&stage, number, &headers, body)).await
}

/// `POST /v1/chat/completions`
pub(super) async fn chat(
    State(stage): State<Arc<Stage>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let number = stage.next_request();
    respond(number, answer_chat(&stage, number, &headers, body)).await
}

async fn respond<W: Wire>(number: u64, answer: Result<(W, Reply), Refusal>) -> Response {
    let response = match answer {
        Ok((wire, reply)) => wire::perform(&wire, &reply).await,
        Err(refusal) => refusal.respond(ModelApi::Openai),
    };
    wire::identified(response, "x-request-id", number)
}

fn answer_response(
    stage: &Stage,
    number: u64,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(responses::Created, Reply), Refusal> {
    let credential = credential(headers)?;
    let body = wire::body(body)?;
    let request = responses::Request::parse(&body)?;
    let (tools, asker) = (request.toolbox(), Asker { credential, session: session(headers, request.cache_key()) });
    let turns = if is_aside(headers, &tools) { Vec::new() } else { request.turns() };
    let answer = stage.answer(number, asker, &turns, &tools)?;
    Ok((responses::Created::new(&request, &answer), answer.reply))
}

fn answer_chat(
    stage: &Stage,
    number: u64,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(chat::Completion, Reply), Refusal> {
    let credential = credential(headers)?;
    let body = wire::body(body)?;
    let request = chat::Request::parse(&body)?;
    let (tools, asker) = (request.toolbox(), Asker { credential, session: session(headers, request.user()) });
    let turns = if is_aside(headers, &tools) { Vec::new() } else { request.turns() };
    let answer = stage.answer(number, asker, &turns, &tools)?;
    Ok((chat::Completion::new(&request, &answer), answer.reply))
}
