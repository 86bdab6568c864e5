//! Errors in the API's own shape: `{"error":{"code":…,"message":…,"status":…}}`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::refusal::Refusal;

/// The error as it stands in a body.
pub(crate) fn shape(refusal: &Refusal) -> Value {
    json!({ "error": {
        "code": refusal.status.as_u16(), "message": refusal.message, "status": status_of(refusal.status),
    } })
}

fn status_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
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
