//! `${NAME}` in what describes a server stands for a secret of the operator.

use legwork_model::McpServer;

use super::{Refusal, invalid};
use crate::config::Config;

/// The secrets that a text names.
pub(super) fn named(text: &str) -> Vec<&str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}

/// Whether every secret that a server needs is configured, and may be used by whoever defined the server.
pub(super) fn check(field: &str, server: &McpServer, config: &Config, by_caller: bool) -> Result<(), Refusal> {
    let (part, values) = match server {
        McpServer::Program(program) => ("env", &program.env),
        McpServer::Remote(remote) => ("headers", &remote.headers),
    };
    for (name, value) in values {
        check_value(&format!("{field}.{part}.{name}"), value, config, by_caller)?;
    }
    Ok(())
}

/// The same for one value.
pub(super) fn check_value(place: &str, value: &str, config: &Config, by_caller: bool) -> Result<(), Refusal> {
    for secret in named(value) {
        if by_caller && !config.mcp.secrets_in_requests.iter().any(|one| one == secret) {
            let message = format!(
                "may not use the secret `{secret}`: the operator lists those that may be in `mcp.secrets_in_requests`"
            );
            return Err(invalid(place, message));
        }
        if !config.secrets.contains_key(secret) {
            let message =
                format!("needs the secret `{secret}`, which is not configured: set `{secret}` in `[secrets]`");
            return Err(invalid(place, message));
        }
    }
    Ok(())
}
