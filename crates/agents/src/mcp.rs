//! MCP servers in the JSON that most agents take, and what they answer.

use std::collections::BTreeMap;

use legwork_model::McpServer;
use serde_json::{Value, json};

/// `{"mcpServers": {NAME: {…}}}`.
pub(crate) fn config(servers: &BTreeMap<String, McpServer>) -> Value {
    json!({ "mcpServers": servers })
}

/// A block of content as text; what is no text is only named (`[image]`).
pub(crate) fn text(block: &Value) -> String {
    match (block["text"].as_str(), block["type"].as_str()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(kind)) => format!("[{kind}]"),
        (None, None) => block.to_string(),
    }
}
