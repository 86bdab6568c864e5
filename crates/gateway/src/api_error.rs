//! Errors in the words of the API that was called, so that its clients show them as their own.

use axum::http::StatusCode;
use legwork_model::ModelApi;
use serde_json::{Value, json};

/// The body of an error.
pub(crate) fn body(api: ModelApi, status: StatusCode, message: &str) -> Value {
    match api {
        ModelApi::Anthropic => {
            json!({ "type": "error", "error": { "type": anthropic_type(status), "message": message } })
        }
        ModelApi::Openai => {
            let (kind, code) = openai_type_and_code(status);
            json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
        }
        ModelApi::Gemini => {
            json!({ "error": { "code": status.as_u16(), "message": message, "status": gemini_status(status) } })
        }
    }
}

fn anthropic_type(status: StatusCode) -> &'static str {
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

fn openai_type_and_code(status: StatusCode) -> (&'static str, Option<&'static str>) {
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

fn gemini_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        405 | 501 => "UNIMPLEMENTED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}
