//! Whether a job may have the secrets that it names.

use std::collections::BTreeSet;

use legwork_model::{McpServer, Task};

use super::refusal::Refusal;
use crate::app::App;
use crate::secrets::{first_missing, named};

/// Refuses the first secret that callers may not use, or that is not there.
pub(super) async fn check(app: &App, task: &Task) -> Result<(), Refusal> {
    let usable = &app.config.secret_store.in_requests;
    let of_caller = task.env.iter().map(|(name, value)| (format!("env.{name}"), value));
    for (field, value) in of_caller.clone() {
        if let Some(secret) = named(value).find(|secret| !usable.iter().any(|one| one == secret)) {
            let message = format!(
                "may not use the secret `{secret}`: the operator lists those that may be in `secret_store.in_requests`. A \
                 literal `${{` is written `$${{`"
            );
            return Err(Refusal::invalid(field, "secret_not_allowed", message));
        }
    }
    let places: Vec<(String, &String)> = of_caller.chain(of_servers(task)).collect();
    let names: BTreeSet<&str> = places.iter().flat_map(|(_, value)| named(value)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let Some(missing) = first_missing(names, &app.config, &app.store).await? else { return Ok(()) };
    let place = places.into_iter().find(|(_, value)| named(value).any(|name| name == missing.name));
    let field = place.map_or_else(|| "env".to_owned(), |(field, _)| field);
    Err(Refusal::invalid(field, "unknown_secret", missing.to_string()))
}

fn of_servers(task: &Task) -> impl Iterator<Item = (String, &String)> {
    task.mcp_servers.iter().flat_map(|(server, how)| {
        let (part, values) = match how {
            McpServer::Program(program) => ("env", &program.env),
            McpServer::Remote(remote) => ("headers", &remote.headers),
        };
        values.iter().map(move |(name, value)| (format!("mcpServers.{server}.{part}.{name}"), value))
    })
}
