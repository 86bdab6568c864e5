//! What OpenCode's tools may do.

use legwork_model::Risk;
use serde_json::Value;

use crate::risk::of_command;

/// The risk class of a call, also by the name of the permission for it. What is not known, such as the tool of an MCP
/// server, counts as the worst.
pub(super) fn risk(tool: &str, input: &Value) -> Risk {
    match tool {
        "glob" | "grep" | "list" | "read" | "todoread" => Risk::Read,
        "edit" | "multiedit" | "patch" | "todowrite" | "write" => Risk::Write,
        "bash" => of_command(input["command"].as_str().unwrap_or_default()),
        "skill" | "task" => Risk::Execute,
        "codesearch" | "webfetch" | "websearch" => Risk::Network,
        _ => Risk::Dangerous,
    }
}
