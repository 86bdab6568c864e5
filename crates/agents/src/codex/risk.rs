//! What Codex's tools may do.

use legwork_model::Risk;
use serde_json::Value;

use crate::risk::of_command;

/// The risk class of a call. What is not known, such as the tool of an MCP server, counts as the worst.
pub(super) fn risk(tool: &str, input: &Value) -> Risk {
    match tool {
        "command_execution" => of_command(input["command"].as_str().unwrap_or_default()),
        "file_change" => Risk::Write,
        "image_view" => Risk::Read,
        "network_access" | "web_search" => Risk::Network,
        _ => Risk::Dangerous,
    }
}
