//! What the tools of Cursor's agent may do.

use legwork_model::Risk;
use serde_json::Value;

use crate::risk::of_command;

/// The risk class of a call, by the tool's name or, in a conversation, by the kind of thing that it does. What is not known
/// counts as the worst.
pub(super) fn risk(tool: &str, input: &Value) -> Risk {
    match tool {
        "glob" | "grep" | "ls" | "read" | "readLints" | "readTodos" | "search" | "semSearch" | "think" => Risk::Read,
        "delete" | "edit" | "move" | "updateTodos" | "write" => Risk::Write,
        "execute" | "shell" => of_command(input["command"].as_str().unwrap_or_default()),
        "fetch" | "webFetch" | "webSearch" => Risk::Network,
        _ => Risk::Dangerous,
    }
}
