//! The front page.

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

/// Where a browser lands. Who asks for JSON is told that the server is there.
pub async fn page(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("application/json") && !accept.contains("text/html") {
        return Json(json!({ "status": "ok", "service": "legwork", "version": env!("CARGO_PKG_VERSION") }))
            .into_response();
    }
    Html(include_str!("home.html")).into_response()
}
