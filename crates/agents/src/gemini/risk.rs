//! What Gemini CLI's tools may do.

use legwork_model::Risk;
use serde_json::Value;

use crate::risk::of_command;

/// The risk class of a call. What is not known, such as the tool of an MCP server, counts as the worst.
pub(super) fn risk(tool: &str, input: &Value) -> Risk {
    match tool {
        "ask_user"
        | "enter_plan_mode"
        | "exit_plan_mode"
        | "get_internal_docs"
        | "glob"
        | "grep_search"
        | "list_directory"
        | "read_file"
        | "read_many_files"
        | "search_file_content" => Risk::Read,
        "replace" | "save_memory" | "write_file" | "write_todos" => Risk::Write,
        "run_shell_command" => of_command(input["command"].as_str().unwrap_or_default()),
        "activate_skill" => Risk::Execute,
        "google_web_search" | "web_fetch" => Risk::Network,
        _ => Risk::Dangerous,
    }
}
