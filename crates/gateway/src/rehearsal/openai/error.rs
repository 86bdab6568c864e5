//! The error of a response that has failed after it began.

use serde_json::{Value, json};

use super::super::refusal::Refusal;

/// As it stands in the response.
pub(super) fn failure(refusal: &Refusal) -> Value {
    let code = match refusal.status.as_u16() {
        429 => "rate_limit_exceeded",
        503 | 529 => "server_is_overloaded",
        500.. => "server_error",
        _ => "invalid_prompt",
    };
    json!({ "code": code, "message": refusal.message })
}
