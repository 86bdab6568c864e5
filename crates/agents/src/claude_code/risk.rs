//! What Claude Code's tools may do.

use legwork_model::Risk;
use serde_json::Value;

use crate::risk::of_command;

/// The risk class of a call. What is not known, such as the tool of an MCP server, counts as the worst.
pub(super) fn risk(tool: &str, input: &Value) -> Risk {
    match tool {
        "Glob" | "Grep" | "LS" | "NotebookRead" | "Read" | "TaskGet" | "TaskList" | "TaskOutput" | "TodoRead" => {
            Risk::Read
        }
        "Edit" | "MultiEdit" | "NotebookEdit" | "TaskCreate" | "TaskUpdate" | "TodoWrite" | "Write" => Risk::Write,
        "Bash" | "BashOutput" | "KillShell" | "Monitor" => of_command(input["command"].as_str().unwrap_or_default()),
        "Agent" | "Skill" | "Task" | "TaskStop" | "Workflow" => Risk::Execute,
        "WebFetch" | "WebSearch" => Risk::Network,
        _ => Risk::Dangerous,
    }
}
