//! Putting the settings together from file, environment and defaults.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Config;
use super::environment::Environment;
use super::lanes::default_lanes;
use super::secret::Secret;
use super::validate::validate;
use super::worker_variables;
use crate::parse::explain_unknown_field;
use legwork_agents::{Agents, Custom};

/// Variables of the form `LEGWORK_SECTION__KEY` are settings.
const PREFIX: &str = "LEGWORK_";

/// Why the settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("failed to read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or a value in it is wrong; the text names line and column.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, where, and what would be right.
        message: String,
    },
    /// A variable is wrong.
    #[error("environment variable {name}: {message}")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A value is of the right type but makes no sense.
    #[error("{setting}: {message}")]
    Invalid {
        /// The setting.
        setting: String,
        /// What is wrong and what would be right.
        message: String,
    },
}

/// Reads the settings: the file (`legwork.toml` in the working directory where it exists and none is named), then
/// `LEGWORK_SECTION__KEY` variables, then the well-known variables of agents and databases.
///
/// # Errors
/// Where a file or value can't be read or makes no sense; names the place.
pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Config, ConfigError> {
    let mut table = match file {
        Some(path) => read_file(path)?,
        None if Path::new("legwork.toml").exists() => read_file(Path::new("legwork.toml"))?,
        None => Table::new(),
    };
    overlay_variables(&mut table, environment)?;
    worker_variables::overlay(&mut table, environment)?;
    let mut config: Config = Value::Table(table).try_into().map_err(|error: toml::de::Error| ConfigError::Invalid {
        setting: "settings".into(),
        message: explain_unknown_field(error.message()),
    })?;
    for (name, lane) in default_lanes() {
        config.lanes.entry(name).or_insert(lane);
    }
    apply_known_variables(&mut config, environment);
    resolve_secrets(&mut config, environment)?;
    config.known_agents = all_agents(&config)?;
    validate(&config)?;
    Ok(config)
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.into(), source })?;
    // Decoded once by itself, for errors that name line and column.
    if let Err(error) = toml::from_str::<Config>(&text) {
        let place = error.span().map(|span| place_in(&text, span.start)).unwrap_or_default();
        return Err(ConfigError::File {
            path: path.into(),
            message: format!("{place}{}", explain_unknown_field(error.message())),
        });
    }
    text.parse().map_err(|error: toml::de::Error| ConfigError::File { path: path.into(), message: error.to_string() })
}

fn place_in(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    format!("line {line}, column {column}: ")
}

/// `LEGWORK_SERVER__MAX_BODY_BYTES=2097152` is `[server] max_body_bytes = 2097152`. Names of agents and lanes are
/// written with `_` for `-`, those of secrets as they are.
fn overlay_variables(table: &mut Table, environment: &Environment) -> Result<(), ConfigError> {
    for (name, value) in environment.with_prefix(PREFIX).filter(|(name, _)| name.contains("__") || *name == "DATA_DIR")
    {
        let mut keys: Vec<String> = name.split("__").map(str::to_ascii_lowercase).collect();
        if matches!(keys[0].as_str(), "agents" | "lanes" | "projects") && keys.len() > 1 {
            keys[1] = keys[1].replace('_', "-");
        }
        if let Some(secret) = name.strip_prefix("SECRETS__") {
            keys = vec!["secrets".to_owned(), secret.to_owned()];
        }
        set(table, &keys, value).map_err(|message| variable(name, message))?;
    }
    Ok(())
}

/// Sets what `keys` lead to as a variable has it. Says what is wrong where that makes no settings.
pub(super) fn set(table: &mut Table, keys: &[String], text: &str) -> Result<(), String> {
    let before = table.clone();
    insert(table, keys, parse_value(text))?;
    let Err(error) = Value::Table(table.clone()).try_into::<Config>() else { return Ok(()) };
    // Values that only look like numbers are texts (a password `123`).
    *table = before;
    insert(table, keys, Value::String(text.to_owned()))?;
    match Value::Table(table.clone()).try_into::<Config>() {
        Ok(_) => Ok(()),
        Err(_) => Err(explain_unknown_field(error.message())),
    }
}

fn variable(name: &str, message: String) -> ConfigError {
    ConfigError::Variable { name: format!("{PREFIX}{name}"), message }
}

fn insert(table: &mut Table, keys: &[String], value: Value) -> Result<(), String> {
    match keys {
        [] => Ok(()),
        [key] => {
            table.insert(key.clone(), value);
            Ok(())
        }
        [section, rest @ ..] => match table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => insert(inner, rest, value),
            _ => Err(format!("`{section}` is a value, not a section")),
        },
    }
}

