//! What a conversation is about.

use std::collections::BTreeMap;

use legwork_model::{McpServer, McpTransport, PermissionPolicy, Task, ToolPolicy};
use serde_json::{Value, json};

use crate::agent::Setup;
use crate::environment::text;

/// What a conversation is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Job {
    /// The agent, as it is called in a sentence.
    pub(crate) agent: String,
    /// The first message; absent where the program was started ahead of its job.
    pub(crate) prompt: Option<String>,
    pub(crate) cwd: String,
    pub(crate) model: Option<String>,
    pub(crate) resume: Option<String>,
    /// `plan`, `default`, `acceptEdits` or `bypassPermissions`.
    pub(crate) mode: Option<String>,
    pub(crate) tools: ToolPolicy,
    pub(crate) policy: Option<PermissionPolicy>,
    /// In the shape of the protocol.
    pub(crate) mcp_servers: Value,
}

impl Job {
    /// What `task` wants of `agent`.
    pub(crate) fn new(agent: &str, task: &Task, setup: &Setup) -> Self {
        Self {
            agent: agent.to_owned(),
            prompt: Some(task.prompt.clone()),
            cwd: text(&setup.workspace),
            model: task.model.clone(),
            resume: task.resume_session.clone(),
            mode: setup.permission_mode.clone(),
            tools: task.tools.clone(),
            policy: task.permissions.clone(),
            mcp_servers: mcp_servers(&setup.mcp_servers),
        }
    }

    /// The same, of a program that is started ahead of it.
    pub(crate) fn waiting(self) -> Self {
        Self { prompt: None, ..self }
    }
}

fn mcp_servers(servers: &BTreeMap<String, McpServer>) -> Value {
    let pairs = |pairs: &BTreeMap<String, String>| -> Vec<Value> {
        pairs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
    };
    let server = |(name, server): (&String, &McpServer)| match server {
        McpServer::Program(program) => {
            json!({"name": name, "command": program.command, "args": program.args, "env": pairs(&program.env)})
        }
        McpServer::Remote(remote) => {
            let kind = match remote.transport {
                McpTransport::Http => "http",
                McpTransport::Sse => "sse",
            };
            json!({"type": kind, "name": name, "url": remote.url, "headers": pairs(&remote.headers)})
        }
    };
    servers.iter().map(server).collect()
}
