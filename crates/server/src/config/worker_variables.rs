//! The variables that deployments of the workers set whose contracts the doors speak. `docs/migrating.md` lists them.

use toml::Table;

use super::environment::Environment;
use super::load::{ConfigError, set};
use super::secret::Secret;

const GENERATE_SECRET: [&str; 3] = ["doors", "generate", "secret"];
const EXECUTE_SECRET: [&str; 3] = ["doors", "execute", "secret"];
const LISTEN: [&str; 2] = ["server", "listen"];

/// Each is used where the settings say nothing.
const SETTINGS: [(&str, [&str; 3]); 10] = [
    ("SHARED_SECRET", GENERATE_SECRET),
    ("MAX_GLOBAL_CALLS_PER_HR", ["doors", "generate", "calls_per_hour"]),
    ("CLAUDE_SERVICE_SECRET", EXECUTE_SECRET),
    ("CLAUDE_PROMPT", ["doors", "claude_code", "prompt"]),
    ("ANTHROPIC_MODEL", ["doors", "claude_code", "model"]),
    ("CLAUDE_STREAM", ["doors", "claude_code", "stream"]),
    ("CLAUDE_VERBOSE", ["doors", "claude_code", "verbose"]),
    ("CLAUDE_MAX_TURNS", ["doors", "claude_code", "max_turns"]),
    ("WORKSPACE_DIR", ["doors", "unified", "workspace_dir"]),
    ("DB_BASE_URL", ["doors", "unified", "db_base_url"]),
];

/// What opens a door or pays for an agent.
const SECRETS: [&str; 5] = [
    "SHARED_SECRET",
    "CLAUDE_SERVICE_SECRET",
    "CLAUDE_API_KEY",
    "CLAUDE_CODE_CREDENTIALS_JSON",
    "CLAUDE_CODE_CREDENTIALS_SECRET",
];
/// The same under names that are not of these deployments alone: often set to nothing, which means that there is none.
const CREDENTIALS: [&str; 3] = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"];

/// Lays the variables under the settings.
pub(super) fn overlay(table: &mut Table, environment: &Environment) -> Result<(), ConfigError> {
    for name in SECRETS.into_iter().chain(CREDENTIALS) {
        check_secret(environment, name)?;
    }
    for (name, keys) in SETTINGS {
        if let Some(value) = environment.get(name) {
            set_default(table, name, &keys, value)?;
        }
    }
    match listen(table, environment)? {
        Some((name, address)) => set_default(table, name, &LISTEN, &address),
        None => Ok(()),
    }
}

/// A secret that is set to nothing, or to what examples say, is a mistake: it would leave a door open, or let every job
/// fail.
fn check_secret(environment: &Environment, name: &'static str) -> Result<(), ConfigError> {
    if environment.is_empty(name) && !CREDENTIALS.contains(&name) {
        return Err(wrong(name, "is empty; give it a secret, or remove it".to_owned()));
    }
    if environment.get(name).map(Secret::new).is_some_and(|secret| secret.is_placeholder()) {
        return Err(wrong(name, "is the `change-me` of an example; make a secret of your own".to_owned()));
    }
    Ok(())
}

/// What only deployments of the unified worker set.
const UNIFIED: [&str; 4] =
    ["WORKSPACE_DIR", "DB_BASE_URL", "CLAUDE_CODE_CREDENTIALS_JSON", "CLAUDE_CODE_CREDENTIALS_SECRET"];

/// Where the worker would listen whose door is open, and the variable that says so.
fn listen(table: &Table, environment: &Environment) -> Result<Option<(&'static str, String)>, ConfigError> {
    let service = ("CLAUDE_SERVICE_PORT", environment.get("CLAUDE_SERVICE_HOST").unwrap_or("0.0.0.0"));
    let unified = UNIFIED.iter().any(|name| environment.get(name).is_some());
    let any = ("PORT", "0.0.0.0");
    let workers = [(has(table, &EXECUTE_SECRET), service), (has(table, &GENERATE_SECRET), any), (unified, any)];
    for (is_open, (name, host)) in workers {
        if let (true, Some(text)) = (is_open, environment.get(name)) {
            let port: u16 = text.trim().parse().map_err(|_| wrong(name, format!("`{text}` is not a port")))?;
            let bare_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
            let address = if bare_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
            return Ok(Some((name, address)));
        }
    }
    Ok(None)
}

fn set_default(table: &mut Table, name: &'static str, keys: &[&str], value: &str) -> Result<(), ConfigError> {
    if has(table, keys) {
        return Ok(());
    }
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    set(table, &keys, value).map_err(|message| wrong(name, message))
}

