//! How the agents are started.

use std::collections::BTreeMap;

use legwork_agents::{Agent, Agents, Credential, Launch, Setup, find_agent, known_agents};
use legwork_model::{McpServer, PermissionPolicy, Task};

const AGENTS: [&str; 3] = ["copilot", "cursor", "gemini"];

fn agent(name: &str) -> &'static dyn Agent {
    find_agent(name).expect("the agent")
}

fn task() -> Task {
    Task { prompt: "hi".into(), ..Task::default() }
}

fn setup() -> Setup {
    Setup {
        program: "/opt/agent".into(),
        workspace: "/runs/1/workspace".into(),
        home: "/runs/1/home".into(),
        tmp: "/runs/1/tmp".into(),
        max_retries: 2,
        path: "/usr/bin:/bin".into(),
        ..Setup::default()
    }
}

fn everything() -> (Task, Setup) {
    let mut task = task();
    task.model = Some("--version".into());
    task.resume_session = Some("6e26dbd6-d267-4ae2-979f-bbc25242bda4".into());
    task.system_prompt = Some("Be brief.".into());
    task.limits.max_turns = Some(0);
    task.tools.allow = vec!["shell(git:*)".into(), "--yolo".into()];
    task.tools.deny = vec!["web_fetch".into()];
    task.env.insert("RUST_LOG".into(), "debug".into());
    let servers = r#"{"here":{"command":"serve","args":["-v"],"env":{"TOKEN":"t"}},
        "far":{"type":"http","url":"https://a","headers":{"x":"y"}},"old":{"type":"sse","url":"https://b"}}"#;
    let mcp_servers: BTreeMap<String, McpServer> = serde_json::from_str(servers).expect("servers");
    let setup = Setup {
        credential: Some(Credential::ApiKey("sk-1".into())),
        base_url: Some("http://127.0.0.1:1".into()),
        permission_mode: Some("bypassPermissions".into()),
        mcp_servers,
        model_api: Some("anthropic".into()),
        ..setup()
    };
    (task, setup)
}

/// A line for each argument, variable, file and line of input.
fn show(launch: &Launch) -> String {
    let env: Vec<_> = launch.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let files: Vec<_> = launch.files.iter().map(|file| format!("{}: {}", file.path.display(), file.contents)).collect();
    let stdin = String::from_utf8_lossy(&launch.stdin.bytes);
    let stays = (launch.serves, launch.stdin.open_until_turn_ends);
    let parts = [launch.args.join("\n"), env.join("\n"), files.join("\n"), stdin.trim_end().to_owned()];
    format!("{} (serves, listens: {stays:?})\n\n{}", launch.program.display(), parts.join("\n\n"))
}

#[test]
fn a_plain_task() {
    for name in AGENTS {
        insta::assert_snapshot!(format!("{name}-plain"), show(&agent(name).launch(&task(), &setup())));
    }
}

#[test]
fn everything_at_once() {
    let (task, setup) = everything();
    for name in AGENTS {
        let launch = agent(name).launch(&task, &setup);
        insta::assert_snapshot!(format!("{name}-everything"), show(&launch));
        assert!(!format!("{launch:?}").contains("sk-1"), "the credential is printed");
        let conversation = Task { session_idle_seconds: Some(5), ..task.clone() };
        insta::assert_snapshot!(format!("{name}-conversation"), show(&agent(name).launch(&conversation, &setup)));
    }
}

