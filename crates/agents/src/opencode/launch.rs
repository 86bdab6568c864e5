//! How OpenCode is started: arguments, environment, settings.

use legwork_model::{McpServer, Task};
use serde_json::{Map, Value, json};

use super::permissions::rules;
use crate::agent::{Credential, HttpServer, PlacedFile, Setup, placed};
use crate::environment::text;

/// What a task may not set beside what none may.
pub(super) const RESERVED_ENV: &[&str] = &["OPENCODE_*"];

/// Where the program looks for the file of its logins.
pub(super) const LOGIN_FILE: &str = ".local/share/opencode/auth.json";

/// The settings of the run, with the key of the model's API and the secrets of its MCP servers: what is in the environment
/// the model's commands can read.
pub(super) const CONFIG_FILE: &str = ".config/opencode/opencode.json";

/// The vendor of models that the settings describe, unless a login is used, which has vendors of its own.
pub(super) const PROVIDER: &str = "legwork";

/// Events that say nothing of a run.
pub(super) const UNWANTED: [&str; 10] = [
    "catalog.updated",
    "file.watcher.updated",
    "integration.updated",
    "message.part.delta",
    "plugin.added",
    "reference.updated",
    "server.heartbeat",
    "session.created",
    "session.diff",
    "session.updated",
];

/// The server prints `opencode server listening on http://127.0.0.1:4096`.
pub(super) fn server() -> HttpServer {
    HttpServer {
        announced_by: "opencode server listening on ".into(),
        events: "/event".into(),
        unwanted: UNWANTED.map(str::to_owned).into(),
        user: "opencode".into(),
        password_variable: "OPENCODE_SERVER_PASSWORD".into(),
    }
}

pub(super) fn args() -> Vec<String> {
    ["serve", "--hostname=127.0.0.1", "--port=0", "--pure"].map(str::to_owned).to_vec()
}

/// Its own variables. Nothing that a repository brings is loaded: its settings can redirect the API, run plugins and start
/// MCP servers.
pub(super) fn env(setup: &Setup) -> Vec<(&'static str, String)> {
    let on = || "1".to_owned();
    let mut env = vec![
        ("XDG_CONFIG_HOME", text(&setup.home.join(".config"))),
        ("XDG_DATA_HOME", text(&setup.home.join(".local/share"))),
        ("XDG_STATE_HOME", text(&setup.home.join(".local/state"))),
        ("XDG_CACHE_HOME", text(&setup.home.join(".cache"))),
        ("OPENCODE_DISABLE_PROJECT_CONFIG", on()),
        ("OPENCODE_DISABLE_AUTOUPDATE", on()),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", on()),
        ("OPENCODE_DISABLE_SHARE", on()),
    ];
    // A model of a login is one of the list that the program fetches.
    env.extend((!has_login(setup)).then(|| ("OPENCODE_DISABLE_MODELS_FETCH", on())));
    env
}

pub(super) fn files(task: &Task, setup: &Setup) -> Vec<PlacedFile> {
    let login = setup.credential.as_ref().and_then(Credential::login).map(|file| placed(LOGIN_FILE, file));
    let config = placed(CONFIG_FILE, config(task, setup).to_string());
    login.into_iter().chain([config]).collect()
}

/// Where a model is found: the vendor and its name there.
pub(super) fn model(task: &Task, setup: &Setup) -> Option<(String, String)> {
    let model = task.model.as_deref()?;
    match model.split_once('/') {
        Some((vendor, name)) if has_login(setup) => Some((vendor.to_owned(), name.to_owned())),
        _ => Some((PROVIDER.to_owned(), model.to_owned())),
    }
}

fn has_login(setup: &Setup) -> bool {
    matches!(setup.credential, Some(Credential::LoginFile(_)))
}

fn config(task: &Task, setup: &Setup) -> Value {
    let mut config = json!({
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": false,
        "share": "disabled",
        "permission": rules(task, setup),
        "mcp": setup.mcp_servers.iter().map(|(name, server)| (name.clone(), mcp_server(server))).collect::<Map<_, _>>(),
    });
    if !has_login(setup) {
        config["enabled_providers"] = json!([PROVIDER]);
        config["provider"] = json!({PROVIDER: provider(task, setup)});
    }
    if let Some((vendor, name)) = model(task, setup) {
        config["model"] = format!("{vendor}/{name}").into();
        // For titles and summaries; else it looks for one that it may not know.
        config["small_model"] = config["model"].clone();
    }
    config
}

