//! A request that is refused, in words; each API has a shape of its own for it.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use legwork_model::ModelApi;
use serde_json::Value;

use crate::api_error;

/// Why a request gets no answer.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: message.to_owned() }
    }

    /// The error that a script asks for. Agents know a rejected key by the words of their API: `bad_key`.
    pub(crate) fn scripted(status: u16, bad_key: &str) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let message = if status == StatusCode::UNAUTHORIZED { bad_key } else { message_of(status) };
        Self::new(status, &format!("{message} (rehearsed)"))
    }

    /// The request's body did not arrive whole.
    pub(crate) fn unreadable(rejection: &BytesRejection) -> Self {
        Self { status: rejection.status(), message: rejection.body_text() }
    }

    /// The request's body is not what it should be.
    pub(crate) fn invalid(problem: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, problem)
    }

    /// As it stands in a body, and in a stream that has already begun, in the words of `api`.
    pub(crate) fn shape(&self, api: ModelApi) -> Value {
        api_error::body(api, self.status, &self.message)
    }

    /// The whole response.
    pub(crate) fn respond(&self, api: ModelApi) -> Response {
        let mut response = (self.status, Json(self.shape(api))).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn message_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => "this key may not do that",
        404 => "there is no such model",
        413 => "the request is too large",
        429 => "this request would exceed your rate limit",
        529 => "overloaded",
        500.. => "internal server error",
        _ => "the request is not valid",
    }
}
