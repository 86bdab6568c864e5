//! Success or why not, out of what Gemini CLI told of it.
//!
//! Its exit code is 41 without a credential, 42 for an argument or session that is not known, 53 at the turn limit, 55 in a
//! directory that is not trusted; after an error of the model's API it is the last eight bits of the HTTP status.

use std::collections::BTreeSet;

use legwork_model::{Failure, FailureReason, Verdict};

use super::NAME;
use super::wire::{Failed, RunResult};
use crate::ending::{ApiError, refused_by_api, refused_tools, reported, turn_limit, unknown_session, without_result};
use crate::lines::End;

/// All that the verdict rests on.
pub(super) struct Told<'a> {
    pub(super) result: Option<&'a RunResult>,
    /// The program's last warning.
    pub(super) warning: Option<&'a str>,
    /// The first line of error output that is more than noise.
    pub(super) complaint: Option<&'a str>,
    /// The tools that were refused.
    pub(super) refused: &'a BTreeSet<String>,
    pub(super) end: &'a End<'a>,
}

/// Success needs a result that says so, and no reason to doubt that.
pub(super) fn judge(told: &Told<'_>) -> Verdict {
    let failure = match told.result {
        None => Some(unfinished(told)),
        Some(result) if result.status == "success" => doubt(told),
        Some(result) => Some(failed(&result.error.clone().unwrap_or_default(), told.end.exit.code)),
    };
    failure.map_or(Verdict::Succeeded, Verdict::Failed)
}

fn unfinished(told: &Told<'_>) -> Failure {
    let said = told.complaint.unwrap_or("no details were given");
    match told.end.exit.code {
        Some(41) => {
            let message = format!("{NAME} has no credential that it can use. Give Legwork one for `gemini`: {said}");
            Failure::new(FailureReason::CredentialsMissing, message)
        }
        Some(42) if said.starts_with("Error resuming session") => unknown_session(NAME),
        Some(53) => turn_limit(NAME),
        Some(code) if status_of(code).is_some() => api_failure(status_of(code), said),
        _ => without_result(NAME, &End { stderr: told.complaint, ..*told.end }),
    }
}

/// What makes a run that calls itself a success none.
fn doubt(told: &Told<'_>) -> Option<Failure> {
    match told.warning {
        Some(warning) if warning.contains("Loop detected") => {
            let message = format!("{NAME} stopped because its model repeated itself.");
            Some(Failure::new(FailureReason::AgentError, message))
        }
        _ => refused_tools(NAME, told.refused),
    }
}

fn failed(error: &Failed, exit_code: Option<i32>) -> Failure {
    let said = error.message.as_str();
    match error.kind.as_str() {
        "FatalTurnLimitedError" => turn_limit(NAME),
        "FatalAuthenticationError" => api_failure(Some(401), said),
        _ if said.contains("[API Error:") => api_failure(exit_code.and_then(status_of).or(status_in(said)), said),
        _ => reported(NAME, said),
    }
}

/// The failure of a call to the model's API. It calls a wrong key a bad request.
pub(super) fn api_failure(status: Option<u16>, said: &str) -> Failure {
    let wrong_key = said.contains("API key not valid") || said.contains("API_KEY_INVALID");
    match status {
        Some(400) | None if wrong_key => ApiError::Credential.failure("gemini", status, said),
        _ => refused_by_api("gemini", status, said),
    }
}

/// The HTTP status whose last eight bits are an exit code; none for codes that mean something else.
fn status_of(exit_code: i32) -> Option<u16> {
    [400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504, 529]
        .into_iter()
        .find(|status| i32::from(status & 0xFF) == exit_code && exit_code > 127)
}

/// The status that the API gave in its own words: `{"error":{"code":404,…`.
fn status_in(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("\"code\":")?;
    let digits: String = rest.chars().skip_while(|char| *char == ' ').take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|status| (400..600).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_tells_the_status() {
        for (code, status) in [
            (144, Some(400)),
            (145, Some(401)),
            (173, Some(429)),
            (244, Some(500)),
            (0, None),
            (1, None),
            (41, None),
            (53, None),
        ] {
            assert_eq!(status_of(code), status, "{code}");
        }
    }

    #[test]
    fn a_status_is_found_in_the_words_of_the_api() {
        assert_eq!(status_in(r#"[API Error: {"error":{"code": 404,"message":"x"}}]"#), Some(404));
        assert_eq!(status_in(r#"{"error":{"code":7}}"#), None);
        assert_eq!(status_in("Resource has been exhausted"), None);
    }
}
