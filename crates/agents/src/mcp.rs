//! MCP servers in the JSON that most agents take.

use std::collections::BTreeMap;

use legwork_model::McpServer;
use serde_json::{Value, json};

/// `{"mcpServers": {NAME: {…}}}`.
pub(crate) fn config(servers: &BTreeMap<String, McpServer>) -> Value {
    json!({ "mcpServers": servers })
}
