//! The JSON of requests and answers.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::{Call, Error, FailureCode, Output};

/// The channel that requests go to where they need not last.
pub(super) const REQUESTS: &str = "claude:cli:requests";
/// The stream that requests go to where they must.
pub(super) const STREAM: &str = "claude:cli:requests:stream";
/// The field of a stream's entry.
pub(super) const FIELD: &str = "payload";
/// The channel that answers come on.
pub(super) const RESPONSES: &str = "claude:cli:responses";

/// An answer to some request.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Response {
    pub(super) id: String,
    success: bool,
    result: Option<String>,
    error: Option<String>,
    code: Option<String>,
    field: Option<String>,
    /// Seconds.
    retry_after: Option<u64>,
    execution_id: Option<String>,
}

/// `timeout` is in milliseconds; the contract's first services do not know it and pass it over.
pub(super) fn request(id: &str, call: &Call, timeout: Duration) -> String {
    let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    let mut request = json!({ "id": id, "prompt": call.prompt, "args": call.args, "timeout": timeout });
    if let Some(cwd) = &call.cwd {
        request["cwd"] = json!(cwd);
    }
    request.to_string()
}

impl Response {
    /// `None` where it is none.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok().filter(|response: &Self| !response.id.is_empty())
    }

    pub(super) fn read(self) -> Result<Output, Error> {
        let Self { success, result, error, code, field, retry_after, execution_id, .. } = self;
        let retry_after = retry_after.map(Duration::from_secs);
        if success {
            let text = result.ok_or_else(|| Error::Unexpected("a success without a result".into()))?;
            return Ok(Output { text, duration: None, execution_id });
        }
        let message = error.unwrap_or_default();
        let Some(name) = code.as_deref() else {
            return Err(Error::Failed { code: FailureCode::Unknown, message, execution_id });
        };
        if let Some(code) = FailureCode::parse(name) {
            return Err(Error::Failed { code, message, execution_id });
        }
        Err(match name {
            "UNAUTHORIZED" | "FORBIDDEN" => Error::Unauthorized,
            "QUOTA_REACHED" => Error::RateLimited { retry_after },
            "QUEUE_FULL" | "SHUTTING_DOWN" | "DATABASE_UNAVAILABLE" => Error::Unavailable { message, retry_after },
            "INTERNAL" => Error::Unexpected(message),
            _ => Error::Invalid { field, code, message },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_fields_of_the_contract() {
        let call = Call::new("hi").args(["-p"]);
        let second = Duration::from_secs(1);
        assert_eq!(request("01", &call, second), r#"{"args":["-p"],"id":"01","prompt":"hi","timeout":1000}"#);
        let placed = r#"{"args":["-p"],"cwd":"/srv","id":"01","prompt":"hi","timeout":1000}"#;
        assert_eq!(request("01", &call.cwd("/srv"), second), placed);
    }

    #[test]
    fn each_answer_is_one_kind_of_error() {
        let failed = |code, message: &str| Error::Failed { code, message: message.into(), execution_id: None };
        for (answer, expected) in [
            (r#"{"id":"1","success":false,"error":"boom"}"#, failed(FailureCode::Unknown, "boom")),
            (r#"{"id":"1","success":false,"error":"x","code":"SPAWN_FAILED"}"#, failed(FailureCode::SpawnFailed, "x")),
            (
                r#"{"id":"1","success":false,"error":"full","code":"QUEUE_FULL","retryAfter":5}"#,
                Error::Unavailable { message: "full".into(), retry_after: Some(Duration::from_secs(5)) },
            ),
            (
                r#"{"id":"1","success":false,"error":"no","code":"PROMPT_MISSING","field":"prompt"}"#,
                Error::Invalid {
                    field: Some("prompt".into()),
                    code: Some("PROMPT_MISSING".into()),
                    message: "no".into(),
                },
            ),
            (r#"{"id":"1","success":true}"#, Error::Unexpected("a success without a result".into())),
        ] {
            assert_eq!(Response::parse(answer.as_bytes()).unwrap().read(), Err(expected), "{answer}");
        }
    }

    #[test]
    fn what_is_no_answer_is_passed_over() {
        for payload in ["", "hello", "[]", r#"{"success":true}"#] {
            assert!(Response::parse(payload.as_bytes()).is_none(), "{payload}");
        }
    }
}
