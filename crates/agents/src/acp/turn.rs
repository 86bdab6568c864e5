//! How a turn went, and why a conversation could not begin.

use legwork_model::{Failure, FailureReason, Verdict};

use super::dialect::Dialect;
use super::wire::RpcError;
use crate::ending::{interrupted, reported, truncated, turn_limit};
use crate::speech::Answer;

/// How a turn went that ended for `stop_reason`, as its agent says it.
pub(super) fn judge(agent: &str, dialect: &Dialect, stop_reason: &str, answer: Option<&Answer>) -> Verdict {
    let failure = match stop_reason {
        "end_turn" => {
            let hidden = answer.and_then(|answer| (dialect.hidden_failure)(agent, answer));
            return hidden.map_or(Verdict::Succeeded, Verdict::Failed);
        }
        "cancelled" => interrupted(agent),
        "max_tokens" => truncated(),
        "max_turn_requests" => turn_limit(agent),
        "refusal" => Failure::new(FailureReason::AgentError, format!("{agent}'s model refused to go on.")),
        other => {
            let message = format!("{agent} stopped for a reason that is not known: {other}");
            Failure::new(FailureReason::AgentError, message)
        }
    };
    Verdict::Failed(failure)
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
        _ => reported(agent, &error.text()),
    })
}
