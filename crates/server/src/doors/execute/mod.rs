//! `POST /execute`, a path that two contracts share: signed calls of the CLI, and jobs that bring their own credentials.
//! Their fields tell them apart.

pub mod health;
mod signed;
pub(super) mod statistics;
pub mod status;
mod unified;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{Extensions, HeaderMap};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::IgnoredAny;
use utoipa::ToSchema;

use super::{Doors, web};
pub use signed::Execute;
pub use unified::Unified;

/// The bodies of this path.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "only describes")]
pub enum Body {
    /// With `prompt`.
    Signed(Execute),
    /// With `userRequest`.
    Unified(Unified),
}

/// Calls the CLI with a signed prompt and arguments; or does a job that brings its own credentials.
///
/// With `prompt`: `x-claude-signature` is the HMAC-SHA256 of `<x-claude-timestamp>:<body>` in hex, good once and for half
/// a minute. With `userRequest`: the answer is a stream of events, `connected`, `message`, `github_pull_progress`,
/// `assistant_message`, and last `completed` or `error`; a client that was cut off reads on at
/// `GET /v1/executions/{id}/events`.
#[utoipa::path(
    post, path = "/execute", tag = "doors", request_body = Body,
    params(("x-claude-timestamp" = Option<String>, Header), ("x-claude-signature" = Option<String>, Header)),
    responses(
        (status = 200, description = "`{success: true, result: {output, duration}, executionTime, executionId}`, or events"),
        (status = 400, description = "There is no such `codingAssistantProvider`"),
        (status = 401, description = "Not signed, too old, or used before; or no API key"),
        (status = 422, description = "A field or an argument is wrong"),
        (status = 429, description = "Too many jobs from this address, or the worker is busy; see `Retry-After`"),
        (status = 500, description = "The run failed; `code` says why"),
        (status = 503, description = "Queue full or shutting down; see `Retry-After`"),
    ),
)]
pub async fn execute(
    State(doors): State<Doors>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let secret = doors.app.config.doors.execute.secret.clone();
    let (open, asked) = (doors.app.config.doors.unified.enabled, asks_for_unified(&headers, &body));
    match secret {
        Some(secret) if !asked => signed::execute(doors, &secret, &extensions, &headers, body).await,
        _ if open => unified::execute(doors, &extensions, &headers, body).await,
        _ => web::not_found().await.into_response(),
    }
}

/// Whether the request is of the unified contract. Whoever signs means the other one, or both.
fn asks_for_unified(headers: &HeaderMap, body: &Result<Bytes, BytesRejection>) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields {
        user_request: Option<IgnoredAny>,
    }
    let fields = body.as_ref().ok().and_then(|body| serde_json::from_slice::<Fields>(body).ok());
    !headers.contains_key(signed::SIGNATURE) && fields.is_some_and(|fields| fields.user_request.is_some())
}
