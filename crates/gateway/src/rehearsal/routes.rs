//! Everything that the rehearsal model answers to, on one screen.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::refusal::Refusal;
use super::stage::Stage;
use super::{anthropic, models};

/// The APIs' own limit for the body of a request, in bytes.
const LARGEST_BODY: usize = 32 << 20;

/// The routes, below the base URL that agents are given. Some are given one that ends in `/v1` already.
pub(super) fn router(stage: Stage) -> Router {
    Router::new()
        .route("/v1/messages", post(anthropic::messages))
        .route("/v1/messages/count_tokens", post(anthropic::count_tokens))
        .route("/v1/models", get(models::list))
        .route("/models", get(models::list))
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "there is no such path in the rehearsal model") })
        .method_not_allowed_fallback(|| async {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method")
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Arc::new(stage))
}

fn refuse(status: StatusCode, problem: &str) -> Response {
    Refusal::new(status, problem).respond(anthropic::error)
}