/// The two kinds of API are packages that are built into the program.
fn provider(task: &Task, setup: &Setup) -> Value {
    let anthropic = setup.model_api.as_deref() == Some("anthropic");
    let (package, vendors_own) = if anthropic {
        ("@ai-sdk/anthropic", "https://api.anthropic.com/v1")
    } else {
        ("@ai-sdk/openai-compatible", "https://api.openai.com/v1")
    };
    let key = setup.credential.as_ref().and_then(Credential::secret).unwrap_or_default();
    let url = setup.base_url.as_deref().unwrap_or(vendors_own);
    let models: Map<_, _> =
        task.model.iter().map(|model| (model.clone(), json!({"name": model, "tool_call": true}))).collect();
    json!({"npm": package, "name": "Legwork", "options": {"baseURL": url, "apiKey": key}, "models": models})
}

fn mcp_server(server: &McpServer) -> Value {
    match server {
        McpServer::Program(program) => {
            let command: Vec<_> = std::iter::once(&program.command).chain(&program.args).collect();
            json!({"type": "local", "command": command, "environment": program.env, "enabled": true})
        }
        McpServer::Remote(remote) => {
            json!({"type": "remote", "url": remote.url, "headers": remote.headers, "enabled": true})
        }
    }
}

#[cfg(test)]
mod tests {
    use legwork_model::McpProgram;

    use super::*;
    use crate::agent::{Agent, Launch};
    use crate::opencode::OpenCode;

    fn setup() -> Setup {
        Setup {
            program: "/opt/opencode".into(),
            workspace: "/runs/1/workspace".into(),
            home: "/runs/1/home".into(),
            tmp: "/runs/1/tmp".into(),
            max_retries: 2,
            path: "/usr/bin:/bin".into(),
            ..Setup::default()
        }
    }

    fn task() -> Task {
        Task { agent: "opencode".into(), prompt: "hi".into(), ..Task::default() }
    }

    fn show(launch: &Launch) -> String {
        let env: Vec<_> = launch.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let files = launch.files.iter().map(|file| {
            let json: Value = serde_json::from_str(&file.contents).expect("JSON");
            format!("--- {}\n{json:#}", file.path.display())
        });
        let files = files.collect::<Vec<_>>().join("\n");
        format!("{}\n\n{}\n\n{}\n\n{files}", launch.program.display(), launch.args.join("\n"), env.join("\n"))
    }

    #[test]
    fn a_plain_task() {
        insta::assert_snapshot!(show(&OpenCode.launch(&task(), &setup())));
    }

    #[test]
    fn everything_at_once() {
        let mut task = task();
        task.model = Some("vendor/model".into());
        task.system_prompt = Some("Be brief.".into());
        task.env.insert("GH_TOKEN".into(), "t".into());
        task.env.insert("OPENCODE_CONFIG".into(), "/elsewhere".into());
        let mut setup = Setup { permission_mode: Some("acceptEdits".into()), ..setup() };
        setup.credential = Some(Credential::ApiKey("sk-1".into()));
        setup.base_url = Some("http://127.0.0.1:1/v1".into());
        setup.model_api = Some("anthropic".into());
        let env = [("A".to_owned(), "secret".to_owned())].into();
        let program = McpProgram { command: "/opt/mcp".into(), args: vec!["-v".into()], env };
        setup.mcp_servers.insert("local".into(), McpServer::Program(program));
        let launch = OpenCode.launch(&task, &setup);
        insta::assert_snapshot!(show(&launch));
        assert!(!launch.env.iter().any(|(_, value)| value.contains("sk-1") || value.contains("secret")));
        assert!(launch.serves && launch.stdin.open_until_turn_ends && launch.stdin.bytes.is_empty());
    }

    #[test]
    fn a_login_has_vendors_of_its_own() {
        let setup = Setup { credential: Some(Credential::LoginFile("{}".into())), ..setup() };
        let task = Task { model: Some("vendor/a/b".into()), ..task() };
        assert_eq!(model(&task, &setup), Some(("vendor".to_owned(), "a/b".to_owned())));
        let launch = OpenCode.launch(&task, &setup);
        let config: Value = serde_json::from_str(&launch.files[1].contents).expect("JSON");
        assert_eq!((&config["model"], &config["provider"]), (&json!("vendor/a/b"), &Value::Null));
        assert_eq!(launch.files[0].path.to_str(), Some(LOGIN_FILE));
    }
}
