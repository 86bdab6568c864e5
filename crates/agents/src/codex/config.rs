//! The settings file of one run, `config.toml` in the program's home.

use legwork_model::{McpServer, Task};
use toml::{Table, Value};

use super::stance::Stance;
use crate::agent::{Credential, Setup};
use crate::environment::text;

/// The name under which the model's API stands in the settings.
pub(super) const PROVIDER: &str = "legwork";

/// The variable that the one-shot program takes its key from.
pub(super) const KEY_VARIABLE: &str = "LEGWORK_MODEL_KEY";

/// What the program would fetch, offer or start of its own accord.
const FEATURES_OFF: [&str; 4] = ["apps", "plugins", "remote_plugin", "skill_mcp_dependency_install"];

pub(super) fn config(task: &Task, setup: &Setup) -> String {
    let stance = Stance::of(task, setup);
    let mut config = table([
        ("model_provider", PROVIDER.into()),
        ("cli_auth_credentials_store", "file".into()),
        ("check_for_update_on_startup", false.into()),
        ("analytics", table([("enabled", false.into())]).into()),
        ("features", table(FEATURES_OFF.map(|feature| (feature, false.into()))).into()),
        ("model_providers", table([(PROVIDER, provider(setup).into())]).into()),
        ("projects", projects(setup).into()),
        ("shell_environment_policy", shell_environment().into()),
        // Where somebody decides about each command, the network is theirs to allow.
        ("sandbox_workspace_write", table([("network_access", stance.policy.is_some().into())]).into()),
    ]);
    if setup.one_shot {
        // The server learns these with the request for a thread, where it takes words that it refuses here.
        config.insert("approval_policy".to_owned(), stance.approval.into());
        config.extend(task.system_prompt.clone().map(|text| ("developer_instructions".to_owned(), text.into())));
    }
    if !setup.mcp_servers.is_empty() {
        let servers =
            setup.mcp_servers.iter().map(|(name, server)| (name.as_str(), mcp_server(server, &stance).into()));
        config.insert(
            "mcp_servers".to_owned(),
            servers.map(|(name, server)| (name.to_owned(), server)).collect::<Table>().into(),
        );
    }
    config.to_string()
}

fn provider(setup: &Setup) -> Table {
    let retries = i64::from(setup.max_retries);
    let mut provider = table([
        // As the program calls it where it is the vendor's own.
        ("name", if setup.base_url.is_some() { "Legwork" } else { "OpenAI" }.into()),
        ("wire_api", "responses".into()),
        ("request_max_retries", retries.into()),
        ("stream_max_retries", retries.into()),
    ]);
    if let Some(url) = &setup.base_url {
        provider.insert("base_url".to_owned(), url.clone().into());
    }
    match &setup.credential {
        Some(Credential::LoginFile(_)) => provider.insert("requires_openai_auth".to_owned(), true.into()),
        Some(_) if setup.one_shot => provider.insert("env_key".to_owned(), KEY_VARIABLE.into()),
        _ => None,
    };
    provider
}

/// Else the program takes a workspace that it may write to for one that is trusted, and starts the MCP servers and hooks
/// that the repository in it brings.
fn projects(setup: &Setup) -> Table {
    let untrusted = table([("trust_level", "untrusted".into())]);
    [(text(&setup.workspace), untrusted.into())].into_iter().collect()
}

/// Commands get what the task sets, also what is called a token, but never the key of the model's API.
fn shell_environment() -> Table {
    table([
        ("inherit", "all".into()),
        ("ignore_default_excludes", true.into()),
        ("exclude", Value::Array(vec![KEY_VARIABLE.into()])),
    ])
}

fn mcp_server(server: &McpServer, stance: &Stance) -> Table {
    let mut settings = match server {
        McpServer::Program(program) => table([
            ("command", program.command.clone().into()),
            ("args", Value::Array(program.args.iter().cloned().map(Value::from).collect())),
            ("env", texts(&program.env)),
        ]),
        // It knows streamable HTTP alone; an older server may answer to that as well.
        McpServer::Remote(remote) => {
            table([("url", remote.url.clone().into()), ("http_headers", texts(&remote.headers))])
        }
    };
    if stance.trusts_mcp {
        settings.insert("default_tools_approval_mode".to_owned(), "approve".into());
    }
    settings
}

fn texts(map: &std::collections::BTreeMap<String, String>) -> Value {
    map.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect::<Table>().into()
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
