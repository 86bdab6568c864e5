//! How Gemini CLI is started: arguments and environment.

use legwork_model::Task;

use super::settings::SETTINGS_FILE;
use crate::agent::{Credential, Setup};
use crate::environment::text;

/// What a task may not set beside what none may: where the agent sends its credential, what it trusts, and who watches it.
pub(super) const RESERVED_ENV: &[&str] =
    &["CLOUD_SHELL", "CODE_ASSIST_*", "GEMINI_*", "GOOGLE_*", "OTEL_*", "SANDBOX*", "SEATBELT_PROFILE"];

/// The arguments of a program that somebody may talk to.
pub(super) fn conversation(task: &Task, setup: &Setup) -> Vec<String> {
    std::iter::once("--acp".to_owned()).chain(common(task, setup)).collect()
}

/// The arguments of a program that answers what comes by its standard input, and leaves.
pub(super) fn one_shot(task: &Task, setup: &Setup) -> Vec<String> {
    let resume = task.resume_session.as_ref().map(|session| format!("--resume={session}"));
    std::iter::once("--output-format=stream-json".to_owned()).chain(common(task, setup)).chain(resume).collect()
}

/// Values are always written as `--flag=value`: a value that begins with `-` stays a value.
fn common(task: &Task, setup: &Setup) -> impl Iterator<Item = String> {
    let mode = approval_mode(task, setup).map(|mode| format!("--approval-mode={mode}"));
    let model = task.model.as_ref().map(|model| format!("--model={model}"));
    mode.into_iter().chain(model).chain(mcp_servers(setup))
}

/// The MCP servers that may be started. It would start those as well that a repository brings; where there are none this
/// takes a name that none has.
fn mcp_servers(setup: &Setup) -> Vec<String> {
    let allowed = |name: &str| format!("--allowed-mcp-server-names={name}");
    if setup.mcp_servers.is_empty() {
        return vec![allowed("legwork-allows-none")];
    }
    setup.mcp_servers.keys().map(|name| allowed(name)).collect()
}

/// The program's word for the permission mode. With a policy it has to ask for everything that it may at all.
fn approval_mode<'a>(task: &Task, setup: &'a Setup) -> Option<&'a str> {
    match (setup.permission_mode.as_deref(), task.permissions.is_some()) {
        (Some("plan"), _) => Some("plan"),
        (_, true) => Some("default"),
        (Some("acceptEdits"), _) => Some("auto_edit"),
        (Some("bypassPermissions"), _) => Some("yolo"),
        (own, _) => own,
    }
}

/// Its own variables.
pub(super) fn env(setup: &Setup) -> Vec<(&'static str, String)> {
    let mut env = vec![
        // Else it starts itself again with a larger heap, and its parent does not pass on signals.
        ("GEMINI_CLI_NO_RELAUNCH", "true".to_owned()),
        // It refuses to run without somebody at a terminal in a directory that is not trusted.
        ("GEMINI_CLI_TRUST_WORKSPACE", "true".to_owned()),
        // The settings of the system win over those that a repository brings.
        ("GEMINI_CLI_SYSTEM_SETTINGS_PATH", text(&setup.home.join(SETTINGS_FILE))),
    ];
    match &setup.credential {
        Some(Credential::ApiKey(secret)) => env.push(("GEMINI_API_KEY", secret.clone())),
        Some(Credential::BearerToken(secret)) => {
            env.push(("GEMINI_API_KEY", secret.clone()));
            env.push(("GEMINI_API_KEY_AUTH_MECHANISM", "bearer".to_owned()));
        }
        Some(Credential::OauthToken(secret)) => {
            env.push(("GOOGLE_CLOUD_ACCESS_TOKEN", secret.clone()));
            env.push(("GOOGLE_GENAI_USE_GCA", "true".to_owned()));
        }
        Some(Credential::LoginFile(_)) | None => {}
    }
    env.extend(setup.base_url.clone().map(|url| ("GOOGLE_GEMINI_BASE_URL", url)));
    env
}
