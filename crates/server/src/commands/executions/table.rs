//! Executions as a table.

use std::time::Duration;

use legwork_model::{Cost, Outcome, Timestamp, Verdict};

use crate::commands::client::Answer;
use crate::commands::terminal::{aligned, dollars, duration, one_line, shorten};
use crate::doors::native::ExecutionView;

const HEAD: [&str; 7] = ["ID", "STATE", "AGENT", "ACCEPTED (UTC)", "RAN", "COST", "PROMPT"];
const PROMPT: usize = 60;

/// The table, with a head; a sentence where there is none to list.
pub(super) fn of(found: &[Answer]) -> String {
    if found.is_empty() {
        return "No executions.\n".to_owned();
    }
    let rows: Vec<[String; 7]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(found.iter().map(|answer| row(&answer.execution))).collect();
    aligned(&rows)
}

fn row(execution: &ExecutionView) -> [String; 7] {
    let outcome = execution.outcome.as_ref();
    let ran = outcome.filter(|outcome| outcome.duration_ms > 0);
    [
        execution.id.to_string(),
        state(execution),
        one_line(&execution.agent),
        moment(execution.created_at),
        ran.map_or_else(nothing, |outcome| duration(Duration::from_millis(outcome.duration_ms))),
        outcome.and_then(Outcome::cost).filter(|cost| *cost > Cost::default()).map_or_else(nothing, dollars),
        shorten(&one_line(&execution.prompt), PROMPT),
    ]
}

fn nothing() -> String {
    "-".to_owned()
}

/// The state, with the reason where it failed.
pub(super) fn state(execution: &ExecutionView) -> String {
    match execution.outcome.as_ref().map(|outcome| &outcome.verdict) {
        Some(Verdict::Failed(failure)) => format!("failed ({})", failure.reason.as_str()),
        _ => execution.state.as_str().to_owned(),
    }
}

/// `2026-03-01 12:00:00`
pub(super) fn moment(at: Timestamp) -> String {
    at.to_string().chars().take(19).map(|character| if character == 'T' { ' ' } else { character }).collect()
}
