//! What makes no sense in settings that are of the right type.

use serde_json::{Map, Value};
use url::Url;

use super::agents::AgentSettings;
use super::load::ConfigError;
use super::secret::Secret;
use super::{Config, CredentialSettings};

type Validated = Result<(), ConfigError>;

/// # Errors
/// The first setting that makes no sense, and what would be right.
pub(super) fn validate(config: &Config) -> Validated {
    secrets(config)?;
    mcp_servers(config)?;
    lanes(config)?;
    doors(config)?;
    addresses(config)?;
    for (name, agent) in &config.agents {
        agent_alone(name, agent)?;
        credentials(name, agent)?;
    }
    queue(config)?;
    let problem = config.budgets.problem().map(|(setting, message)| (setting.to_owned(), message));
    if let Some((setting, message)) = problem.or_else(|| config.sandbox.problem()) {
        return invalid(&setting, message);
    }
    if let Some((setting, message)) = config.repositories.problem() {
        return invalid(setting, message);
    }
    known_agents(config)
}

fn invalid(setting: &str, message: impl Into<String>) -> Validated {
    Err(ConfigError::Invalid { setting: setting.to_owned(), message: message.into() })
}

fn secrets(config: &Config) -> Validated {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if let Some(name) = config.secrets.keys().find(|name| name.is_empty() || !is_name(name)) {
        return invalid(&format!("secrets.{name}"), "is no name of a secret; use letters, digits and `_`");
    }
    config.secret_store.key().map(drop).or_else(|message| invalid("secret_store.master_key", message))
}

fn mcp_servers(config: &Config) -> Validated {
    let wrong = config.mcp.servers.iter().find(|(_, server)| server.command.is_some() == server.url.is_some());
    wrong.map_or(Ok(()), |(name, _)| invalid(&format!("mcp.servers.{name}"), "needs either `command` or `url`"))
}

fn lanes(config: &Config) -> Validated {
    let wrong = config.lanes.iter().find(|(_, lane)| lane.concurrency == 0);
    wrong.map_or(Ok(()), |(name, _)| invalid(&format!("lanes.{name}.concurrency"), "must be at least 1"))
}

fn doors(config: &Config) -> Validated {
    let doors = &config.doors;
    for (setting, secret) in
        [("doors.generate.secret", &doors.generate.secret), ("doors.execute.secret", &doors.execute.secret)]
    {
        if secret.as_ref().is_some_and(Secret::is_placeholder) {
            return invalid(setting, "is the `change-me` of an example; make a secret of your own");
        }
    }
    for (setting, lane) in [
        ("doors.generate.lane", &doors.generate.lane),
        ("doors.claude_code.lane", &doors.claude_code.lane),
        ("doors.execute.lane", &doors.execute.lane),
        ("doors.redis.lane", &doors.redis.lane),
        ("doors.unified.lane", &doors.unified.lane),
    ] {
        if !config.lanes.contains_key(lane) {
            let known: Vec<_> = config.lanes.keys().map(String::as_str).collect();
            return invalid(setting, format!("there is no lane `{lane}`; known: {}", known.join(", ")));
        }
    }
    Ok(())
}

fn addresses(config: &Config) -> Validated {
    let redis = ["redis", "rediss", "unix", "redis+unix"];
    if config.redis.url.as_ref().is_some_and(|url| !has_scheme(url, &redis)) {
        return invalid("redis.url", "must look like redis://host:6379, or rediss://… for TLS");
    }
    if config.doors.unified.db_base_url.as_ref().is_some_and(|url| !has_scheme(url, &["http", "https"])) {
        return invalid("doors.unified.db_base_url", "must look like https://host/path");
    }
    if config.log.sentry_dsn.as_ref().is_some_and(|dsn| dsn.expose().parse::<sentry::types::Dsn>().is_err()) {
        return invalid("log.sentry_dsn", "must look like https://key@host/project");
    }
    Ok(())
}

fn has_scheme(url: &Secret, schemes: &[&str]) -> bool {
    Url::parse(url.expose()).is_ok_and(|url| schemes.contains(&url.scheme()))
}

fn agent_alone(name: &str, agent: &AgentSettings) -> Validated {
    let setting = |key: &str| format!("agents.{name}.{key}");
    if agent.bare && name != "claude-code" {
        return invalid(&setting("bare"), "is a mode of Claude Code; other agents have none");
    }
    if agent.trust_repository && name != "claude-code" {
        let message = "is for Claude Code; other agents never load what a repository brings";
        return invalid(&setting("trust_repository"), message);
    }
    if agent.login_file.as_ref().is_some_and(|file| !is_object(file)) {
        return invalid(&setting("login_file"), "is not the JSON object of a login");
    }
    match agent.base_url.as_ref().filter(|url| Url::parse(url).map_or(true, |url| !url.has_host())) {
        Some(wrong) => invalid(&setting("base_url"), format!("`{wrong}` must look like https://host/path")),
        None => Ok(()),
    }
}

fn credentials(agent: &str, settings: &AgentSettings) -> Validated {
    for (index, credential) in settings.credentials.iter().enumerate() {
        let setting = format!("agents.{agent}.credentials.{}", credential.name);
        if credential.secrets().iter().filter(|secret| secret.is_some()).count() != 1 {
            return invalid(&setting, "needs exactly one of `api_key`, `auth_token`, `oauth_token` and `login_file`");
        }
        if credential.weight == 0 || credential.name.is_empty() {
            return invalid(&setting, "needs a name, and a weight of at least 1");
        }
        let has_its_name = |other: &CredentialSettings| other.name == credential.name;
        if settings.credentials[..index].iter().any(has_its_name) {
            return invalid(&setting, "has the name of another one");
        }
        if credential.login_file.as_ref().is_some_and(|file| !is_object(file)) {
            return invalid(&format!("{setting}.login_file"), "is not the JSON object of a login");
        }
    }
    Ok(())
}

fn is_object(file: &Secret) -> bool {
    serde_json::from_str::<Map<String, Value>>(file.expose()).is_ok()
}

fn queue(config: &Config) -> Validated {
    if config.queue.beat_seconds == 0 || config.queue.beat_seconds * 2 > config.queue.lease_seconds {
        return invalid("queue.beat_seconds", "must be at least 1 and at most half of queue.lease_seconds");
    }
    Ok(())
}

fn known_agents(config: &Config) -> Validated {
    let Some(name) = config.agents.keys().find(|name| config.known_agents.find(name).is_none()) else { return Ok(()) };
    let known = config.known_agents.names().collect::<Vec<_>>().join(", ");
    let own = "an agent of your own needs `custom`";
    invalid(&format!("agents.{name}"), format!("there is no such agent; known: {known}; {own}"))
}
