//! How Copilot CLI is started: arguments, environment, files.

use std::collections::BTreeMap;

use legwork_model::{McpServer, McpTransport, Task};
use serde_json::{Value, json};

use crate::agent::{Credential, PlacedFile, Setup, placed};
use crate::environment::text;

/// What a task may not set beside what none may: where the agent sends its credential, what it may do, who watches it.
pub(super) const RESERVED_ENV: &[&str] = &["COPILOT_*", "GH_*", "GITHUB_TOKEN", "OTEL_*"];

/// The arguments of a program that somebody may talk to. It asks, and the answer is given by the policy or the mode; only where
/// everything is allowed need it not ask. The protocol names the session to continue.
pub(super) fn conversation(task: &Task, setup: &Setup) -> Vec<String> {
    fixed("--acp").chain(allow_all(task, setup)).chain(common(task, setup)).collect()
}

/// The arguments of a program that answers what comes by its standard input, and leaves.
pub(super) fn one_shot(task: &Task, setup: &Setup) -> Vec<String> {
    let mode = allow_all(task, setup).or_else(|| mode(setup));
    let resume = task.resume_session.as_ref().map(|session| format!("--resume={session}"));
    fixed("--output-format=json").chain(mode).chain(resume).chain(common(task, setup)).collect()
}

fn fixed(protocol: &str) -> impl Iterator<Item = String> {
    let fixed = [protocol, "--no-auto-update", "--disable-client-telemetry", "--no-ask-user", "--no-color"];
    fixed.map(str::to_owned).into_iter()
}

/// Values are always written as `--flag=value`: a value that begins with `-` stays a value, and the flags that take lists do
/// not swallow what follows them.
fn common(task: &Task, setup: &Setup) -> impl Iterator<Item = String> {
    let allow = task.tools.allow.iter().map(|rule| format!("--allow-tool={rule}"));
    let deny = task.tools.deny.iter().map(|rule| format!("--deny-tool={rule}"));
    mcp(setup).into_iter().chain(allow).chain(deny)
}

fn allow_all(task: &Task, setup: &Setup) -> Option<String> {
    (setup.allows_all() && task.permissions.is_none()).then(|| "--allow-all".to_owned())
}

/// The program's words for the permission mode, where nobody can be asked.
fn mode(setup: &Setup) -> Option<String> {
    let word = match setup.permission_mode.as_deref()? {
        "acceptEdits" => "--allow-tool=write",
        "plan" => "--mode=plan",
        _ => return None,
    };
    Some(word.to_owned())
}

/// In a conversation as well: the program leaves out those that the protocol brings.
fn mcp(setup: &Setup) -> Option<String> {
    let servers = !setup.mcp_servers.is_empty();
    servers.then(|| format!("--additional-mcp-config=@{}", text(&setup.home.join(MCP_FILE))))
}

/// Its own variables. With an address of its own it talks to that alone; else to GitHub, as the owner of the token.
pub(super) fn env(task: &Task, setup: &Setup) -> Vec<(&'static str, String)> {
    let mut env =
        vec![("COPILOT_HOME", text(&setup.home.join(".copilot"))), ("COPILOT_AUTO_UPDATE", "false".to_owned())];
    env.extend(task.model.clone().map(|model| ("COPILOT_MODEL", model)));
    match &setup.base_url {
        Some(url) => env.extend(provider(url, setup)),
        None => env.extend(secret("COPILOT_GITHUB_TOKEN", setup)),
    }
    env
}

fn provider(url: &str, setup: &Setup) -> Vec<(&'static str, String)> {
    let mut env = vec![
        ("COPILOT_PROVIDER_BASE_URL", url.to_owned()),
        ("COPILOT_PROVIDER_TYPE", setup.model_api.clone().unwrap_or_else(|| "openai".to_owned())),
        ("COPILOT_OFFLINE", "true".to_owned()),
    ];
    let variable = match &setup.credential {
        Some(Credential::BearerToken(_) | Credential::OauthToken(_)) => "COPILOT_PROVIDER_BEARER_TOKEN",
        _ => "COPILOT_PROVIDER_API_KEY",
    };
    env.extend(secret(variable, setup));
    env
}

fn secret(variable: &'static str, setup: &Setup) -> Option<(&'static str, String)> {
    let secret = setup.credential.as_ref().and_then(Credential::secret);
    secret.map(|secret| (variable, secret.to_owned()))
}

/// The MCP servers of the run, with their secrets.
pub(super) const MCP_FILE: &str = ".copilot/legwork-mcp.json";

/// What it tells its model beside its own system prompt, in every project.
const INSTRUCTIONS_FILE: &str = ".copilot/copilot-instructions.md";

/// The files that it finds in its home directory.
pub(super) fn files(task: &Task, setup: &Setup) -> Vec<PlacedFile> {
    let instructions = task.system_prompt.as_ref().map(|text| placed(INSTRUCTIONS_FILE, text));
    let servers = (!setup.mcp_servers.is_empty()).then(|| placed(MCP_FILE, mcp_config(&setup.mcp_servers).to_string()));
    instructions.into_iter().chain(servers).collect()
}

/// The program wants each server's kind, and the tools of it that may be used.
fn mcp_config(servers: &BTreeMap<String, McpServer>) -> Value {
    let server = |server: &McpServer| match server {
        McpServer::Program(program) => {
            json!({"type": "local", "command": program.command, "args": program.args, "env": program.env, "tools": ["*"]})
        }
        McpServer::Remote(remote) => {
            let kind = match remote.transport {
                McpTransport::Http => "http",
                McpTransport::Sse => "sse",
            };
            json!({"type": kind, "url": remote.url, "headers": remote.headers, "tools": ["*"]})
        }
    };
    let servers: serde_json::Map<_, _> = servers.iter().map(|(name, value)| (name.clone(), server(value))).collect();
    json!({ "mcpServers": servers })
}
