//! The Gemini API, as far as agents use it: content (streamed and whole) and token counts.
//!
//! Wire format: <https://ai.google.dev/api/generate-content> and `…/tokens`.

mod aside;
mod content;
mod request;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use legwork_model::ModelApi;
use serde_json::json;

use self::aside::Aside;
use self::content::Content;
use self::request::{CountRequest, Request};
use super::refusal::Refusal;
use super::reply::Reply;
use super::stage::{Asker, Stage};
use super::wire;

/// What the last part of the path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Generate,
    Stream,
    Count,
}

/// `POST /v1beta/models/{model}:{method}`
pub(super) async fn generate(
    State(stage): State<Arc<Stage>>,
    Path(call): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let response = match read(&call, &uri, &headers, body) {
        Ok((_, Method::Count, _, body)) => {
            CountRequest::tokens(&body).map(|tokens| Json(json!({ "totalTokens": tokens })).into_response())
        }
        Ok((model, method, credential, body)) => {
            match answer(&stage, model, method == Method::Stream, &headers, credential, &body) {
                Ok((content, reply)) => Ok(wire::perform(&content, &reply).await),
                Err(refusal) => Err(refusal),
            }
        }
        Err(refusal) => Err(refusal),
    };
    response.unwrap_or_else(|refusal| refusal.respond(ModelApi::Gemini))
}

/// The model, what to do with it, whoever asks, and the body.
fn read<'a>(
    call: &'a str,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(&'a str, Method, &'a [u8], Bytes), Refusal> {
    let unknown = || Refusal::new(StatusCode::NOT_FOUND, "there is no such method in the rehearsal model");
    let (model, method) = call.split_once(':').ok_or_else(unknown)?;
    let method = match method {
        "generateContent" => Method::Generate,
        "streamGenerateContent" if query(uri, "alt") == Some("sse") => Method::Stream,
        "streamGenerateContent" => {
            return Err(Refusal::invalid("the rehearsal model streams server-sent events only: add alt=sse"));
        }
        "countTokens" => Method::Count,
        _ => return Err(unknown()),
    };
    let given = headers.get("x-goog-api-key").or_else(|| headers.get(header::AUTHORIZATION));
    let given = given.map(HeaderValue::as_bytes).or_else(|| query(uri, "key").map(str::as_bytes));
    let credential = wire::credential(given, StatusCode::FORBIDDEN, "x-goog-api-key header")?;
    Ok((model, method, credential, wire::body(body)?))
}

fn answer(
    stage: &Stage,
    model: &str,
    streamed: bool,
    headers: &HeaderMap,
    credential: &[u8],
    body: &[u8],
) -> Result<(Content, Reply), Refusal> {
    let number = stage.next_request();
    let request = Request::parse(body)?;
    let tools = request.toolbox();
    let asker = Asker { credential, session: None };
    let answer = match Aside::of(&request, &tools, headers) {
        Some(Aside::Json(text)) => Stage::saying(number, text),
        Some(Aside::Text) => stage.answer(number, asker, &[], &tools)?,
        None => stage.answer(number, asker, &request.turns(), &tools)?,
    };
    Ok((Content::new(&request, &answer, model, streamed), answer.reply))
}

fn query<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
}
