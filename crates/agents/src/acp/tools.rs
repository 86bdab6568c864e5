//! Tool calls: what an agent tells of one in several updates becomes one call and one result.

use std::collections::BTreeMap;

use legwork_model::EventBody;
use serde_json::{Map, Value, json};

use super::dialect::Dialect;
use super::wire::ToolFields;
use crate::agent::Decoded;
use crate::fields::message;
use crate::lines::push;
use crate::mcp;
use crate::speech::Speech;

/// The tool calls of a conversation.
#[derive(Debug, Default)]
pub(super) struct Tools {
    known: BTreeMap<String, Known>,
}

/// A call that was told of.
#[derive(Debug, Default)]
struct Known {
    tool: String,
    /// Whether it has its result.
    ended: bool,
}

impl Tools {
    /// Whether the agent has not told of a call before; then it is put on record.
    pub(super) fn introduce(
        &mut self,
        told: &ToolFields,
        dialect: &Dialect,
        speech: &mut Speech,
        decoded: &mut Vec<Decoded>,
    ) -> bool {
        let new = !self.known.contains_key(&told.tool_call_id);
        if new {
            self.known.insert(told.tool_call_id.clone(), Known { tool: (dialect.tool)(told), ended: false });
            speech.interrupted(decoded);
            push(decoded, call(told, dialect));
        }
        new
    }

    /// The tool of a call, as it was first told of: Copilot leaves out the MCP server when it asks for a permission.
    pub(super) fn tool(&self, told: &ToolFields, dialect: &Dialect) -> String {
        self.known.get(&told.tool_call_id).map_or_else(|| (dialect.tool)(told), |known| known.tool.clone())
    }

    /// Takes what the agent tells of a call.
    pub(super) fn told(
        &mut self,
        told: &ToolFields,
        dialect: &Dialect,
        speech: &mut Speech,
        decoded: &mut Vec<Decoded>,
    ) {
        let new = self.introduce(told, dialect, speech, decoded);
        let known = self.known.entry(told.tool_call_id.clone()).or_default();
        if is_over(told) && !known.ended {
            known.ended = true;
            push(decoded, result(told));
        } else if !new {
            push(decoded, progress(told));
        }
    }
}

fn is_over(told: &ToolFields) -> bool {
    matches!(told.status.as_deref(), Some("completed" | "failed"))
}

fn call(told: &ToolFields, dialect: &Dialect) -> EventBody {
    EventBody::ToolCall {
        id: told.tool_call_id.clone(),
        name: (dialect.tool)(told),
        input: input(told, dialect),
        parent_tool_call_id: None,
    }
}

fn result(told: &ToolFields) -> EventBody {
    EventBody::ToolResult {
        id: told.tool_call_id.clone(),
        output: output(told),
        is_error: told.status.as_deref() == Some("failed") || command_failed(&told.raw_output),
        parent_tool_call_id: None,
    }
}

/// Without what it has printed so far: that comes again with the result.
fn progress(told: &ToolFields) -> EventBody {
    let fields = [("toolCallId", Some(&told.tool_call_id)), ("status", told.status.as_ref())];
    message("tool_call_update", fields.into_iter().filter_map(|(name, value)| Some((name, value?.as_str().into()))))
}

/// What a tool is called with, or as much of it as the agent tells.
pub(super) fn input(told: &ToolFields, dialect: &Dialect) -> Value {
    if !told.raw_input.is_null() {
        return told.raw_input.clone();
    }
    if let Some(input) = stated(told) {
        return input;
    }
    let is_command = dialect.command_is_title && told.kind.as_deref() == Some("execute");
    let mut input = Map::new();
    if let Some(title) = &told.title {
        input.insert(if is_command { "command" } else { "title" }.to_owned(), json!(title));
    }
    if let Some(location) = told.locations.first() {
        input.insert("path".to_owned(), json!(location.path));
    }
    let diff = told.content.iter().find(|item| item["type"] == "diff");
    for field in ["path", "oldText", "newText"] {
        if let Some(value) = diff.and_then(|diff| diff.get(field)) {
            input.insert(field.to_owned(), value.clone());
        }
    }
    Value::Object(input)
}

/// Gemini tells what it calls a tool of an MCP server with as a text, until there is a result.
fn stated(told: &ToolFields) -> Option<Value> {
    let texts = told.content.iter().filter(|_| !is_over(told)).filter_map(|item| item["content"]["text"].as_str());
    texts.filter_map(|text| serde_json::from_str(text).ok()).find(Value::is_object)
}

fn output(told: &ToolFields) -> String {
    let raw = &told.raw_output;
    let told_raw = raw.as_str().or_else(|| raw["content"].as_str()).or_else(|| raw["message"].as_str());
    match told_raw {
        Some(text) => text.to_owned(),
        None => told.content.iter().map(flatten).collect::<Vec<_>>().join("\n"),
    }
}

/// Content as text; what is no text is only named (`[diff] src/main.rs`).
fn flatten(item: &Value) -> String {
    match (item["content"]["text"].as_str(), item["type"].as_str()) {
        (Some(text), _) => text.to_owned(),
        (None, Some("diff")) => format!("[diff] {}", item["path"].as_str().unwrap_or_default()),
        (None, _) => mcp::text(item),
    }
}

/// Whether a command ended with an error although its tool did not. Copilot tells so.
fn command_failed(raw_output: &Value) -> bool {
    let contents = raw_output["contents"].as_array().into_iter().flatten();
    contents.filter_map(|item| item["exitCode"].as_i64()).any(|code| code != 0)
}
