//! The files that Gemini CLI finds in its home directory.

use std::collections::BTreeMap;

use legwork_model::{McpServer, McpTransport, Task};
use serde_json::{Value, json};

use crate::agent::{Credential, PlacedFile, Setup, placed};

/// Its settings, with the MCP servers of the run and their secrets.
pub(super) const SETTINGS_FILE: &str = ".gemini/settings.json";

/// Where it looks for the file of a subscription login.
pub(super) const LOGIN_FILE: &str = ".gemini/oauth_creds.json";

/// What it tells its model beside its own system prompt, in every project.
const MEMORY_FILE: &str = ".gemini/GEMINI.md";

/// Its rules. It lets tools of MCP servers be used without asking, where it was told that it may start these servers at all.
const RULES_FILE: &str = ".gemini/policies/legwork.toml";

/// Above what the program makes of its arguments, and below what it makes of `tools.deny`.
const RULES: &str = "[[rule]]\ntoolName = \"mcp_*\"\ndecision = \"ask_user\"\npriority = 350\nmodes = [\"default\"]\n";

/// All files that it needs.
pub(super) fn files(task: &Task, setup: &Setup) -> Vec<PlacedFile> {
    let login = setup.credential.as_ref().and_then(Credential::login).map(|file| placed(LOGIN_FILE, file));
    let memory = task.system_prompt.as_ref().map(|text| placed(MEMORY_FILE, text));
    let settings = placed(SETTINGS_FILE, settings(task, setup).to_string());
    // With a policy it has to ask.
    let rules = task.permissions.as_ref().map(|_| placed(RULES_FILE, RULES));
    std::iter::once(settings).chain(login).chain(memory).chain(rules).collect()
}

fn settings(task: &Task, setup: &Setup) -> Value {
    let login = match setup.credential {
        Some(Credential::OauthToken(_) | Credential::LoginFile(_)) => "oauth-personal",
        _ => "gemini-api-key",
    };
    let mut settings = json!({
        "security": {"auth": {"selectedType": login}},
        "general": {
            "enableAutoUpdate": false,
            "enableAutoUpdateNotification": false,
            "maxAttempts": setup.max_retries.saturating_add(1),
        },
        "privacy": {"usageStatisticsEnabled": false},
        "telemetry": {"enabled": false},
        // What a repository brings could have its own commands run, and its own variables set.
        "hooksConfig": {"enabled": false},
        "advanced": {"ignoreLocalEnv": true},
        "tools": {"allowed": task.tools.allow, "exclude": task.tools.deny},
    });
    if let Some(turns) = task.limits.max_turns {
        settings["model"] = json!({"maxSessionTurns": turns.max(1)});
    }
    // In a conversation the protocol brings them.
    if !setup.mcp_servers.is_empty() && !task.is_conversation() {
        settings["mcpServers"] = mcp_servers(&setup.mcp_servers);
    }
    settings
}

/// The program takes `httpUrl` for streamable HTTP, and `url` for server-sent events.
fn mcp_servers(servers: &BTreeMap<String, McpServer>) -> Value {
    let server = |server: &McpServer| match server {
        McpServer::Program(program) => json!(program),
        McpServer::Remote(remote) => {
            let address = match remote.transport {
                McpTransport::Http => "httpUrl",
                McpTransport::Sse => "url",
            };
            json!({address: remote.url, "headers": remote.headers})
        }
    };
    servers.iter().map(|(name, value)| (name.clone(), server(value))).collect()
}
