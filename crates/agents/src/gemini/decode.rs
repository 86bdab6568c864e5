//! From what Gemini CLI prints in a single run to events.

use std::collections::{BTreeMap, BTreeSet};

use legwork_model::{EventBody, Usage};

use super::verdict::{Told, judge};
use super::wire::{Init, RunResult, Said, ToolResult, ToolUse, Warning};
use crate::agent::{AgentReport, Decoded};
use crate::fields::{Fields, message, parse, without};
use crate::lines::{End, Lines, push};
use crate::speech::Speech;

/// Fields that say nothing new on a line of a run.
const ENVELOPE: [&str; 2] = ["type", "timestamp"];

/// How lines of error output begin that say nothing about why it ends.
const NOISE: [&str; 12] = [
    " ",
    "(node:",
    "(Use `node",
    "Approval mode",
    "Attempt ",
    "Error executing tool",
    "MCP issues",
    "Ripgrep",
    "Security Warning",
    "Warning",
    "YOLO mode",
    "[STARTUP]",
];

/// What is known of the run so far.
#[derive(Debug, Default)]
pub(super) struct Run {
    session_id: Option<String>,
    speech: Speech,
    /// The names of the calls that have no result yet.
    calls: BTreeMap<String, String>,
    /// The tools that were refused.
    refused: BTreeSet<String>,
    /// The program's last warning.
    warning: Option<String>,
    /// The first line of error output that is more than noise.
    complaint: Option<String>,
    answer: Option<String>,
    usage: Option<Usage>,
    result: Option<RunResult>,
}

impl Lines for Run {
    fn read(&mut self, line: &[u8], decoded: &mut Vec<Decoded>) -> Option<()> {
        let fields: Fields = serde_json::from_slice(line).ok()?;
        match fields.get("type")?.as_str()? {
            "init" => self.started(parse(fields)?, decoded),
            "message" => self.said(parse(fields)?, decoded),
            "tool_use" => self.called(parse(fields)?, decoded),
            "tool_result" => self.tool_answered(parse(fields)?, decoded),
            "error" => self.warned(fields, decoded)?,
            "result" => self.ended(parse(fields)?, decoded),
            _ => return None,
        }
        Some(())
    }

    fn complaint(&mut self, line: &str) {
        let is_noise = line.is_empty() || NOISE.iter().any(|start| line.starts_with(start));
        if self.complaint.is_none() && !is_noise {
            self.complaint = Some(line.to_owned());
        }
    }

    fn report(&mut self, end: &End<'_>, decoded: &mut Vec<Decoded>) -> AgentReport {
        self.speech.flush(decoded);
        let told = Told {
            result: self.result.as_ref(),
            warning: self.warning.as_deref(),
            complaint: self.complaint.as_deref(),
            refused: &self.refused,
            end,
        };
        AgentReport {
            result: self.answer.clone(),
            session_id: self.session_id.clone(),
            usage: self.usage,
            ..AgentReport::bare(judge(&told))
        }
    }
}

impl Run {
    fn started(&mut self, init: Init, decoded: &mut Vec<Decoded>) {
        let Init { session_id, model } = init;
        self.session_id.clone_from(&session_id);
        push(decoded, EventBody::Started { session_id, model, tools: Vec::new(), version: None });
    }

    fn said(&mut self, said: Said, decoded: &mut Vec<Decoded>) {
        if said.role == "assistant" {
            self.speech.say(&said.content, decoded);
        } else {
            push(decoded, message(said.role, [("text", said.content.into())]));
        }
    }

    fn called(&mut self, call: ToolUse, decoded: &mut Vec<Decoded>) {
        self.speech.interrupted(decoded);
        let ToolUse { tool_name: name, tool_id: id, parameters: input } = call;
        self.calls.insert(id.clone(), name.clone());
        push(decoded, EventBody::ToolCall { id, name, input, parent_tool_call_id: None });
    }

    fn tool_answered(&mut self, result: ToolResult, decoded: &mut Vec<Decoded>) {
        let ToolResult { tool_id: id, status, output, error } = result;
        let error = error.unwrap_or_default();
        let tool = self.calls.remove(&id).unwrap_or_default();
        if error.kind == "policy_violation" {
            self.refused.insert(tool.clone());
            push(decoded, EventBody::PermissionDecision { id: id.clone(), tool, allowed: false, by: None });
        }
        let output = output.unwrap_or(error.message);
        push(decoded, EventBody::ToolResult { id, output, is_error: status != "success", parent_tool_call_id: None });
    }

    fn warned(&mut self, fields: Fields, decoded: &mut Vec<Decoded>) -> Option<()> {
        self.warning = Some(parse::<Warning>(fields.clone())?.message);
        push(decoded, message("error", without(fields, &ENVELOPE)));
        Some(())
    }

    fn ended(&mut self, result: RunResult, decoded: &mut Vec<Decoded>) {
        let answer = self.speech.ended(decoded).map(|answer| answer.text);
        let mut sum = Usage::default();
        for (model, stats) in &result.stats.models {
            let usage = Usage::from(*stats);
            sum += usage;
            if usage != Usage::default() {
                push(decoded, EventBody::Usage { model: Some(model.clone()), usage, call: None });
            }
        }
        self.usage = Some(sum);
        let is_error = result.status != "success";
        let said = result.error.as_ref().map(|error| error.message.clone());
        if !is_error {
            self.answer.clone_from(&answer);
        }
        push(decoded, EventBody::TurnEnded { result: answer.or(said), is_error });
        decoded.push(Decoded::TurnEnded);
        self.result = Some(result);
    }
}
