//! Errors in the APIs' own shape: `{"error":{"message":…,"type":…,"param":null,"code":…}}`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::refusal::Refusal;

/// The error as it stands in a body.
pub(crate) fn shape(refusal: &Refusal) -> Value {
    let (kind, code) = kind_and_code(refusal.status);
    json!({ "error": { "message": refusal.message, "type": kind, "param": null, "code": code } })
}

/// The error as it stands in a response that has failed after it began.
pub(super) fn failure(refusal: &Refusal) -> Value {
    let code = match refusal.status.as_u16() {
        429 => "rate_limit_exceeded",
        503 | 529 => "server_is_overloaded",
        500.. => "server_error",
        _ => "invalid_prompt",
    };
    json!({ "code": code, "message": refusal.message })
}

fn kind_and_code(status: StatusCode) -> (&'static str, Option<&'static str>) {
    match status.as_u16() {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        402 => ("insufficient_quota", Some("insufficient_quota")),
        403 => ("permission_error", None),
        404 => ("invalid_request_error", Some("not_found")),
        429 => ("rate_limit_error", Some("rate_limit_exceeded")),
        503 | 529 => ("server_error", Some("server_is_overloaded")),
        500.. => ("server_error", None),
        _ => ("invalid_request_error", None),
    }
}
