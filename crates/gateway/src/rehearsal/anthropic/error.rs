//! Errors in the API's own shape: `{"type":"error","error":{"type":…,"message":…}}`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::refusal::Refusal;

/// The error as it stands in a body, and in a stream that has already begun.
pub(crate) fn shape(refusal: &Refusal) -> Value {
    json!({ "type": "error", "error": { "type": kind_of(refusal.status), "message": refusal.message } })
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