/// A TOML value where the text is one (`5`, `true`, `["a"]`), else the text itself.
fn parse_value(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Variables that agents and databases are configured with everywhere else; used where the settings say nothing.
fn apply_known_variables(config: &mut Config, environment: &Environment) {
    // Somebody's word for "whichever there is", which is what is done anyway.
    let given = |name: &str| environment.get(name).filter(|value| *value != "auto-detect");
    let secret = |name: &str| given(name).map(Secret::new);
    config.database.url = config.database.url.take().or_else(|| secret("DATABASE_URL"));
    config.redis.url = config.redis.url.take().or_else(|| secret("REDIS_URL"));
    config.log.sentry_dsn = config.log.sentry_dsn.take().or_else(|| secret("SENTRY_DSN"));
    config.secret_store.master_key = config.secret_store.master_key.take().or_else(|| secret("LEGWORK_MASTER_KEY"));
    let claude = config.agents.entry("claude-code".into()).or_default();
    let has_none = claude.api_key.is_none() && claude.auth_token.is_none();
    if has_none && claude.oauth_token.is_none() && claude.login_file.is_none() {
        claude.api_key = secret("ANTHROPIC_API_KEY").or_else(|| secret("CLAUDE_API_KEY"));
        claude.auth_token = secret("ANTHROPIC_AUTH_TOKEN");
        claude.oauth_token = secret("CLAUDE_CODE_OAUTH_TOKEN");
        let file = given("CLAUDE_CODE_CREDENTIALS_SECRET").map(|path| Secret::new(format!("file:{path}")));
        claude.login_file = secret("CLAUDE_CODE_CREDENTIALS_JSON").or(file);
    }
    if claude.base_url.is_none() {
        claude.base_url = environment.get("ANTHROPIC_BASE_URL").map(str::to_owned);
    }
    for agent in legwork_agents::known_agents().iter().filter(|agent| agent.name() != "claude-code") {
        let Some(key) = agent.credential_variables().iter().find_map(|name| secret(name)) else { continue };
        let settings = config.agents.entry(agent.name().to_owned()).or_default();
        let has_none = settings.api_key.is_none() && settings.auth_token.is_none();
        if has_none && settings.oauth_token.is_none() && settings.login_file.is_none() {
            settings.api_key = Some(key);
        }
    }
}

fn resolve_secrets(config: &mut Config, environment: &Environment) -> Result<(), ConfigError> {
    resolve("database.url", &mut config.database.url, environment)?;
    resolve("redis.url", &mut config.redis.url, environment)?;
    resolve("log.sentry_dsn", &mut config.log.sentry_dsn, environment)?;
    resolve("secret_store.master_key", &mut config.secret_store.master_key, environment)?;
    resolve("doors.generate.secret", &mut config.doors.generate.secret, environment)?;
    resolve("doors.execute.secret", &mut config.doors.execute.secret, environment)?;
    resolve("doors.unified.db_base_url", &mut config.doors.unified.db_base_url, environment)?;
    let ssh = &mut config.repositories.ssh;
    resolve("repositories.ssh.key", &mut ssh.key, environment)?;
    if let Some(hosts) = &mut ssh.known_hosts {
        *hosts = resolved("repositories.ssh.known_hosts", hosts, environment)?.expose().to_owned();
    }
    for (name, secret) in &mut config.secrets {
        let mut value = Some(secret.clone());
        resolve(&format!("secrets.{name}"), &mut value, environment)?;
        value.into_iter().for_each(|value| *secret = value);
    }
    for (name, agent) in &mut config.agents {
        resolve(&format!("agents.{name}.api_key"), &mut agent.api_key, environment)?;
        resolve(&format!("agents.{name}.auth_token"), &mut agent.auth_token, environment)?;
        resolve(&format!("agents.{name}.oauth_token"), &mut agent.oauth_token, environment)?;
        resolve(&format!("agents.{name}.login_file"), &mut agent.login_file, environment)?;
        for credential in &mut agent.credentials {
            let setting = |secret: &str| format!("agents.{name}.credentials.{}.{secret}", credential.name);
            let (api_key, auth_token) = (setting("api_key"), setting("auth_token"));
            let (oauth_token, login_file) = (setting("oauth_token"), setting("login_file"));
            resolve(&api_key, &mut credential.api_key, environment)?;
            resolve(&auth_token, &mut credential.auth_token, environment)?;
            resolve(&oauth_token, &mut credential.oauth_token, environment)?;
            resolve(&login_file, &mut credential.login_file, environment)?;
        }
    }
    Ok(())
}

/// Replaces `env:NAME` and `file:PATH` by what they name.
fn resolve(setting: &str, secret: &mut Option<Secret>, environment: &Environment) -> Result<(), ConfigError> {
    if let Some(written) = secret {
        *secret = Some(resolved(setting, written.expose(), environment)?);
    }
    Ok(())
}

/// What is written as a secret: the value itself, or where it is.
///
/// # Errors
/// Where there is nothing; names `setting`.
pub fn resolved(setting: &str, written: &str, environment: &Environment) -> Result<Secret, ConfigError> {
    let invalid = |message: String| ConfigError::Invalid { setting: setting.to_owned(), message };
    let value = if let Some(name) = written.strip_prefix("env:") {
        environment
            .get(name)
            .ok_or_else(|| invalid(format!("the environment variable {name} is not set or empty")))?
            .to_owned()
    } else if let Some(path) = written.strip_prefix("file:") {
        fs::read_to_string(path).map_err(|error| invalid(format!("failed to read {path}: {error}")))?.trim().to_owned()
    } else {
        written.to_owned()
    };
    if value.is_empty() {
        return Err(invalid("is empty; remove it or give a value, env:NAME or file:PATH".into()));
    }
    Ok(Secret::new(value))
}

/// Those that are known, and those that the settings describe.
fn all_agents(config: &Config) -> Result<Agents, ConfigError> {
    let mut custom = Vec::new();
    for (name, settings) in &config.agents {
        let Some(own) = &settings.custom else { continue };
        let program = settings.program.as_deref().map(|program| program.to_string_lossy().into_owned());
        let agent = Custom::new(own.described(name, &program.unwrap_or_default())).map_err(|error| {
            let place = match error.field {
                "name" => format!("agents.{name}"),
                "program" => format!("agents.{name}.program"),
                field => format!("agents.{name}.custom.{}", snake_case(field)),
            };
            ConfigError::Invalid { setting: place, message: error.problem }
        })?;
        custom.push(agent);
    }
    Agents::with(custom).map_err(|taken| ConfigError::Invalid {
        setting: format!("agents.{}.custom", taken.name),
        message: taken.to_string(),
    })
}

fn snake_case(name: &str) -> String {
    let letter =
        |one: char| if one.is_ascii_uppercase() { format!("_{}", one.to_ascii_lowercase()) } else { one.into() };
    name.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str, environment: &Environment) -> Result<Config, String> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("legwork.toml");
        fs::write(&path, text).expect("a file");
        load(Some(&path), environment)
            .map_err(|error| error.to_string().replace(dir.path().to_str().expect("UTF-8"), "DIR"))
    }

    #[test]
    fn variables_win_over_the_file_and_the_file_over_defaults() {
        let environment = Environment::from([
            ("LEGWORK_QUEUE__MAX_QUEUED", "7"),
            ("LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM", "/opt/claude"),
            ("ANTHROPIC_API_KEY", "sk-1"),
            ("LEGWORK_DATABASE__URL", "env:MY_DB"),
            ("MY_DB", "postgres://db"),
        ]);
        let config = load_text("[queue]\nmax_queued = 5\nlease_seconds = 60\n", &environment).expect("loads");
        assert_eq!((config.queue.max_queued, config.queue.lease_seconds, config.queue.beat_seconds), (7, 60, 10));
        let claude = config.agent("claude-code");
        assert_eq!(claude.program.as_deref(), Some(Path::new("/opt/claude")));
        assert_eq!(claude.api_key.as_ref().map(Secret::expose), Some("sk-1"));
        assert_eq!(config.database.url.as_ref().map(Secret::expose), Some("postgres://db"));
        assert!(!format!("{config:?}{}", serde_json::to_string(&config).expect("serialises")).contains("sk-1"));
    }

    #[test]
    fn the_sandbox_is_set_by_variables_like_everything_else() {
        let environment = Environment::from([
            ("LEGWORK_SANDBOX__KIND", "docker"),
            ("LEGWORK_SANDBOX__CPUS", "2"),
            ("LEGWORK_SANDBOX__MOST_MEMORY", "4Gi"),
            ("LEGWORK_SANDBOX__ALLOWED_DOMAINS", "[\"*.npmjs.org\"]"),
            ("LEGWORK_SANDBOX__DOCKER__SLEEP_AFTER", "90s"),
            ("LEGWORK_RUNS__DETACH", "false"),
        ]);
        let config = load_text("[sandbox]\nkind = \"process\"\n", &environment).expect("loads");
        let sandbox = &config.sandbox;
        assert_eq!((sandbox.kind.as_str(), sandbox.cpus.map(legwork_model::Cpus::millis)), ("docker", Some(2_000)));
        assert_eq!(sandbox.most_memory.map(|memory| memory.to_string()).as_deref(), Some("4Gi"));
        assert_eq!((sandbox.allowed_domains.len(), sandbox.docker.sleep_after.as_secs()), (1, 90));
        assert!(!config.runs.detach);
        let wrong = Environment::from([("LEGWORK_SANDBOX__KIND", "dokcer")]);
        let error = load_text("", &wrong).map(drop).expect_err("no such kind");
        assert!(error.starts_with("environment variable LEGWORK_SANDBOX__KIND: unknown variant `dokcer`"), "{error}");
    }

    #[test]
    fn a_variable_that_is_empty_is_not_set() {
        let environment = Environment::from([
            ("LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM", ""),
            ("LEGWORK_QUEUE__MAX_QUEUED", ""),
            ("LEGWORK_DATA_DIR", ""),
        ]);
        let config = load_text("[queue]\nmax_queued = 5\n", &environment).expect("loads");
        assert_eq!((config.agent("claude-code").program, config.queue.max_queued), (None, 5));
        assert_eq!(config.data_dir, Config::default().data_dir);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let none = Environment::default();
        let cases = [
            (
                "[server]\nlissten = \"x\"\n",
                "DIR/legwork.toml: line 2, column 1: unknown field `lissten`, did you mean `listen`?",
            ),
            (
                "[queue]\nmax_queued = \"many\"\n",
                "DIR/legwork.toml: line 2, column 14: invalid type: string \"many\", expected u64",
            ),
            (
                "[limits]\nmax_cost_usd = \"5 EUR\"\n",
                "DIR/legwork.toml: line 2, column 16: `5 EUR` is not an amount of US dollars",
            ),
            (
                "[projects.site]\nmodel = []\n",
                "DIR/legwork.toml: line 2, column 1: unknown field `model`, did you mean `models`?",
            ),
            ("[lanes.slow]\nconcurrency = 0\n", "lanes.slow.concurrency: must be at least 1"),
            ("[agents.cluade]\n", "agents.cluade: there is no such agent; known: claude-code"),
            (
                "[sandbox]\nmemory = \"2GB\"\n",
                "DIR/legwork.toml: line 2, column 10: `2GB` is not a size; write bytes or a number with Ki, Mi,",
            ),
            (
                "[sandbox]\negres = \"open\"\n",
                "DIR/legwork.toml: line 2, column 1: unknown field `egres`, did you mean `egress`?",
            ),
            (
                "[sandbox]\nmemory = \"2Gi\"\nmost_memory = \"1Gi\"\n",
                "sandbox.memory: is more than `sandbox.most_memory`",
            ),
            ("[sandbox]\npids = 0\n", "sandbox.pids: must be at least 1"),
            ("[sandbox]\nweakest = \"auto\"\n", "sandbox.weakest: must be `process`, `bubblewrap` or `docker`"),
            (
                "[sandbox]\negress = \"open\"\nmost_egress = \"public\"\n",
                "sandbox.egress: is more than `sandbox.most_egress`",
            ),
            (
                "[sandbox]\nallowed_domains = [\"a.example\", \"*\"]\n",
                "sandbox.allowed_domains[1]: `*` names no host: `*` stands only for the first part",
            ),
            ("[sandbox]\nreadable = [\"opt\"]\n", "sandbox.readable[0]: must be an absolute path"),
            ("[sandbox.docker]\nimage = \"--privileged\"\n", "sandbox.docker.image: `--privileged` begins with `-`"),
            ("[sandbox.docker]\nimages = [\"*\"]\n", "sandbox.docker.images[0]: `*` is no name of an image"),
            (
                "[sandbox.docker]\nseccomp_profile = \"/nowhere/profile.json\"\n",
                "sandbox.docker.seccomp_profile: failed to read /nowhere/profile.json: No such file",
            ),
            ("[sandbox.docker]\nuser = 0\n", "sandbox.docker.user: must not be 0, which is root"),
            (
                "[sandbox.docker]\nsleep_after = \"600\"\n",
                "DIR/legwork.toml: line 2, column 15: `600` is not a length of time;",
            ),
            (
                "[agents.claude-code]\napi_key = \"env:NOPE\"\n",
                "agents.claude-code.api_key: the environment variable NOPE is not set or empty",
            ),
        ];
        for (text, expected) in cases {
            let error = load_text(text, &none).map(drop).expect_err(text);
            assert!(error.starts_with(expected), "{error}\nexpected {expected}");
        }
        let wrong = Environment::from([("LEGWORK_QUEUE__MAX_QEUED", "1")]);
        let error = load_text("", &wrong).map(drop).expect_err("unknown variable");
        assert!(
            error.starts_with(
                "environment variable LEGWORK_QUEUE__MAX_QEUED: unknown field `max_qeued`, did you mean `max_queued`?"
            ),
            "{error}"
        );
    }
}
