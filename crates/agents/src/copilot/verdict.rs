//! Success or why not, out of what Copilot CLI told of it. Its exit code decides nothing: it is 0 as well where the run was
//! aborted.

use std::collections::BTreeSet;

use legwork_model::{Failure, FailureReason, Verdict};

use super::NAME;
use super::wire::{RunResult, SessionError};
use crate::ending::{interrupted, refused_by_api, refused_tools, reported, unknown_session, without_result};
use crate::lines::End;

/// All that the verdict rests on.
pub(super) struct Outcome<'a> {
    pub(super) result: Option<&'a RunResult>,
    pub(super) error: Option<&'a SessionError>,
    pub(super) aborted: bool,
    /// The first line of error output that calls itself an error.
    pub(super) complaint: Option<&'a str>,
    /// The tools that were refused.
    pub(super) refused: &'a BTreeSet<String>,
    pub(super) end: &'a End<'a>,
}

/// Success needs a result that says so, and no reason to doubt that.
pub(super) fn judge(told: &Outcome<'_>) -> Verdict {
    let failure = match (told.error, told.result) {
        (Some(error), _) => Some(failed(error)),
        _ if told.aborted => Some(interrupted(NAME)),
        (None, None) => Some(unfinished(told)),
        (None, Some(RunResult { exit_code: Some(0), .. })) => refused_tools(NAME, told.refused),
        (None, Some(_)) => Some(reported(NAME, told.complaint.unwrap_or("no details were given"))),
    };
    failure.map_or(Verdict::Succeeded, Verdict::Failed)
}

fn unfinished(told: &Outcome<'_>) -> Failure {
    let said = told.complaint.or(told.end.stderr);
    match said {
        Some(said) if said.starts_with("Error: No authentication information") => Failure::new(
            FailureReason::CredentialsMissing,
            format!("{NAME} has no credential. Give Legwork one for `copilot`."),
        ),
        Some(said) if said.starts_with("Error: No session, task, or name matched") => unknown_session(NAME),
        said => without_result(NAME, &End { stderr: said, ..*told.end }),
    }
}

fn failed(error: &SessionError) -> Failure {
    match (error.status_code, error.error_type.as_str()) {
        (None, "authentication") => refused_by_api("copilot", Some(401), &error.message),
        (None, "rate_limit" | "quota") => refused_by_api("copilot", Some(429), &error.message),
        (Some(status), _) => api_failure(Some(status), &error.message),
        (None, _) => reported(NAME, &error.message),
    }
}

/// The failure of a call to the model's API.
pub(super) fn api_failure(status: Option<u16>, said: &str) -> Failure {
    refused_by_api("copilot", status, said)
}
