//! What Copilot CLI's tools may do.

use legwork_model::Risk;
use serde_json::Value;

use crate::risk::of_command;

/// The risk class of a call, by the tool's name or by the kind of permission that it needs (`shell`, `write`, `url`), which is
/// all that a conversation tells. What is not known, such as the tool of an MCP server, counts as the worst.
pub(super) fn risk(tool: &str, input: &Value) -> Risk {
    match tool {
        "ask_user" | "exit_plan_mode" | "glob" | "grep" | "list_bash" | "read" | "read_bash" | "report_intent"
        | "search" | "show_file" | "think" | "view" => Risk::Read,
        "apply_patch" | "create" | "edit" | "str_replace_editor" | "update_todo" | "write" => Risk::Write,
        "bash" | "shell" => of_command(input["command"].as_str().unwrap_or_default()),
        "skill" | "stop_bash" | "task" | "write_bash" => Risk::Execute,
        "url" | "web_fetch" | "web_search" => Risk::Network,
        _ => Risk::Dangerous,
    }
}
