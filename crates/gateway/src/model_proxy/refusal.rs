//! Why a request is not passed on.

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use legwork_model::ModelApi;

use super::breaker::Cause;
use crate::api_error;

/// Why a request is not passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    NoToken,
    Ended,
    Settling,
    Expired,
    NotFound(String),
    Method(&'static str),
    TooLarge(usize),
    Unreadable,
    Model { asked: String, allowed: Vec<String> },
    Unpriced(String),
    Books(String),
    Held { cause: Cause, seconds: u64 },
    Unreachable,
    Misconfigured,
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::Ended | Self::Expired => StatusCode::UNAUTHORIZED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable | Self::Unpriced(_) => StatusCode::BAD_REQUEST,
            Self::Model { .. } => StatusCode::FORBIDDEN,
            Self::Books(_) => StatusCode::PAYMENT_REQUIRED,
            Self::Held { cause: Cause::Limited, .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Held { cause: Cause::Rejected, .. } => StatusCode::UNAUTHORIZED,
            Self::Held { cause: Cause::Unavailable, .. } | Self::Unreachable | Self::Settling => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Misconfigured => StatusCode::BAD_GATEWAY,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::NoToken => "Legwork: the request shows no token of a run.".to_owned(),
            Self::Ended => "Legwork: no run that goes on has this token; it may have ended.".to_owned(),
            Self::Settling => "Legwork: the server has just started; try again.".to_owned(),
            Self::Expired => "Legwork: the token of this run has expired.".to_owned(),
            Self::NotFound(path) => format!("Legwork: {path} is none of the paths that agents may call here."),
            Self::Method(allowed) => format!("Legwork: this path takes {allowed} alone."),
            Self::TooLarge(most) => format!("Legwork: the request is longer than {} MB.", most >> 20),
            Self::Unreadable => "Legwork: the request's body did not arrive whole.".to_owned(),
            Self::Model { asked, allowed } => {
                format!("Legwork: the model `{asked}` may not be used here; allowed are {}.", allowed.join(", "))
            }
            Self::Unpriced(model) => {
                format!("Legwork: the model `{model}` has no price; the operator sets it in [prices.\"{model}\"].")
            }
            Self::Books(why) => format!("Legwork: {why}"),
            Self::Held { cause, seconds } => {
                let why = match cause {
                    Cause::Limited => "the usage limit of the model's API is reached",
                    Cause::Rejected => "the model's API rejects the credential",
                    Cause::Unavailable => "the model's API is not available",
                };
                format!("Legwork: {why}; it is asked again in {seconds} s.")
            }
            Self::Unreachable => "Legwork: the model's API can't be reached.".to_owned(),
            Self::Misconfigured => "Legwork: the credential for the model's API can't be sent.".to_owned(),
        }
    }

    /// The answer, in the words of `api`.
    pub(super) fn respond(&self, api: ModelApi) -> Response<Full<Bytes>> {
        let body = api_error::body(api, self.status(), &self.message()).to_string();
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Self::Method(allowed) => drop(headers.insert(ALLOW, HeaderValue::from_static(allowed))),
            Self::Settling => drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))),
            Self::Held { seconds, .. } => drop(headers.insert(RETRY_AFTER, HeaderValue::from(*seconds))),
            _ => {}
        }
        // What no repetition makes better; agents' libraries heed it.
        let is_final = !matches!(self, Self::Held { .. } | Self::Unreachable | Self::Settling);
        if is_final {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        response
    }
}
