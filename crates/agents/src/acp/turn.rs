//! How a turn went, and why a conversation could not begin.

use legwork_model::{Failure, FailureReason, Verdict};

use super::dialect::Dialect;
use super::wire::RpcError;
use crate::speech::Answer;

/// How a turn went that ended for `stop_reason`, as its agent says it.
pub(super) fn judge(agent: &str, dialect: &Dialect, stop_reason: &str, answer: Option<&Answer>) -> Verdict {
    let (reason, message) = match stop_reason {
        "end_turn" => {
            let hidden = answer.and_then(|answer| (dialect.hidden_failure)(agent, answer));
            return hidden.map_or(Verdict::Succeeded, Verdict::Failed);
        }
        "cancelled" => (FailureReason::Interrupted, format!("{agent}'s turn was interrupted.")),
        "max_tokens" => (
            FailureReason::AnswerTruncated,
            "The model's answer was cut off at its length limit. Ask for less at once, or continue the session."
                .to_owned(),
        ),
        "max_turn_requests" => {
            (FailureReason::MaxTurns, format!("{agent} stopped at the turn limit. Raise `limits.maxTurns`."))
        }
        "refusal" => (FailureReason::AgentError, format!("{agent}'s model refused to go on.")),
        other => (FailureReason::AgentError, format!("{agent} stopped for a reason that is not known: {other}")),
    };
    Verdict::failed(reason, message)
}

/// The code of the protocol for a call that needs a login.
const AUTH_REQUIRED: i64 = -32000;

/// What an error of a call means.
pub(super) fn failure(agent: &str, dialect: &Dialect, error: &RpcError) -> Failure {
    (dialect.failure)(agent, error).unwrap_or_else(|| match error.code {
        AUTH_REQUIRED => Failure::new(
            FailureReason::CredentialsRejected,
            format!("{agent} needs another credential than the one that Legwork is given for it: {}", error.text()),
        ),
        _ => Failure::new(FailureReason::AgentError, format!("{agent} reported an error: {}", error.text())),
    })
}

/// The session to continue is not known.
pub(super) fn unknown_session(agent: &str) -> Failure {
    let message =
        format!("{agent} does not know the session to continue, or not in this workspace. Check `resumeSession`.");
    Failure::new(FailureReason::SessionNotFound, message)
}
