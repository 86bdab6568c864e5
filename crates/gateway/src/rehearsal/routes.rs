//! Everything that the rehearsal model answers to, on one screen.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::{get, post};
use legwork_model::ModelApi;

use super::refusal::Refusal;
use super::stage::Stage;
use super::{anthropic, gemini, models, openai};

/// The APIs' own limit for the body of a request, in bytes.
const LARGEST_BODY: usize = 32 << 20;

/// The routes, below the base URL that agents are given. Some are given one that ends in `/v1` already.
pub(super) fn router(stage: Stage) -> Router {
    Router::new()
        .route("/v1/messages", post(anthropic::messages))
        .route("/v1/messages/count_tokens", post(anthropic::count_tokens))
        .route("/v1/responses", post(openai::responses))
        .route("/responses", post(openai::responses))
        .route("/v1/chat/completions", post(openai::chat))
        .route("/chat/completions", post(openai::chat))
        .route("/v1/models", get(models::list))
        .route("/models", get(models::list))
        .route("/v1beta/models", get(models::gemini))
        .route("/v1beta/models/{call}", post(gemini::generate))
        .fallback(|uri: Uri, headers: HeaderMap| async move {
            refuse(&uri, &headers, StatusCode::NOT_FOUND, "there is no such path in the rehearsal model")
        })
        .method_not_allowed_fallback(|uri: Uri, headers: HeaderMap| async move {
            refuse(&uri, &headers, StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method")
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Arc::new(stage))
}

/// Refuses in the words of the API that was most likely meant.
fn refuse(uri: &Uri, headers: &HeaderMap, status: StatusCode, problem: &str) -> Response {
    let api = match uri.path() {
        path if path.starts_with("/v1beta") => ModelApi::Gemini,
        path if path.ends_with("/responses") || path.ends_with("/completions") => ModelApi::Openai,
        path if path.starts_with("/v1/messages") || headers.contains_key("anthropic-version") => ModelApi::Anthropic,
        _ if headers.contains_key("x-goog-api-key") => ModelApi::Gemini,
        _ if headers.contains_key(header::AUTHORIZATION) => ModelApi::Openai,
        _ => ModelApi::Anthropic,
    };
    Refusal::new(status, problem).respond(api)
}
