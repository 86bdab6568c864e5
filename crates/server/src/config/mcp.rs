//! Servers of the Model Context Protocol.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[mcp]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct McpSettings {
    /// Servers that jobs may name, beside those that Legwork knows; one with the same name comes first.
    pub servers: BTreeMap<String, McpServerSettings>,
    /// Whether callers may define servers of their own. Such a program can do what the agent's commands can.
    pub allow_definitions: bool,
    /// Secrets that the servers may use which a project's container file names. Whoever can propose a change to a project can
    /// have an agent use such a server.
    pub secrets_in_projects: Vec<String>,
}

/// `[mcp.servers.NAME]`: either `command` or `url`. `${NAME}` in variables and headers stands for a value of `[secrets]`,
/// or of the secret store.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct McpServerSettings {
    /// A program that talks on its standard input and output.
    pub command: Option<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its variables.
    pub env: BTreeMap<String, String>,
    /// The address of a server that is reached by HTTP.
    pub url: Option<String>,
    /// Headers of each request to it.
    pub headers: BTreeMap<String, String>,
}

impl Default for McpSettings {
    fn default() -> Self {
        Self { servers: BTreeMap::new(), allow_definitions: true, secrets_in_projects: Vec::new() }
    }
}
