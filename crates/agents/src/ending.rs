//! Why a program ended that had not said how the run went.

use legwork_model::{Failure, FailureReason};

use crate::lines::End;

/// The failure of a run in which `agent`, as it is called in a sentence, left without a result.
pub(crate) fn without_result(agent: &str, end: &End<'_>) -> Failure {
    let saying = end.stderr.map_or_else(String::new, |line| format!(": {line}"));
    match (end.exit.signal, end.exit.code) {
        (Some(signal), _) => killed(agent, signal, &saying),
        // How a program ends that catches the signal.
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

/// The failure of a call to the model's API that was answered with `status`; `text` is what the program says of it.
pub(crate) fn refused_by_api(agent: &str, status: Option<u16>, text: &str) -> Failure {
    let (reason, message) = match status {
        Some(401 | 403) => (
            FailureReason::CredentialsRejected,
            format!(
                "The model's API refused the credential. Check the key or token that Legwork is given for {agent}: {text}"
            ),
        ),
        Some(402 | 429) => (
            FailureReason::UsageLimit,
            format!("A usage or rate limit of the model's API is reached; try again later: {text}"),
        ),
        Some(404) => {
            (FailureReason::ApiError, format!("The model's API does not know the model; check `model`: {text}"))
        }
        _ => (FailureReason::ApiError, format!("The call to the model's API failed: {text}")),
    };
    Failure { reason, message, api_status: status }
}

/// The failure of a run in which tools were refused, each named once.
pub(crate) fn refused_tools(agent: &str, tools: &std::collections::BTreeSet<String>) -> Option<Failure> {
    (!tools.is_empty()).then(|| {
        let tools = tools.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!(
            "{agent} was refused a tool it asked for. Allow in `tools` or `permissions` what it may use: {tools}"
        );
        Failure::new(FailureReason::PermissionDenied, message)
    })
}
