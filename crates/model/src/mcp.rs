//! Servers of the Model Context Protocol that an agent may use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How to reach one server: a program that is started with the agent, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum McpServer {
    /// A program that talks on its standard input and output.
    Program(McpProgram),
    /// A server that is reached by HTTP.
    Remote(McpRemote),
}

/// A program that talks on its standard input and output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct McpProgram {
    /// The program.
    pub command: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Its variables, beside those of the agent. `${NAME}` stands for a secret of the operator.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// A server that is reached by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct McpRemote {
    /// How it is talked to.
    #[serde(rename = "type", default)]
    pub transport: McpTransport,
    /// Its address.
    pub url: String,
    /// Headers of each request. `${NAME}` stands for a secret of the operator.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// How a remote server is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum McpTransport {
    /// Streamable HTTP.
    #[default]
    Http,
    /// HTTP with server-sent events, as older servers have it.
    Sse,
}
