//! Why runs fail, in the same words for all agents: also where a program ended that had not said how the run went.

use std::collections::BTreeSet;

use legwork_model::{Failure, FailureReason};

use crate::lines::End;

/// The failure of a run in which `agent`, as it is called in a sentence, left without a result.
pub(crate) fn without_result(agent: &str, end: &End<'_>) -> Failure {
    let saying = end.stderr.map_or_else(String::new, |line| format!(": {line}"));
    match (end.exit.signal, end.exit.code) {
        (Some(signal), _) => killed(agent, signal, &saying),
        // How a program ends that catches the signal. Nothing catches SIGKILL: with 137 a shell or a wrapper tells that its
        // child was killed.
        (None, Some(code @ (129 | 130 | 137 | 143))) => killed(agent, code - 128, &saying),
        (None, Some(0) | None) if end.cut_line => Failure::new(
            FailureReason::IncompleteOutput,
            format!(
                "{agent} printed a line that was too long to be read, and no other line that says how the run went."
            ),
        ),
        (None, Some(0) | None) => Failure::new(
            FailureReason::IncompleteOutput,
            format!("{agent} ended without the line that says how the run went{saying}"),
        ),
        (None, Some(code)) => Failure::new(
            FailureReason::ExitNonzero,
            format!("{agent} ended with exit code {code} before it gave a result{saying}"),
        ),
    }
}

fn killed(agent: &str, signal: i32, saying: &str) -> Failure {
    let name = match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        6 => " (SIGABRT)",
        9 => " (SIGKILL, which is also what a system does that runs out of memory)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    };
    let message = format!("{agent} was ended by signal {signal}{name} before it gave a result{saying}");
    Failure::new(FailureReason::ExitNonzero, message)
}

/// What a call to the model's API failed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiError {
    Credential,
    Limit,
    UnknownModel,
    TooLong,
    Other,
}

impl ApiError {
    fn of(status: Option<u16>) -> Self {
        match status {
            Some(401 | 403) => Self::Credential,
            Some(402 | 429) => Self::Limit,
            Some(404) => Self::UnknownModel,
            _ => Self::Other,
        }
    }

    /// The failure for that; `agent` as it is called in the settings, and what the program says of it.
    pub(crate) fn failure(self, agent: &str, status: Option<u16>, text: &str) -> Failure {
        let (reason, message) = match self {
            Self::Credential => (
                FailureReason::CredentialsRejected,
                format!(
                    "The model's API refused the credential. Check the key, token or login that Legwork is given for \
                     {agent}: {text}"
                ),
            ),
            Self::Limit => (
                FailureReason::UsageLimit,
                format!("A usage or rate limit of the model's API is reached; try again later: {text}"),
            ),
            Self::UnknownModel => (
                FailureReason::ApiError,
                format!("The model's API does not know the model, or not at this address; check `model`: {text}"),
            ),
            Self::TooLong => (
                FailureReason::ApiError,
                format!("The prompt and all that goes with it are too long for the model: {text}"),
            ),
            Self::Other => (FailureReason::ApiError, format!("The call to the model's API failed: {text}")),
        };
        Failure { reason, message, api_status: status }
    }
}

/// The failure of a call to the model's API of which nothing but the status tells what it is.
pub(crate) fn refused_by_api(agent: &str, status: Option<u16>, text: &str) -> Failure {
    ApiError::of(status).failure(agent, status, text)
}

/// An error that nothing else is known of than what the program says.
pub(crate) fn reported(agent: &str, text: &str) -> Failure {
    Failure::new(FailureReason::AgentError, format!("{agent} reported an error: {text}"))
}

/// The failure of a run in which tools were refused, each named once.
pub(crate) fn refused_tools(agent: &str, tools: &BTreeSet<String>) -> Option<Failure> {
    (!tools.is_empty()).then(|| {
        let tools = tools.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!(
            "{agent} was refused a tool it asked for. Allow it in `permissions` (or in `tools`, where the agent has such \
             rules), or choose another permission mode: {tools}"
        );
        Failure::new(FailureReason::PermissionDenied, message)
    })
}

/// A turn that somebody ended.
pub(crate) fn interrupted(agent: &str) -> Failure {
    Failure::new(FailureReason::Interrupted, format!("{agent}'s turn was interrupted."))
}

/// An answer that is not whole.
pub(crate) fn truncated() -> Failure {
    let message = "The model's answer was cut off at its length limit. Ask for less at once, or continue the session.";
    Failure::new(FailureReason::AnswerTruncated, message)
}

pub(crate) fn turn_limit(agent: &str) -> Failure {
    let message = format!("{agent} stopped at the turn limit. Raise `limits.maxTurns`.");
    Failure::new(FailureReason::MaxTurns, message)
}

pub(crate) fn unknown_session(agent: &str) -> Failure {
    let message =
        format!("{agent} does not know the session to continue, or not in this workspace. Check `resumeSession`.");
    Failure::new(FailureReason::SessionNotFound, message)
}

/// A program that was started ahead of its job can't be told what that brings.
pub(crate) fn late_variables(agent: &str) -> Failure {
    let message = format!("{agent} was started ahead of a job that brings variables of its own.");
    Failure::new(FailureReason::Internal, message)
}
