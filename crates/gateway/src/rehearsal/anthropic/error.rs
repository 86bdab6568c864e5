//! Errors in the API's own shape: `{"type":"error","error":{"type":…,"message":…}}`.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A refused request.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: message.to_owned() }
    }

    /// The error that a script asks for.
    pub(super) fn scripted(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, message_of(status))
    }

    /// The request's body did not arrive whole.
    pub(super) fn unreadable(rejection: &BytesRejection) -> Self {
        Self { status: rejection.status(), message: rejection.body_text() }
    }

    /// The request's body is not what it should be.
    pub(super) fn invalid(problem: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, problem)
    }

    /// The error as it stands in a body, and in a stream that has already begun.
    pub(super) fn to_json(&self) -> Value {
        json!({ "type": "error", "error": { "type": kind_of(self.status), "message": self.message } })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.to_json())).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn kind_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

fn message_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "invalid x-api-key (rehearsed)",
        403 => "this key may not do that (rehearsed)",
        404 => "there is no such model (rehearsed)",
        413 => "the request is too large (rehearsed)",
        429 => "this request would exceed your rate limit (rehearsed)",
        529 => "overloaded (rehearsed)",
        500.. => "internal server error (rehearsed)",
        _ => "the request is not valid (rehearsed)",
    }
}
