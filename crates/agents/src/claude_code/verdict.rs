//! How a run went, from what Claude Code told of it.
//!
//! Its exit code decides nothing: a run that was interrupted can end with 0, and so can one whose last turn says
//! `success` in a line that says `is_error` as well.

use legwork_model::{Failure, FailureReason, Verdict};

use super::NAME;
use super::wire::{Denial, TurnResult};
use crate::ending::{
    ApiError, interrupted, refused_tools, reported, truncated, turn_limit, unknown_session, without_result,
};
use crate::lines::End;

/// All that the verdict rests on.
#[derive(Debug)]
pub(super) struct Told<'a> {
    /// The result of the last turn, where that turn came to its end.
    pub turn: Option<&'a TurnResult>,
    /// The program's word for what the model's API refused in it.
    pub api_error: Option<&'a str>,
    /// The tool calls that were refused.
    pub denials: &'a [Denial],
    pub end: &'a End<'a>,
}

/// Success needs a turn that ended, called itself a success, and no reason to doubt that.
pub(super) fn judge(told: &Told<'_>) -> Verdict {
    let failure = match told.turn {
        None => Some(without_result(NAME, told.end)),
        Some(turn) => failure_of(turn, told),
    };
    failure.map_or(Verdict::Succeeded, Verdict::Failed)
}

fn failure_of(turn: &TurnResult, told: &Told<'_>) -> Option<Failure> {
    match (turn.subtype.as_str(), turn.is_error) {
        ("success", Some(false)) => doubt(turn, told.denials),
        ("success", Some(true)) => Some(refused_by_api(turn, told.api_error)),
        ("error_max_turns", _) => Some(turn_limit(NAME)),
        ("error_max_budget_usd", _) => {
            let message = format!("{NAME} stopped at the cost limit{}. Raise `limits.maxCostUsd`.", said(turn));
            Some(Failure::new(FailureReason::BudgetExceeded, message))
        }
        _ => Some(error_of_its_own(turn)),
    }
}

/// What makes a turn that calls itself a success none.
fn doubt(turn: &TurnResult, denials: &[Denial]) -> Option<Failure> {
    if matches!(turn.stop_reason.as_deref(), Some("max_tokens" | "model_context_window_exceeded")) {
        return Some(truncated());
    }
    refused_tools(NAME, &denials.iter().map(|denial| denial.tool_name.clone()).collect())
}

/// A turn that ended with the program's own message about an error of the model's API.
fn refused_by_api(turn: &TurnResult, api_error: Option<&str>) -> Failure {
    let text = turn.result.as_deref().unwrap_or("no details were given");
    let status = turn.api_error_status.or_else(|| text.contains("529 Overloaded").then_some(529));
    let of_api = |error: ApiError| error.failure("claude-code", status, text);
    match classify(status, api_error, text) {
        FailureReason::AnswerTruncated => truncated(),
        FailureReason::CredentialsRejected => of_api(ApiError::Credential),
        FailureReason::UsageLimit => of_api(ApiError::Limit),
        FailureReason::ApiError if turn.terminal_reason.as_deref() == Some("prompt_too_long") => {
            of_api(ApiError::TooLong)
        }
        FailureReason::ApiError if status == Some(404) => of_api(ApiError::UnknownModel),
        FailureReason::ApiError => of_api(ApiError::Other),
        reason @ FailureReason::CredentialsMissing => {
            let advice = "Set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN, or `api_key` under [agents.claude-code]";
            Failure { reason, message: format!("{NAME} has no credential. {advice}: {text}"), api_status: status }
        }
        reason => Failure { reason, api_status: status, ..reported(NAME, text) },
    }
}

/// The words are the program's own, from its `assistant.error`; the texts serve where it gives none.
fn classify(status: Option<u16>, api_error: Option<&str>, text: &str) -> FailureReason {
    match (status, api_error) {
        _ if mentions(text, &["not logged in"]) => FailureReason::CredentialsMissing,
        (_, Some("max_output_tokens")) => FailureReason::AnswerTruncated,
        (_, Some("rate_limit" | "billing_error")) | (Some(429 | 402), _) => FailureReason::UsageLimit,
        (_, Some("authentication_failed" | "oauth_org_not_allowed" | "account_on_hold" | "verification_required"))
        | (Some(401 | 403), _) => FailureReason::CredentialsRejected,
        _ if mentions(text, &["invalid api key"]) => FailureReason::CredentialsRejected,
        _ if mentions(text, &["limit reached", "hit your"]) => FailureReason::UsageLimit,
        (Some(_), _) | (_, Some(_)) => FailureReason::ApiError,
        _ if mentions(text, &["api error", "request timed out", "connection"]) => FailureReason::ApiError,
        _ => FailureReason::AgentError,
    }
}

fn mentions(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

fn error_of_its_own(turn: &TurnResult) -> Failure {
    let unknown = ["No conversation found", "--resume requires a valid session"];
    if turn.errors.iter().any(|error| unknown.iter().any(|known| error.contains(known))) {
        return unknown_session(NAME);
    }
    match turn.terminal_reason.as_deref() {
        Some(aborted) if aborted.starts_with("aborted") => {
            Failure { reason: FailureReason::AgentError, ..interrupted(NAME) }
        }
        _ => {
            let message = format!("{NAME} ended with `{}`{}.", turn.subtype, said(turn));
            Failure::new(FailureReason::AgentError, message)
        }
    }
}

/// The program's own words, to be put into a sentence.
fn said(turn: &TurnResult) -> String {
    let words = turn.errors.iter().map(String::as_str).chain(turn.result.as_deref());
    let words = words.collect::<Vec<_>>().join("; ");
    if words.is_empty() { words } else { format!(" ({words})") }
}
