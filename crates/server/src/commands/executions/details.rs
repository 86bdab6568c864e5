//! One execution in full.

use legwork_model::Verdict;

use super::table::{moment, state};
use crate::commands::terminal::{aligned, amounts, one_line, plain};
use crate::doors::native::ExecutionView;

/// A line for everything that is known, then prompt and answer in full.
pub(super) fn of(execution: &ExecutionView) -> String {
    let mut text = aligned(&facts(execution));
    text.push_str(&section("prompt", &execution.prompt));
    if let Some(result) = execution.outcome.as_ref().and_then(|outcome| outcome.result.as_deref()) {
        text.push_str(&section("answer", result));
    }
    text
}

fn facts(execution: &ExecutionView) -> Vec<[String; 2]> {
    let outcome = execution.outcome.as_ref();
    let why = outcome.and_then(|outcome| match &outcome.verdict {
        Verdict::Succeeded => None,
        Verdict::Failed(failure) => Some(failure.message.clone()),
        Verdict::Cancelled { message } => Some(message.clone()),
    });
    let repository = execution.repository.as_ref().map(|repository| match &repository.branch {
        Some(branch) => format!("{} ({branch})", repository.url),
        None => repository.url.clone(),
    });
    let facts = [
        ("id", Some(execution.id.to_string())),
        ("state", Some(state(execution))),
        ("because", why),
        ("agent", Some(execution.agent.clone())),
        ("model", execution.model.clone()),
        ("lane", Some(format!("{}, priority {}", execution.lane, execution.priority))),
        ("attempts", Some(execution.attempt.to_string())),
        ("retry of", execution.retry_of.map(|id| id.to_string())),
        ("workspace", execution.workspace.clone()),
        ("repository", repository),
        ("session", execution.session_id.clone()),
        ("accepted", Some(moment(execution.created_at))),
        ("started", execution.started_at.map(moment)),
        ("ended", execution.finished_at.map(moment)),
        ("took", outcome.map(|outcome| amounts(outcome).join(" · ")).filter(|took| !took.is_empty())),
    ];
    facts.into_iter().filter_map(|(name, value)| Some([name.to_owned(), one_line(&value?)])).collect()
}

fn section(name: &str, text: &str) -> String {
    let text = plain(text.trim_end());
    let lines = text.lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n");
    format!("\n{name}\n{}", lines.collect::<String>())
}
