//! What Codex's errors mean, and how a turn went that ended with one.

use legwork_model::{EventBody, Failure, FailureReason};
use serde_json::Value;

use super::NAME;
use super::wire::TurnError;
use crate::ending::{ApiError, reported, truncated, unknown_session};

/// The failure of a turn that ended with `error`.
pub(super) fn failed(error: &TurnError) -> Failure {
    let status = api_status(error);
    let text = error.additional_details.as_deref().unwrap_or(&error.message);
    let info = &error.codex_error_info;
    let of_api = |error: ApiError| error.failure("codex", status, text);
    match classify(info, status, text) {
        FailureReason::CredentialsRejected => of_api(ApiError::Credential),
        FailureReason::UsageLimit => of_api(ApiError::Limit),
        FailureReason::ApiError if info == "contextWindowExceeded" || text.contains("context window") => {
            of_api(ApiError::TooLong)
        }
        FailureReason::ApiError if info == "modelNotFound" || status == Some(404) => of_api(ApiError::UnknownModel),
        FailureReason::ApiError => of_api(ApiError::Other),
        FailureReason::AnswerTruncated => Failure { api_status: status, ..truncated() },
        reason @ FailureReason::CredentialsMissing => {
            let advice = "Give Legwork an API key or a login for codex";
            let message = format!("{NAME} has nothing to authenticate with. {advice}: {text}");
            Failure { reason, message, api_status: status }
        }
        reason => Failure { reason, api_status: status, ..reported(NAME, text) },
    }
}

/// A call to the model that is tried again. Its message has the count where there is one (`Reconnecting... 1/2`); how long
/// it waits the program does not tell.
pub(super) fn retrying(failed_calls: u32, error: &TurnError) -> EventBody {
    let max_attempts = error.message.rsplit_once('/').and_then(|(_, most)| most.parse().ok());
    EventBody::Retrying {
        attempt: failed_calls,
        max_attempts,
        delay_ms: 0,
        api_status: api_status(error),
        error: error.additional_details.clone().unwrap_or_else(|| error.message.clone()),
    }
}

/// The HTTP status of the model's API, from the typed error, else from its text.
fn api_status(error: &TurnError) -> Option<u16> {
    let typed = error.codex_error_info.as_object().and_then(|info| info.values().next());
    let typed = typed.and_then(|info| info["httpStatusCode"].as_u64()).and_then(|status| status.try_into().ok());
    typed.or_else(|| status_in(&error.message)).or_else(|| error.additional_details.as_deref().and_then(status_in))
}

/// The one-shot program only has the text: `unexpected status 401 …`, `… last status: 429 …`.
fn status_in(text: &str) -> Option<u16> {
    let (_, after) = text.split_once("status ").or_else(|| text.split_once("status: "))?;
    after.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

fn classify(info: &Value, status: Option<u16>, text: &str) -> FailureReason {
    match (info.as_str().unwrap_or_default(), status) {
        ("usageLimitExceeded" | "rateLimitExceeded", _) | (_, Some(402 | 429)) => FailureReason::UsageLimit,
        ("unauthorized", _) | (_, Some(401 | 403)) => FailureReason::CredentialsRejected,
        ("sessionBudgetExceeded", _) => FailureReason::BudgetExceeded,
        ("tooManyDenials", _) => FailureReason::PermissionDenied,
        (
            "badRequest"
            | "contextWindowExceeded"
            | "cyberPolicy"
            | "flexUnavailable"
            | "internalServerError"
            | "misalignmentPolicyViolation"
            | "modelNotFound"
            | "policyCapacityUnavailable"
            | "serverOverloaded",
            _,
        )
        | (_, Some(_)) => FailureReason::ApiError,
        _ => classify_text(text, info.is_object()),
    }
}

/// `of_the_call` where the typed error is one of a call to the model's API, without a status.
fn classify_text(text: &str, of_the_call: bool) -> FailureReason {
    // The answer of the model's API as it came.
    let of_the_call = of_the_call || serde_json::from_str::<Value>(text).is_ok_and(|answer| !answer["error"].is_null());
    let text = text.to_lowercase();
    let mentions = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if mentions(&["missing environment variable", "not logged in"]) {
        FailureReason::CredentialsMissing
    } else if mentions(&["max_output_tokens"]) {
        FailureReason::AnswerTruncated
    } else if mentions(&["usage limit", "rate limit", "quota"]) {
        FailureReason::UsageLimit
    } else if of_the_call
        || mentions(&["context window", "connection failed", "stream disconnected", "high demand", "at capacity"])
    {
        FailureReason::ApiError
    } else {
        FailureReason::AgentError
    }
}

/// A request of ours that the program refused: for a thread, or for a turn in it.
pub(super) fn refused(message: &str, continues: bool) -> Failure {
    let unknown = ["no rollout found", "invalid session id", "invalid thread id", "thread not found"];
    if continues && unknown.iter().any(|known| message.contains(known)) {
        return unknown_session(NAME);
    }
    Failure::new(FailureReason::AgentError, format!("{NAME} refused to begin: {message}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn typed_errors_decide_and_texts_help_out() {
        for (info, text, expected) in [
            (json!("usageLimitExceeded"), "x", "usage_limit"),
            (json!("rateLimitExceeded"), "x", "usage_limit"),
            (json!({"responseTooManyFailedAttempts": {"httpStatusCode": 429}}), "x", "usage_limit 429"),
            (json!("unauthorized"), "x", "credentials_rejected"),
            (json!({"httpConnectionFailed": {"httpStatusCode": 401}}), "x", "credentials_rejected 401"),
            (json!({"httpConnectionFailed": {"httpStatusCode": 404}}), "x", "api_error 404"),
            (json!({"responseStreamDisconnected": {"httpStatusCode": null}}), "x", "api_error"),
            (json!("contextWindowExceeded"), "x", "api_error"),
            (json!("sessionBudgetExceeded"), "x", "budget_exceeded"),
            (json!("tooManyDenials"), "x", "permission_denied"),
            (json!("serverOverloaded"), "x", "api_error"),
            (json!("sandboxError"), "x", "agent_error"),
            (json!("other"), "Missing environment variable: `X`.", "credentials_missing"),
            (json!("news"), "x", "agent_error"),
            (json!(7), "x", "agent_error"),
            (Value::Null, "exceeded retry limit, last status: 429 Too Many Requests", "usage_limit 429"),
            (Value::Null, "unexpected status 401 Unauthorized: x", "credentials_rejected 401"),
            (Value::Null, "incomplete response: max_output_tokens", "answer_truncated"),
            (Value::Null, "Codex ran out of room in the model's context window.", "api_error"),
            (Value::Null, "", "agent_error"),
        ] {
            let error = TurnError { message: text.into(), codex_error_info: info, additional_details: None };
            let Failure { reason, api_status, .. } = failed(&error);
            let status = api_status.map_or_else(String::new, |status| format!(" {status}"));
            assert_eq!(format!("{}{status}", reason.as_str()), expected, "{error:?}");
        }
    }

    #[test]
    fn a_thread_that_is_not_there_is_told_from_a_request_that_is_wrong() {
        let unknown = "no rollout found for thread id 5bea32a1-5b83-44e8-88b2-bc580dddd98b";
        assert_eq!(refused(unknown, true).reason, FailureReason::SessionNotFound);
        assert_eq!(refused("invalid session id: x", true).reason, FailureReason::SessionNotFound);
        assert_eq!(refused(unknown, false).reason, FailureReason::AgentError);
        assert_eq!(refused("Invalid request", true).reason, FailureReason::AgentError);
    }
}
