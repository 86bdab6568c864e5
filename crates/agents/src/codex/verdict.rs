//! How a turn went, from what Codex told of it.

use std::collections::BTreeSet;

use legwork_model::{Failure, FailureReason};
use serde_json::Value;

use super::wire::TurnError;

/// The failure of a turn that ended with `error`.
pub(super) fn failed(error: &TurnError) -> Failure {
    let status = api_status(error);
    let text = error.additional_details.as_deref().unwrap_or(&error.message);
    let reason = classify(&error.codex_error_info, status, text);
    Failure { reason, message: explain(reason, &error.codex_error_info, status, text), api_status: status }
}

/// The HTTP status of the model's API, from the typed error, else from its text.
pub(super) fn api_status(error: &TurnError) -> Option<u16> {
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

fn explain(reason: FailureReason, info: &Value, status: Option<u16>, text: &str) -> String {
    let too_long = info == "contextWindowExceeded" || text.contains("context window");
    match reason {
        FailureReason::CredentialsRejected => format!(
            "The model's API refused the credential. Check the API key or login that Legwork is given for codex: {text}"
        ),
        FailureReason::CredentialsMissing => {
            format!("Codex has nothing to authenticate with. Give Legwork an API key or a login for codex: {text}")
        }
        FailureReason::UsageLimit => {
            format!("A usage or rate limit of the model's API is reached; try again later: {text}")
        }
        FailureReason::AnswerTruncated => {
            format!("The model's answer was cut off at its length limit. Ask for less at once: {text}")
        }
        FailureReason::ApiError if too_long => {
            format!("The prompt and the conversation before it are too long for the model: {text}")
        }
        FailureReason::ApiError if info == "modelNotFound" || status == Some(404) => {
            format!("The model's API does not know the model, or not at this address; check `model`: {text}")
        }
        FailureReason::ApiError => format!("The call to the model's API failed: {text}"),
        _ => format!("Codex reported an error: {text}"),
    }
}

/// What a turn that ended without an error is after all, where tools were refused to it.
pub(super) fn doubt(refused: &BTreeSet<String>) -> Option<Failure> {
    (!refused.is_empty()).then(|| {
        let tools = refused.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!(
            "Codex was refused a tool it asked for. Allow it in `permissions`, or choose another permission mode: {tools}"
        );
        Failure::new(FailureReason::PermissionDenied, message)
    })
}

/// A turn that somebody ended.
pub(super) fn interrupted() -> Failure {
    Failure::new(FailureReason::Interrupted, "Codex's turn was interrupted.")
}

/// A request of ours that the program refused: for a thread, or for a turn in it.
pub(super) fn refused(message: &str, continues: bool) -> Failure {
    let unknown = ["no rollout found", "invalid session id", "invalid thread id", "thread not found"];
    if continues && unknown.iter().any(|known| message.contains(known)) {
        let text = "Codex does not know the session to continue. Check `resumeSession`.";
        return Failure::new(FailureReason::SessionNotFound, format!("{text} ({message})"));
    }
    Failure::new(FailureReason::AgentError, format!("Codex refused to begin: {message}"))
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
