//! The MCP servers of a run, with the secrets that they need.

use std::collections::BTreeMap;

use legwork_model::{FailureReason, McpServer, Task, Verdict};

use crate::config::Config;

/// The servers of a task, each `${NAME}` replaced once by the operator's secret. What a secret holds is not looked at again.
pub(super) fn with_secrets(task: &Task, config: &Config) -> Result<BTreeMap<String, McpServer>, Verdict> {
    let mut servers = task.mcp_servers.clone();
    for (name, server) in &mut servers {
        let values = match server {
            McpServer::Program(program) => &mut program.env,
            McpServer::Remote(remote) => &mut remote.headers,
        };
        for value in values.values_mut() {
            *value = filled(value, config).map_err(|secret| {
                let message =
                    format!("The MCP server `{name}` needs the secret `{secret}`, which is not configured any more.");
                Verdict::failed(FailureReason::RefusedByPolicy, message)
            })?;
        }
    }
    Ok(servers)
}

/// A text with its secrets; else the name of the one that there is not.
fn filled(text: &str, config: &Config) -> Result<String, String> {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('}') {
            Some((name, rest)) => {
                let secret = config.secrets.get(name).ok_or_else(|| name.to_owned())?;
                filled.push_str(secret.expose());
                filled.push_str(rest);
            }
            None => {
                filled.push_str("${");
                filled.push_str(part);
            }
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn secrets_are_filled_in_once() {
        let mut config = Config::default();
        config.secrets.insert("A".into(), Secret::new("x${B}"));
        config.secrets.insert("B".into(), Secret::new("y"));
        assert_eq!(filled("Bearer ${A} ${B} ${", &config), Ok("Bearer x${B} y ${".into()));
        assert_eq!(filled("${C}", &config), Err("C".into()));
    }
}
