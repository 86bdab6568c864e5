//! How a turn went, from what OpenCode told of it.

use std::collections::BTreeSet;

use legwork_model::{Failure, FailureReason};

use super::wire::NamedError;

/// The failure of a turn that ended with `error`.
pub(super) fn failed(error: &NamedError) -> Failure {
    let status = error.data.status_code;
    let text = if error.data.message.is_empty() { &error.name } else { &error.data.message };
    let (reason, message) = match (error.name.as_str(), status) {
        ("MessageAbortedError", _) => return interrupted(),
        ("ProviderAuthError", _) | (_, Some(401 | 403)) => (
            FailureReason::CredentialsRejected,
            format!(
                "The model's API refused the credential. Check the API key that Legwork is given for opencode: {text}"
            ),
        ),
        (_, Some(402 | 429)) => (
            FailureReason::UsageLimit,
            format!("A usage or rate limit of the model's API is reached; try again later: {text}"),
        ),
        ("MessageOutputLengthError", _) => (
            FailureReason::AnswerTruncated,
            format!("The model's answer was cut off at its length limit. Ask for less at once: {text}"),
        ),
        ("ContextOverflowError", _) => (
            FailureReason::ApiError,
            format!("The prompt and the conversation before it are too long for the model: {text}"),
        ),
        ("ProviderModelNotFoundError", _) | (_, Some(404)) => {
            (FailureReason::ApiError, format!("The model's API does not know the model; check `model`: {text}"))
        }
        ("APIError", _) | (_, Some(_)) => {
            (FailureReason::ApiError, format!("The call to the model's API failed: {text}"))
        }
        _ => (FailureReason::AgentError, format!("OpenCode reported an error: {text}")),
    };
    Failure { reason, message, api_status: status }
}

/// A call to the model that failed too often. Of a retry the program only tells the text.
pub(super) fn gave_up(text: &str) -> Failure {
    let lower = text.to_lowercase();
    if ["rate limit", "too many requests", "quota", "usage limit"].iter().any(|known| lower.contains(known)) {
        let message = format!("A usage or rate limit of the model's API is reached; try again later: {text}");
        return Failure::new(FailureReason::UsageLimit, message);
    }
    Failure::new(FailureReason::ApiError, format!("The call to the model's API failed: {text}"))
}

/// A turn that somebody ended.
pub(super) fn interrupted() -> Failure {
    Failure::new(FailureReason::Interrupted, "OpenCode's turn was interrupted.")
}

/// What a turn that ended without an error is after all, where tools were refused to it.
pub(super) fn doubt(refused: &BTreeSet<String>) -> Option<Failure> {
    (!refused.is_empty()).then(|| {
        let tools = refused.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!(
            "OpenCode was refused a tool it asked for. Allow it in `permissions`, or choose another permission mode: {tools}"
        );
        Failure::new(FailureReason::PermissionDenied, message)
    })
}

/// A request of ours that was refused: `status` and the text of the answer.
pub(super) fn refused(status: u16, text: &str, continues: bool) -> Failure {
    // An id that can't be one is a bad request.
    if continues && matches!(status, 400 | 404) {
        let message = format!("OpenCode does not know the session to continue. Check `resumeSession`. ({text})");
        return Failure::new(FailureReason::SessionNotFound, message);
    }
    Failure::new(FailureReason::AgentError, format!("OpenCode refused to begin ({status}): {text}"))
}

/// A session that began in another directory than this run's.
pub(super) fn elsewhere(directory: &str) -> Failure {
    let message =
        format!("OpenCode's session to continue belongs to another directory, {directory}. Continue it there.");
    Failure::new(FailureReason::SessionNotFound, message)
}

/// The way to the program is lost.
pub(super) fn lost(text: &str) -> Failure {
    Failure::new(FailureReason::AgentError, format!("OpenCode could not be talked to any more: {text}"))
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
