//! Calls of the CLI, a prompt with arguments, as two of the contracts have them.

use legwork_model::{FailureReason, Outcome, Verdict};

use super::Problem;
use crate::admission::{LimitRequest, OutputFormat, Refusal, Submission, apply_cli_args};
use crate::app::App;
use crate::store::{ExecutionRecord, StoreError};

/// Our names of fields and theirs.
const NAMES: [(&str, &str); 1] = [("workspace", "cwd")];

/// What the caller writes.
#[derive(Debug)]
pub(super) struct CliCall {
    pub(super) prompt: String,
    pub(super) args: Vec<String>,
    pub(super) cwd: Option<String>,
    /// Milliseconds that it may take; the operator's limit where absent.
    pub(super) timeout: Option<u64>,
}

/// What the operator says of such calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) door: &'static str,
    pub(super) lane: &'a str,
    pub(super) allow_flags: &'a [String],
    pub(super) most_timeout_seconds: u64,
}

impl CliCall {
    /// The job that it asks for, and the form of its answer.
    pub(super) fn submission(self, rules: Rules<'_>) -> Result<(Submission, OutputFormat), Refusal> {
        let most_millis = rules.most_timeout_seconds.saturating_mul(1000);
        if let Some(millis) = self.timeout.filter(|millis| !(1..=most_millis).contains(millis)) {
            let message = format!("is {millis}; must be from 1 to {most_millis} milliseconds");
            return Err(Refusal::invalid("timeout", "invalid_limit", message));
        }
        let timeout_seconds = self.timeout.map(|millis| millis.div_ceil(1000));
        let mut submission = Submission {
            prompt: self.prompt,
            workspace: self.cwd,
            limits: LimitRequest { timeout_seconds, ..LimitRequest::default() },
            lane: Some(rules.lane.to_owned()),
            door: Some(rules.door),
            ..Submission::default()
        };
        let format = apply_cli_args("args", &self.args, rules.allow_flags, &mut submission)?;
        Ok((submission, format))
    }
}

/// A problem in the words of these callers.
pub(super) fn in_their_words(problem: Problem) -> Problem {
    problem.in_words_of(&NAMES)
}

/// What the CLI would have printed, had it been called with these arguments.
pub(super) async fn output(
    app: &App,
    record: &ExecutionRecord,
    outcome: &Outcome,
    format: OutputFormat,
) -> Result<String, StoreError> {
    if format == OutputFormat::Text || outcome.verdict != Verdict::Succeeded {
        return Ok(outcome.result.clone().unwrap_or_default());
    }
    let raw = app.executor.output(record).await?.unwrap_or_default();
    let raw = String::from_utf8_lossy(&raw);
    if format == OutputFormat::StreamJson {
        return Ok(raw.into_owned());
    }
    Ok(raw.lines().rev().find(|line| is_result(line)).unwrap_or_default().to_owned())
}

fn is_result(line: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line["type"] == "result")
}

/// The few words that these contracts have for what can go wrong.
pub(super) const fn code(reason: FailureReason) -> &'static str {
    match reason {
        reason if reason.is_timeout() => "TIMEOUT",
        FailureReason::SpawnFailed => "SPAWN_FAILED",
        FailureReason::OutputLimit => "OUTPUT_TOO_LARGE",
        _ => "EXIT_NONZERO",
    }
}

/// The same for a run that somebody stopped.
pub(super) const CANCELLED: &str = "CANCELLED";
