//! How Cursor's agent is started: arguments, environment, files.

use legwork_model::Task;
use serde_json::json;

use crate::agent::{Credential, PlacedFile, Setup, placed};
use crate::mcp;

/// What a task may not set beside what none may: as whom the agent works, and where it looks for its settings.
pub(super) const RESERVED_ENV: &[&str] = &["CURSOR_*", "NO_OPEN_BROWSER"];

/// Values are always written as `--flag=value`: a value that begins with `-` stays a value. The options come before the
/// command.
pub(super) fn args(task: &Task, setup: &Setup) -> Vec<String> {
    let model = task.model.as_ref().map(|model| format!("--model={model}"));
    let model = std::iter::once("--trust".to_owned()).chain(model);
    if task.is_conversation() {
        return model.chain(std::iter::once("acp".to_owned())).collect();
    }
    let mode = match setup.permission_mode.as_deref() {
        Some("bypassPermissions") => Some("--force".to_owned()),
        Some("plan") => Some("--mode=plan".to_owned()),
        _ => None,
    };
    let resume = task.resume_session.as_ref().map(|session| format!("--resume={session}"));
    let mcp = (!setup.mcp_servers.is_empty()).then(|| "--approve-mcps".to_owned());
    let fixed = ["--print", "--output-format=stream-json"].into_iter().map(str::to_owned);
    fixed.chain(model).chain(mode).chain(resume).chain(mcp).collect()
}

/// Its own variables.
pub(super) fn env(setup: &Setup) -> Vec<(&'static str, String)> {
    let credential = match &setup.credential {
        Some(Credential::ApiKey(secret)) => Some(("CURSOR_API_KEY", secret.clone())),
        Some(Credential::BearerToken(secret) | Credential::OauthToken(secret)) => {
            Some(("CURSOR_AUTH_TOKEN", secret.clone()))
        }
        Some(Credential::LoginFile(_)) | None => None,
    };
    std::iter::once(("NO_OPEN_BROWSER", "1".to_owned())).chain(credential).collect()
}

/// The MCP servers of the run, with their secrets.
pub(super) const MCP_FILE: &str = ".cursor/mcp.json";

/// What it may do without asking.
const CONFIG_FILE: &str = ".cursor/cli-config.json";

/// The files that it finds in its home directory.
pub(super) fn files(task: &Task, setup: &Setup) -> Vec<PlacedFile> {
    let edits = setup.permission_mode.as_deref() == Some("acceptEdits") && task.permissions.is_none();
    let edits = edits.then(|| "Write(**)".to_owned());
    let allow: Vec<String> = task.tools.allow.iter().cloned().chain(edits).collect();
    let config = json!({
        "version": 1,
        "editor": {"vimMode": false},
        "permissions": {"allow": allow, "deny": task.tools.deny},
    });
    let servers = !setup.mcp_servers.is_empty() && !task.is_conversation();
    let servers = servers.then(|| placed(MCP_FILE, mcp::config(&setup.mcp_servers).to_string()));
    std::iter::once(placed(CONFIG_FILE, config.to_string())).chain(servers).collect()
}
