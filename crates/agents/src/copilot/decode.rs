//! From what Copilot CLI prints in a single run to events.
//!
//! Most of its lines are about its own state, and marked as ephemeral: of those only what nothing else tells is taken up,
//! the others are left out.

use std::collections::{BTreeMap, BTreeSet};

use legwork_model::EventBody;
use serde_json::Value;

use super::verdict::{Outcome, judge};
use super::wire::{CallFailure, Message, RunResult, SessionError, Told, ToolEnd, ToolStart};
use crate::agent::{AgentReport, Decoded};
use crate::fields::{Fields, message, parse};
use crate::lines::{End, Lines, push};

/// What is known of the run so far.
#[derive(Debug, Default)]
pub(super) struct Run {
    started: bool,
    model: Option<String>,
    /// The names of the calls that have no result yet.
    calls: BTreeMap<String, String>,
    /// The tools that were refused.
    refused: BTreeSet<String>,
    /// The pieces of a message that is not whole yet.
    partial: String,
    /// What was said last, unless a tool was called after it.
    said: Option<String>,
    /// The call to the model's API that failed, until it is tried again.
    failed_call: Option<CallFailure>,
    error: Option<SessionError>,
    aborted: bool,
    turns: u32,
    complaint: Option<String>,
    answer: Option<String>,
    result: Option<RunResult>,
}

impl Lines for Run {
    fn read(&mut self, line: &[u8], decoded: &mut Vec<Decoded>) -> Option<()> {
        let fields: Value = serde_json::from_slice(line).ok()?;
        if fields["type"] == "result" {
            self.ended(parse(fields)?, decoded);
            return Some(());
        }
        let Told { kind, data, ephemeral } = parse(fields)?;
        match kind.as_str() {
            "assistant.turn_start" => self.turn_started(data, decoded),
            "session.tools_updated" => self.model = data.get("model").and_then(Value::as_str).map(str::to_owned),
            "assistant.message_delta" => self.partial.push_str(data.get("deltaContent")?.as_str()?),
            "assistant.message" => self.message(parse(data)?, decoded),
            "tool.execution_start" => self.called(parse(data)?, decoded),
            "tool.execution_complete" => self.tool_answered(parse(data)?, decoded),
            "model.call_failure" => self.failed_call = Some(parse(data)?),
            "assistant.turn_retry" => self.retrying(&data, decoded),
            "session.error" => self.failed(data, decoded)?,
            "abort" => {
                self.aborted = true;
                self.broken_off(decoded);
                push(decoded, message(kind, data));
            }
            "user.message" => push(decoded, user(&data)),
            _ if ephemeral => {}
            _ => push(decoded, message(kind, data)),
        }
        Some(())
    }

    fn complaint(&mut self, line: &str) {
        if self.complaint.is_none() && line.to_lowercase().starts_with("error") {
            self.complaint = Some(line.to_owned());
        }
    }

    fn report(&mut self, end: &End<'_>, decoded: &mut Vec<Decoded>) -> AgentReport {
        self.broken_off(decoded);
        let verdict = judge(&Outcome {
            result: self.result.as_ref(),
            error: self.error.as_ref(),
            aborted: self.aborted,
            complaint: self.complaint.as_deref(),
            refused: &self.refused,
            end,
        });
        AgentReport {
            result: self.answer.clone(),
            session_id: self.result.as_ref().and_then(|result| result.session_id.clone()),
            turns: (self.turns > 0).then_some(self.turns),
            ..AgentReport::bare(verdict)
        }
    }
}

impl Run {
    /// The first turn is the first sign of its work; which session it is only the end tells.
    fn turn_started(&mut self, data: Fields, decoded: &mut Vec<Decoded>) {
        self.turns += 1;
        if self.started {
            push(decoded, message("assistant.turn_start", data));
        } else {
            self.started = true;
            let model = self.model.clone();
            push(decoded, EventBody::Started { session_id: None, model, tools: Vec::new(), version: None });
        }
    }

    /// What was said of a message that will not be whole any more.
    fn broken_off(&mut self, decoded: &mut Vec<Decoded>) {
        let text = std::mem::take(&mut self.partial);
        if !text.is_empty() {
            push(decoded, EventBody::Text { text, parent_tool_call_id: None });
        }
    }

    fn message(&mut self, whole: Message, decoded: &mut Vec<Decoded>) {
        let Message { content, reasoning_text, parent_tool_call_id: parent, tool_requests } = whole;
        self.failed_call = None;
        self.partial.clear();
        if let Some(text) = reasoning_text.filter(|text| !text.is_empty()) {
            push(decoded, EventBody::Thinking { text, parent_tool_call_id: parent.clone() });
        }
        if content.is_empty() {
            return push(decoded, message("assistant.message", Fields::new()));
        }
        if parent.is_none() {
            self.said = tool_requests.is_empty().then(|| content.clone());
        }
        push(decoded, EventBody::Text { text: content, parent_tool_call_id: parent });
    }

    fn called(&mut self, call: ToolStart, decoded: &mut Vec<Decoded>) {
        let ToolStart { tool_call_id: id, tool_name: name, arguments: input, parent_tool_call_id } = call;
        self.calls.insert(id.clone(), name.clone());
        push(decoded, EventBody::ToolCall { id, name, input, parent_tool_call_id });
    }

    fn tool_answered(&mut self, end: ToolEnd, decoded: &mut Vec<Decoded>) {
        let ToolEnd { tool_call_id: id, success, result, error, shell_execution, parent_tool_call_id } = end;
        let tool = self.calls.remove(&id).unwrap_or_default();
        let error = error.unwrap_or_default();
        if matches!(error.code.as_str(), "denied" | "rejected") {
            self.refused.insert(tool.clone());
            push(decoded, EventBody::PermissionDecision { id: id.clone(), tool, allowed: false, by: None });
        }
        let output = result.map_or(error.message, |result| result.content);
        let is_error = !success || shell_execution.is_some_and(|shell| shell.exit_code != 0);
        push(decoded, EventBody::ToolResult { id, output, is_error, parent_tool_call_id });
    }

    fn retrying(&mut self, data: &Fields, decoded: &mut Vec<Decoded>) {
        let failed = self.failed_call.take().unwrap_or_default();
        let reason = data.get("reason").and_then(Value::as_str).unwrap_or("unknown");
        let error = if failed.error_message.is_empty() { reason.to_owned() } else { failed.error_message };
        push(
            decoded,
            EventBody::Retrying {
                attempt: failed.retry_attempt.saturating_add(1),
                max_attempts: None,
                // It has waited already.
                delay_ms: 0,
                api_status: failed.status_code,
                error,
            },
        );
    }

    fn failed(&mut self, data: Fields, decoded: &mut Vec<Decoded>) -> Option<()> {
        self.error = Some(parse(data.clone())?);
        push(decoded, message("session.error", data));
        Some(())
    }

    fn ended(&mut self, result: RunResult, decoded: &mut Vec<Decoded>) {
        let is_error = result.exit_code != Some(0) || self.aborted || self.error.is_some();
        let said = self.said.take();
        if !is_error {
            self.answer.clone_from(&said);
        }
        let told = said.or_else(|| self.error.as_ref().map(|error| error.message.clone()));
        push(decoded, EventBody::TurnEnded { result: told, is_error });
        decoded.push(Decoded::TurnEnded);
        self.result = Some(result);
    }
}

/// Without what the program adds to the prompt.
fn user(data: &Fields) -> EventBody {
    let text = data.get("content").cloned().unwrap_or_default();
    message("user", [("text", text)])
}
