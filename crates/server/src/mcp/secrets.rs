//! `${NAME}` in what describes a server stands for a secret of the operator.

use legwork_model::McpServer;

use super::{Asker, McpError, invalid};
use crate::config::Config;
use crate::secrets::named;

/// Whether every secret that a server needs may be used by who asks for it; `theirs` where they defined it. Whether there is
/// such a secret is for admission to ask.
pub(super) fn check(
    field: &str,
    server: &McpServer,
    config: &Config,
    asker: Asker,
    theirs: bool,
) -> Result<(), McpError> {
    let (part, values) = match server {
        McpServer::Program(program) => ("env", &program.env),
        McpServer::Remote(remote) => ("headers", &remote.headers),
    };
    for (name, value) in values {
        check_value(&format!("{field}.{part}.{name}"), value, config, asker, theirs)?;
    }
    Ok(())
}

/// The same for one value.
pub(super) fn check_value(
    place: &str,
    value: &str,
    config: &Config,
    asker: Asker,
    theirs: bool,
) -> Result<(), McpError> {
    for secret in named(value) {
        let listed = match asker {
            Asker::Project => Some(("mcp.secrets_in_projects", &config.mcp.secrets_in_projects)),
            Asker::Caller => theirs.then_some(("secret_store.in_requests", &config.secret_store.in_requests)),
        };
        if let Some((setting, _)) = listed.filter(|(_, names)| !names.iter().any(|one| one == secret)) {
            let message =
                format!("may not use the secret `{secret}`: the operator lists those that may be in `{setting}`");
            return Err(invalid(place, message));
        }
    }
    Ok(())
}
