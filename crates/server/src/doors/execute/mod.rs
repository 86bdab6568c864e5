//! `POST /execute`: signed calls of the CLI. Requests of another contract come to the same path; their fields tell them
//! apart.

pub mod health;
mod signed;
pub(super) mod statistics;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{Extensions, HeaderMap};
use axum::response::{IntoResponse, Response};

use super::{Doors, web};
pub use signed::Execute;

/// Calls the CLI with a signed prompt and arguments.
///
/// `x-claude-signature` is the HMAC-SHA256 of `<x-claude-timestamp>:<body>` in hex, good once and for half a minute.
#[utoipa::path(
    post, path = "/execute", tag = "doors", request_body = Execute,
    params(("x-claude-timestamp" = String, Header), ("x-claude-signature" = String, Header)),
    responses(
        (status = 200, description = "`{success: true, result: {output, duration}, executionTime, executionId}`"),
        (status = 401, description = "Not signed, too old, or used before"),
        (status = 422, description = "A field or an argument is wrong"),
        (status = 429, description = "Too many jobs from this address; see `Retry-After`"),
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
    match doors.app.config.doors.execute.secret.clone() {
        Some(secret) => signed::execute(doors, &secret, &extensions, &headers, body).await,
        None => web::not_found().await.into_response(),
    }
}
