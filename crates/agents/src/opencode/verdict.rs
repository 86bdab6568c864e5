//! How a turn went, from what OpenCode told of it.

use legwork_model::{Failure, FailureReason};

use super::NAME;
use super::wire::NamedError;
use crate::ending::{ApiError, interrupted, reported, truncated, unknown_session};

/// The failure of a turn that ended with `error`.
pub(super) fn failed(error: &NamedError) -> Failure {
    let status = error.data.status_code;
    let text = if error.data.message.is_empty() { &error.name } else { &error.data.message };
    let of_api = |error: ApiError| error.failure("opencode", status, text);
    match (error.name.as_str(), status) {
        ("MessageAbortedError", _) => interrupted(NAME),
        ("ProviderAuthError", _) | (_, Some(401 | 403)) => of_api(ApiError::Credential),
        (_, Some(402 | 429)) => of_api(ApiError::Limit),
        ("MessageOutputLengthError", _) => Failure { api_status: status, ..truncated() },
        ("ContextOverflowError", _) => of_api(ApiError::TooLong),
        ("ProviderModelNotFoundError", _) | (_, Some(404)) => of_api(ApiError::UnknownModel),
        ("APIError", _) | (_, Some(_)) => of_api(ApiError::Other),
        _ => reported(NAME, text),
    }
}

/// A call to the model that failed too often. Of a retry the program only tells the text.
pub(super) fn gave_up(text: &str) -> Failure {
    let lower = text.to_lowercase();
    let limit = ["rate limit", "too many requests", "quota", "usage limit"].iter().any(|known| lower.contains(known));
    let error = if limit { ApiError::Limit } else { ApiError::Other };
    error.failure("opencode", None, text)
}

/// A request of ours that was refused: `status` and the text of the answer.
pub(super) fn refused(status: u16, text: &str, continues: bool) -> Failure {
    // An id that can't be one is a bad request.
    if continues && matches!(status, 400 | 404) {
        return unknown_session(NAME);
    }
    Failure::new(FailureReason::AgentError, format!("{NAME} refused to begin ({status}): {text}"))
}

/// A session that began in another directory than this run's.
pub(super) fn elsewhere(directory: &str) -> Failure {
    let message = format!("{NAME}'s session to continue belongs to another directory, {directory}. Continue it there.");
    Failure::new(FailureReason::SessionNotFound, message)
}

/// The way to the program is lost.
pub(super) fn lost(text: &str) -> Failure {
    Failure::new(FailureReason::AgentError, format!("{NAME} could not be talked to any more: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_errors_and_statuses_decide() {
        for (error, expected) in [
            (r#"{"name":"APIError","data":{"message":"x","statusCode":401}}"#, "credentials_rejected 401"),
            (r#"{"name":"ProviderAuthError","data":{"message":"x"}}"#, "credentials_rejected"),
            (r#"{"name":"APIError","data":{"message":"x","statusCode":429}}"#, "usage_limit 429"),
            (r#"{"name":"APIError","data":{"message":"x","statusCode":500}}"#, "api_error 500"),
            (r#"{"name":"APIError","data":{"message":"x"}}"#, "api_error"),
            (r#"{"name":"ContextOverflowError","data":{"message":"x"}}"#, "api_error"),
            (r#"{"name":"MessageOutputLengthError","data":{}}"#, "answer_truncated"),
            (r#"{"name":"MessageAbortedError","data":{"message":"Aborted"}}"#, "interrupted"),
            (r#"{"name":"UnknownError","data":{"message":"x"}}"#, "agent_error"),
            (r#"{}"#, "agent_error"),
        ] {
            let Failure { reason, api_status, .. } = failed(&serde_json::from_str(error).expect("an error"));
            let status = api_status.map_or_else(String::new, |status| format!(" {status}"));
            assert_eq!(format!("{}{status}", reason.as_str()), expected, "{error}");
        }
        assert_eq!(gave_up("Rate limit reached").reason, FailureReason::UsageLimit);
        assert_eq!(gave_up("no connection").reason, FailureReason::ApiError);
        assert_eq!(refused(404, "x", true).reason, FailureReason::SessionNotFound);
        assert_eq!(refused(404, "x", false).reason, FailureReason::AgentError);
    }
}