#[test]
fn a_permission_mode_becomes_the_agents_own_word() {
    let modes = [None, Some("plan"), Some("default"), Some("acceptEdits"), Some("bypassPermissions"), Some("news")];
    let mut rows = Vec::new();
    for name in AGENTS {
        for policy in [None, Some(PermissionPolicy::default())] {
            for mode in modes {
                let task = Task { permissions: policy.clone(), ..task() };
                let setup = Setup { permission_mode: mode.map(str::to_owned), ..setup() };
                let launch = agent(name).launch(&task, &setup);
                let config = launch.files.iter().filter(|file| file.path.ends_with("cli-config.json"));
                let config: String = config.map(|file| format!(" {}", file.contents)).collect();
                let who = if policy.is_some() { "policy" } else { "alone" };
                rows.push(format!("{name} {} {who}: {}{config}", mode.unwrap_or("-"), launch.args.join(" ")));
            }
        }
    }
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn a_prompt_is_never_an_argument() {
    for name in AGENTS {
        for prompt in ["hi", "--version", "two\nlines\r\n", "\"}\n{", "\u{2028}\u{0}ü🦀"] {
            let launch = agent(name).launch(&Task { prompt: prompt.into(), ..task() }, &setup());
            assert!(!launch.args.iter().any(|arg| arg == prompt), "{name}: {prompt:?}");
            assert_eq!(launch.stdin.bytes, prompt.as_bytes(), "{name}");
        }
    }
}

#[test]
fn a_credential_goes_into_exactly_one_place() {
    for (name, base_url, key, bearer, oauth) in [
        ("copilot", None, "COPILOT_GITHUB_TOKEN", "COPILOT_GITHUB_TOKEN", "COPILOT_GITHUB_TOKEN"),
        (
            "copilot",
            Some("http://a"),
            "COPILOT_PROVIDER_API_KEY",
            "COPILOT_PROVIDER_BEARER_TOKEN",
            "COPILOT_PROVIDER_BEARER_TOKEN",
        ),
        ("cursor", None, "CURSOR_API_KEY", "CURSOR_AUTH_TOKEN", "CURSOR_AUTH_TOKEN"),
        ("gemini", None, "GEMINI_API_KEY", "GEMINI_API_KEY", "GOOGLE_CLOUD_ACCESS_TOKEN"),
    ] {
        for (credential, variable) in [
            (Credential::ApiKey("s3cr3t".into()), key),
            (Credential::BearerToken("s3cr3t".into()), bearer),
            (Credential::OauthToken("s3cr3t".into()), oauth),
        ] {
            let setup = Setup { credential: Some(credential), base_url: base_url.map(str::to_owned), ..setup() };
            let launch = agent(name).launch(&task(), &setup);
            let set: Vec<_> = launch.env.iter().filter(|(_, value)| value == "s3cr3t").collect();
            assert_eq!(set.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [variable], "{name}");
            assert!(agent(name).reserves_env(variable), "{variable}");
            assert!(launch.files.iter().all(|file| !file.contents.contains("s3cr3t")), "{name}");
        }
    }
    let file = r#"{"access_token":"0123456789abcdef0123456789"}"#;
    let setup = Setup { credential: Some(Credential::LoginFile(file.into())), ..setup() };
    let launch = agent("gemini").launch(&task(), &setup);
    let placed = launch.files.iter().find(|placed| placed.contents == file).expect("the file");
    let known = agent("gemini").credential_files();
    assert!(known.iter().any(|path| placed.path.to_string_lossy() == **path), "{known:?}");
}

#[test]
fn files_with_secrets_are_known_as_such() {
    let (task, setup) = everything();
    for name in AGENTS {
        for file in agent(name).launch(&task, &setup).files {
            let known = agent(name).credential_files().iter().any(|path| file.path.to_string_lossy() == **path);
            assert!(known || !file.contents.contains("TOKEN"), "{name}: {}", file.path.display());
        }
    }
}

#[test]
fn a_task_can_not_set_what_is_reserved() {
    for (name, reserved) in [
        ("copilot", ["PATH", "COPILOT_PROVIDER_BASE_URL", "COPILOT_ALLOW_ALL", "GH_TOKEN"]),
        ("cursor", ["PATH", "CURSOR_API_KEY", "CURSOR_CONFIG_DIR", "HOME"]),
        ("gemini", ["PATH", "GOOGLE_GEMINI_BASE_URL", "GEMINI_CLI_HOME", "CODE_ASSIST_ENDPOINT"]),
    ] {
        let mut task = task();
        task.env.extend(reserved.iter().chain(&["RUST_LOG"]).map(|name| ((*name).to_owned(), "mine".to_owned())));
        let launch = agent(name).launch(&task, &setup());
        let mine: Vec<_> = launch.env.iter().filter(|(_, value)| value == "mine").collect();
        assert_eq!(mine, [&("RUST_LOG".to_owned(), "mine".to_owned())], "{name}");
    }
}

#[test]
fn agents_are_found_by_name() {
    let names: Vec<_> = Agents::default().all().map(|agent| agent.name().to_owned()).collect();
    let known: Vec<_> = known_agents().iter().map(|agent| agent.name().to_owned()).collect();
    assert_eq!(names, known);
    for name in AGENTS {
        assert_eq!(Agents::default().find(name).map(Agent::name), Some(name));
    }
    assert!(!agent("cursor").verified() && agent("gemini").verified() && agent("copilot").verified());
}

#[test]
fn gemini_asks_before_it_uses_a_server_where_somebody_decides() {
    let rules = |permissions: Option<PermissionPolicy>| {
        let launch = agent("gemini").launch(&Task { permissions, ..task() }, &setup());
        launch.files.into_iter().find(|file| file.path.ends_with("policies/legwork.toml")).map(|file| file.contents)
    };
    assert!(rules(None).is_none());
    let rules = rules(Some(PermissionPolicy::default())).expect("a file");
    assert!(rules.contains("toolName = \"mcp_*\"\ndecision = \"ask_user\""), "{rules}");
}

#[test]
fn the_files_of_a_session_are_known_by_their_names() {
    let session = "6e26dbd6-d267-4ae2-979f-bbc25242bda4";
    for (name, mark) in [
        ("claude-code", session),
        ("codex", session),
        ("copilot", session),
        ("gemini", "6e26dbd6"),
        ("opencode", "opencode.db"),
    ] {
        assert!(agent(name).capabilities().sessions_travel && !agent(name).session_dirs().is_empty(), "{name}");
        assert_eq!(agent(name).session_mark(session), mark, "{name}");
    }
    assert_eq!(agent("gemini").session_mark("s1"), "s1");
    assert_eq!(agent("gemini").session_file(session).as_deref(), Some("session-1970-01-01T00-00-6e26dbd6.jsonl"));
    assert_eq!(agent("codex").session_file(session), None);
}
