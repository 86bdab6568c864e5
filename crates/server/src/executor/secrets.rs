//! The secrets of a run, and what they stand in.

use std::collections::{BTreeMap, BTreeSet};

use legwork_model::{FailureReason, McpServer, Task, Verdict};

use super::execute::Executor;
use crate::secrets::{SecretError, fill_all, named, values};

impl Executor {
    /// What the names in a task stand for at this moment. From now on it is kept out of all that is shown.
    pub(super) async fn secrets_named_in(&self, task: &Task) -> Result<BTreeMap<String, String>, Verdict> {
        let servers = task.mcp_servers.values().flat_map(|server| values_of(server).values());
        let names: BTreeSet<&str> = servers.chain(task.env.values()).flat_map(|text| named(text)).collect();
        let values = values(names, &self.config, &self.store).await.map_err(|error| {
            let reason = match &error {
                SecretError::Store(_) => FailureReason::Internal,
                SecretError::Missing(_) => FailureReason::RefusedByPolicy,
                SecretError::Sealed(_) => FailureReason::CredentialsMissing,
            };
            Verdict::failed(reason, format!("The run can't have its secrets: {error}."))
        })?;
        self.mask.learn(values.values().map(String::as_str));
        Ok(values)
    }
}

/// The servers of a task with their secrets.
pub(super) fn with_secrets(
    task: &Task,
    values: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, McpServer>, Verdict> {
    let mut servers = task.mcp_servers.clone();
    for (name, server) in &mut servers {
        let filled = fill_all(values_of(server), values).map_err(|secret| {
            let message = format!("The MCP server `{name}` needs the secret `{secret}`, which it may not have.");
            Verdict::failed(FailureReason::RefusedByPolicy, message)
        })?;
        match server {
            McpServer::Program(program) => program.env = filled,
            McpServer::Remote(remote) => remote.headers = filled,
        }
    }
    Ok(servers)
}

/// Where secrets may stand in a server.
fn values_of(server: &McpServer) -> &BTreeMap<String, String> {
    match server {
        McpServer::Program(program) => &program.env,
        McpServer::Remote(remote) => &remote.headers,
    }
}
