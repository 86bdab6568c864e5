//! The items of a turn as events: what Codex said, thought and did (`ThreadItem`).

use std::collections::BTreeSet;

use legwork_model::EventBody;
use serde_json::{Value, json};

use super::shell::inner_command;
use crate::agent::Decoded;
use crate::fields::{self, Fields};
use crate::lines::push;
use crate::mcp;

/// Items that are known and passed on as they are, once they are complete.
const OTHERS: [&str; 16] = [
    "collabAgentToolCall",
    "collabToolCall",
    "contextCompaction",
    "dynamicToolCall",
    "enteredReviewMode",
    "error",
    "exitedReviewMode",
    "functionCallOutput",
    "hookPrompt",
    "imageGeneration",
    "imageView",
    "plan",
    "sleep",
    "subAgentActivity",
    "todoList",
    "userMessage",
];

/// The items of one process, as far as they have to be remembered.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// The calls of tools that were told of and have not come to their end.
    open: BTreeSet<String>,
    /// What the agent said last in this turn.
    pub answer: Option<String>,
}

/// A call of a tool.
struct Call {
    name: String,
    input: Value,
    /// What it gave, and whether that is an error.
    result: (String, bool),
}

impl Items {
    /// An item began. `None` for one that is not known.
    pub(super) fn started(&mut self, item: &Fields, decoded: &mut Vec<Decoded>) -> Option<()> {
        match text(item, "type")? {
            // What it looks for is only known in the end.
            "webSearch" | "agentMessage" | "reasoning" => Some(()),
            known if OTHERS.contains(&known) => Some(()),
            _ => {
                let (id, call) = (text(item, "id")?, call(item)?);
                self.called(id, &call, decoded);
                Some(())
            }
        }
    }

    /// An item came to its end.
    pub(super) fn completed(&mut self, item: Fields, decoded: &mut Vec<Decoded>) -> Option<()> {
        match text(&item, "type")? {
            "userMessage" => {}
            "agentMessage" => {
                let said = text(&item, "text")?.to_owned();
                self.answer = Some(said.clone());
                push(decoded, EventBody::Text { text: said, parent_tool_call_id: None });
            }
            "reasoning" => {
                let thought = thought(&item);
                let thinking = EventBody::Thinking { text: thought.clone(), parent_tool_call_id: None };
                decoded.extend((!thought.is_empty()).then_some(Decoded::Event(thinking)));
            }
            known if OTHERS.contains(&known) => push(decoded, message(known.to_owned(), item)),
            _ => {
                let (id, call) = (text(&item, "id")?.to_owned(), call(&item)?);
                self.called(&id, &call, decoded);
                self.open.remove(&id);
                let (output, is_error) = call.result;
                push(decoded, EventBody::ToolResult { id, output, is_error, parent_tool_call_id: None });
            }
        }
        Some(())
    }

    fn called(&mut self, id: &str, call: &Call, decoded: &mut Vec<Decoded>) {
        if self.open.insert(id.to_owned()) {
            let (name, input) = (call.name.clone(), call.input.clone());
            push(decoded, EventBody::ToolCall { id: id.to_owned(), name, input, parent_tool_call_id: None });
        }
    }
}

/// The name that a tool of an MCP server has in events and rules.
pub(super) fn mcp_tool(server: &str, tool: &str) -> String {
    format!("mcp__{server}__{tool}")
}

/// What a command is called with.
pub(super) fn command_input(command: &str, cwd: Option<&str>) -> Value {
    json!({"command": inner_command(command), "cwd": cwd})
}

/// The paths of a change of files.
pub(super) fn changed_paths(changes: &Value) -> Vec<String> {
    let paths = changes.as_array().into_iter().flatten().filter_map(|change| change["path"].as_str());
    paths.map(str::to_owned).collect()
}

fn call(item: &Fields) -> Option<Call> {
    let field = |name| item.get(name).cloned().unwrap_or_default();
    let done = text(item, "status").is_none_or(|status| status == "completed");
    Some(match text(item, "type")? {
        "commandExecution" => {
            let input = command_input(text(item, "command")?, text(item, "cwd"));
            let failed = !done || field("exitCode").as_i64().is_some_and(|code| code != 0);
            let output = text(item, "aggregatedOutput").or(text(item, "status")).unwrap_or_default();
            Call { name: "command_execution".to_owned(), input, result: (output.to_owned(), failed) }
        }
        "fileChange" => {
            let output = text(item, "status").unwrap_or_default().to_owned();
            Call {
                name: "file_change".to_owned(),
                input: json!({"changes": field("changes")}),
                result: (output, !done),
            }
        }
        "mcpToolCall" => Call {
            name: mcp_tool(text(item, "server")?, text(item, "tool")?),
            input: field("arguments"),
            result: (mcp_output(&field("result"), &field("error")), !done),
        },
        "webSearch" => {
            let results = item.get("results").filter(|results| !results.is_null());
            let output = results.map_or_else(String::new, Value::to_string);
            let input = json!({"query": field("query"), "action": field("action")});
            Call { name: "web_search".to_owned(), input, result: (output, false) }
        }
        _ => return None,
    })
}

/// What an MCP server answered.
fn mcp_output(result: &Value, error: &Value) -> String {
    if let Some(message) = error["message"].as_str() {
        return message.to_owned();
    }
    let blocks = result["content"].as_array().into_iter().flatten();
    blocks.map(mcp::text).collect::<Vec<_>>().join("\n")
}

/// The summary of what it thought, or the thoughts themselves where the model gives them; the one-shot program has one text.
fn thought(item: &Fields) -> String {
    let parts = |name| {
        let parts = item.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        parts.collect::<Vec<_>>().join("\n\n")
    };
    let whole = text(item, "text").unwrap_or_default().to_owned();
    [parts("summary"), parts("content"), whole].into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

/// Something that is passed on as it is, without what every such thing has.
pub(super) fn message(topic: String, mut fields: Fields) -> EventBody {
    fields.retain(|name, value| name != "type" && name != "threadId" && !value.is_null());
    fields::message(topic, fields)
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}