fn has(table: &Table, keys: &[&str]) -> bool {
    let [section, rest @ ..] = keys else { return false };
    table.get(*section).is_some_and(|value| rest.is_empty() || value.as_table().is_some_and(|inner| has(inner, rest)))
}

fn wrong(name: &str, message: String) -> ConfigError {
    ConfigError::Variable { name: name.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn overlaid<const N: usize>(settings: &str, variables: [(&str, &str); N]) -> Result<Config, String> {
        let mut table: Table = settings.parse().expect("TOML");
        overlay(&mut table, &Environment::from(variables)).map_err(|error| error.to_string())?;
        Ok(toml::Value::Table(table).try_into().expect("settings"))
    }

    #[test]
    fn a_door_is_opened_by_its_old_variables() {
        let variables = [("SHARED_SECRET", "12345678"), ("PORT", "3000"), ("MAX_GLOBAL_CALLS_PER_HR", "7")];
        let config = overlaid("", variables).expect("settings");
        assert_eq!(config.doors.generate.secret.as_ref().map(Secret::expose), Some("12345678"));
        assert_eq!((config.doors.generate.calls_per_hour, config.server.listen.as_str()), (7, "0.0.0.0:3000"));

        for (host, expected) in [("10.0.0.1", "10.0.0.1:8081"), ("::1", "[::1]:8081"), ("[::1]", "[::1]:8081")] {
            let variables =
                [("CLAUDE_SERVICE_SECRET", "x"), ("CLAUDE_SERVICE_PORT", "8081"), ("CLAUDE_SERVICE_HOST", host)];
            assert_eq!(overlaid("", variables).expect("settings").server.listen, expected);
        }
        assert_eq!(overlaid("", [("PORT", "3000")]).expect("settings").server.listen, "127.0.0.1:7070", "no such door");
        let variables = [("PORT", "5000"), ("WORKSPACE_DIR", "/srv/work"), ("DB_BASE_URL", "http://db:8080/api")];
        let config = overlaid("", variables).expect("settings");
        assert_eq!(config.server.listen, "0.0.0.0:5000");
        assert_eq!(config.doors.unified.workspace_dir.to_str(), Some("/srv/work"));
        assert_eq!(config.doors.unified.db_base_url.as_ref().map(Secret::expose), Some("http://db:8080/api"));

        let variables = [("CLAUDE_STREAM", "false"), ("CLAUDE_MAX_TURNS", "9"), ("CLAUDE_PROMPT", "1")];
        let agent = overlaid("", variables).expect("settings").doors.claude_code;
        assert_eq!((agent.stream, agent.max_turns, agent.prompt.as_deref()), (false, 9, Some("1")));
    }

    #[test]
    fn the_settings_win_over_old_variables() {
        let settings = "[server]\nlisten = \"127.0.0.1:1\"\n[doors.generate]\nsecret = \"s\"\ncalls_per_hour = 5\n";
        let variables = [("SHARED_SECRET", "x"), ("PORT", "3000"), ("MAX_GLOBAL_CALLS_PER_HR", "7")];
        let config = overlaid(settings, variables).expect("settings");
        assert_eq!(config.doors.generate.secret.as_ref().map(Secret::expose), Some("s"));
        assert_eq!((config.doors.generate.calls_per_hour, config.server.listen.as_str()), (5, "127.0.0.1:1"));
    }

    #[test]
    fn a_variable_that_makes_no_sense_is_named() {
        for (variable, value, expected) in [
            ("SHARED_SECRET", "", "is empty; give it a secret, or remove it"),
            ("CLAUDE_SERVICE_SECRET", "change-me", "is the `change-me` of an example; make a secret of your own"),
            ("CLAUDE_API_KEY", "", "is empty; give it a secret, or remove it"),
            ("ANTHROPIC_API_KEY", "change-me", "is the `change-me` of an example; make a secret of your own"),
            ("MAX_GLOBAL_CALLS_PER_HR", "many", "invalid type: string \"many\", expected u64"),
            ("CLAUDE_STREAM", "yes", "invalid type: string \"yes\", expected a boolean"),
        ] {
            let error = overlaid("", [(variable, value)]).err().unwrap_or_default();
            assert_eq!(error.lines().next(), Some(format!("environment variable {variable}: {expected}").as_str()));
        }
        let no_port = overlaid("", [("SHARED_SECRET", "x"), ("PORT", "http")]).err();
        assert_eq!(no_port.as_deref(), Some("environment variable PORT: `http` is not a port"));
    }
}
