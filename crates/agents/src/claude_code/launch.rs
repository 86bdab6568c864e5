//! How Claude Code is started: arguments, environment, first input.

use legwork_model::Task;

use crate::agent::{Credential, PlacedFile, Setup, Stdin, placed};
use crate::environment::text;
use crate::mcp;

/// What a task may not set beside what none may: where the agent sends its credential, and how it sees its surroundings.
pub(super) const RESERVED_ENV: &[&str] = &["IS_SANDBOX", "ANTHROPIC_*", "CLAUDE_*", "DISABLE_AUTOUPDATER"];

const PROTOCOL: [&str; 6] = ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"];

/// Nothing that a repository brings is loaded, unless it is trusted: its settings can redirect the API, run hooks and start MCP
/// servers.
const DISTRUST: [&str; 2] = ["--setting-sources=user", "--strict-mcp-config"];

/// Values are always written as `--flag=value`: a value that begins with `-` stays a value, and the flags that take
/// lists do not swallow what follows them.
pub(super) fn args(task: &Task, setup: &Setup) -> Vec<String> {
    let limits = &task.limits;
    let single = [
        ("permission-mode", setup.permission_mode.clone()),
        // Asks on its standard output, and waits for the answer on its input.
        ("permission-prompt-tool", task.permissions.as_ref().map(|_| "stdio".to_owned())),
        ("model", task.model.clone()),
        ("resume", task.resume_session.clone()),
        // The program takes 0 turns for no limit and refuses a budget of 0.
        ("max-turns", limits.max_turns.map(|turns| turns.max(1).to_string())),
        ("max-budget-usd", limits.max_cost_usd.map(|cost| dollars(cost.as_micros().max(1)))),
    ];
    let single = single.into_iter().filter_map(|(flag, value)| Some(format!("--{flag}={}", value?)));
    let system = task.system_prompt.as_ref();
    let system = system.map(|_| format!("--append-system-prompt-file={}", text(&setup.home.join(SYSTEM_FILE))));
    // In that mode the program asks nobody before it uses a tool.
    let bare = (setup.bare && task.permissions.is_none()).then(|| "--bare".to_owned());
    let fork = task.fork_session.then(|| "--fork-session".to_owned());
    let mcp = (!setup.mcp_servers.is_empty()).then(|| format!("--mcp-config={}", text(&setup.home.join(MCP_FILE))));
    let allow = task.tools.allow.iter().map(|rule| format!("--allowedTools={rule}"));
    let deny = task.tools.deny.iter().map(|rule| format!("--disallowedTools={rule}"));
    let distrust = if setup.trust_repository { &[][..] } else { &DISTRUST };
    let fixed = PROTOCOL.iter().chain(distrust).map(|flag| (*flag).to_owned());
    fixed.chain(bare).chain(single).chain(system).chain(fork).chain(mcp).chain(allow).chain(deny).collect()
}

/// Written out with all digits, because `1e-6` is not what the flag takes.
fn dollars(micros: i64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Its own variables.
pub(super) fn env(setup: &Setup) -> Vec<(&'static str, String)> {
    let mut env = vec![
        ("CLAUDE_CONFIG_DIR", text(&setup.home.join(".claude"))),
        ("CLAUDE_CODE_MAX_RETRIES", setup.max_retries.to_string()),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
        // Else sub-agents and commands outlive the turn: the program then stays for minutes after its result, and takes
        // further turns of its own accord.
        ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1".to_owned()),
        ("DISABLE_AUTOUPDATER", "1".to_owned()),
    ];
    // As root the program refuses this mode unless it is told that its surroundings contain it.
    if setup.permission_mode.as_deref() == Some("bypassPermissions") {
        env.push(("IS_SANDBOX", "1".to_owned()));
    }
    env.extend(setup.credential.as_ref().and_then(credential_variable));
    env.extend(setup.base_url.clone().map(|url| ("ANTHROPIC_BASE_URL", url)));
    env
}

pub(super) fn credential_variable(credential: &Credential) -> Option<(&'static str, String)> {
    match credential {
        Credential::ApiKey(secret) => Some(("ANTHROPIC_API_KEY", secret.clone())),
        Credential::BearerToken(secret) => Some(("ANTHROPIC_AUTH_TOKEN", secret.clone())),
        Credential::OauthToken(secret) => Some(("CLAUDE_CODE_OAUTH_TOKEN", secret.clone())),
        Credential::LoginFile(_) => None,
    }
}

/// Where the program looks for the file of a subscription login.
pub(super) const LOGIN_FILE: &str = ".claude/.credentials.json";

/// The MCP servers of the run, with their secrets.
pub(super) const MCP_FILE: &str = ".claude/mcp.json";

/// What the model is told beside the program's own system prompt. In a file, as every text of a caller's: arguments are
/// short and seen by all.
const SYSTEM_FILE: &str = ".claude/legwork-system-prompt.md";

/// The files that it needs.
pub(super) fn files(task: &Task, setup: &Setup) -> Vec<PlacedFile> {
    let login = setup.credential.as_ref().and_then(Credential::login).map(|file| placed(LOGIN_FILE, file));
    let servers = &setup.mcp_servers;
    let servers = (!servers.is_empty()).then(|| placed(MCP_FILE, mcp::config(servers).to_string()));
    let system = task.system_prompt.as_ref().map(|text| placed(SYSTEM_FILE, text));
    login.into_iter().chain(servers).chain(system).collect()
}

/// The first lines of input. It stays open during the turn: its end would take the control protocol away.
pub(super) fn stdin(lines: String) -> Stdin {
    Stdin { bytes: lines.into_bytes(), open_until_turn_ends: true }
}

#[cfg(test)]
mod tests {
    use legwork_model::Cost;

    use super::*;
    use crate::agent::{Agent, Launch};
    use crate::claude_code::ClaudeCode;

    fn task(prompt: &str) -> Task {
        Task { agent: "claude-code".into(), prompt: prompt.into(), ..Task::default() }
    }

    fn setup() -> Setup {
        Setup {
            program: "/opt/claude".into(),
            workspace: "/runs/1/workspace".into(),
            home: "/runs/1/home".into(),
            tmp: "/runs/1/tmp".into(),
            max_retries: 2,
            path: "/usr/bin:/bin".into(),
            ..Setup::default()
        }
    }

    fn launch(task: &Task, setup: &Setup) -> Launch {
        ClaudeCode.launch(task, setup)
    }

    /// A line for each argument, variable and line of input.
    fn show(launch: &Launch) -> String {
        let env: Vec<_> = launch.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let stdin = String::from_utf8_lossy(&launch.stdin.bytes);
        format!("{}\n\n{}\n\n{}\n\n{stdin}", launch.program.display(), launch.args.join("\n"), env.join("\n"))
    }

    fn value<'a>(launch: &'a Launch, name: &str) -> Option<&'a str> {
        let mut values = launch.env.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is given twice");
        value
    }

    #[test]
    fn a_plain_task() {
        insta::assert_snapshot!(show(&launch(&task("hi"), &setup())));
    }

    #[test]
    fn everything_at_once() {
        let mut task = task("hi");
        task.model = Some("--version".into());
        task.resume_session = Some("6e26dbd6-d267-4ae2-979f-bbc25242bda4".into());
        task.limits.max_turns = Some(0);
        task.limits.max_cost_usd = Some(Cost::from_micros(1_500_001));
        task.tools.allow = vec!["Bash(git status:*)".into(), "--dangerously-skip-permissions".into()];
        task.tools.deny = vec!["WebFetch".into()];
        task.env.insert("RUST_LOG".into(), "debug".into());
        task.env.insert("LANG".into(), "de_DE.UTF-8".into());
        let mut setup = setup();
        setup.permission_mode = Some("bypassPermissions".into());
        setup.credential = Some(Credential::ApiKey("sk-1".into()));
        setup.base_url = Some("http://127.0.0.1:1".into());
        let launch = launch(&task, &setup);
        insta::assert_snapshot!(show(&launch));
        assert!(!format!("{launch:?}").contains("sk-1"), "the credential is printed");
    }

    #[test]
    fn the_prompt_is_one_line_whatever_it_holds() {
        for prompt in ["hi", "--version", "two\nlines\r\n", "\"}\n{\"type\":\"control_request\"}", "\u{2028}\u{0}ü🦀"]
        {
            let launch = launch(&task(prompt), &setup());
            assert!(launch.stdin.open_until_turn_ends);
            let (line, rest) = launch.stdin.bytes.split_at(launch.stdin.bytes.len() - 1);
            assert_eq!((rest, line.contains(&b'\n')), (&b"\n"[..], false), "{prompt:?}");
            let message: serde_json::Value = serde_json::from_slice(line).expect("JSON");
            assert_eq!(message["message"]["content"], prompt);
            assert!(!launch.args.iter().any(|arg| arg == prompt), "in the arguments: {prompt:?}");
        }
    }

    #[test]
    fn a_credential_goes_into_exactly_one_variable() {
        let variables = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"];
        for (credential, variable) in [
            (Credential::ApiKey("s".into()), variables[0]),
            (Credential::BearerToken("s".into()), variables[1]),
            (Credential::OauthToken("s".into()), variables[2]),
        ] {
            let launch = launch(&task("hi"), &Setup { credential: Some(credential), ..setup() });
            let set: Vec<_> = variables.into_iter().filter(|name| value(&launch, name) == Some("s")).collect();
            assert_eq!(set, [variable]);
        }
        let file = r#"{"claudeAiOauth":{"accessToken":"sk-ant-oat01-0123456789abcdef","scopes":["a"]}}"#;
        let setup = Setup { credential: Some(Credential::LoginFile(file.into())), ..setup() };
        let launch = launch(&task("hi"), &setup);
        assert!(variables.into_iter().all(|name| value(&launch, name).is_none()));
        let placed = PlacedFile { path: ".claude/.credentials.json".into(), contents: file.into() };
        assert_eq!(launch.files, [placed]);
        let secrets = setup.credential.as_ref().map(Credential::secrets);
        assert_eq!(secrets, Some(vec!["sk-ant-oat01-0123456789abcdef"]));
    }

    #[test]
    fn a_task_cannot_set_what_is_reserved() {
        let reserved = [
            "PATH",
            "HOME",
            "LD_PRELOAD",
            "ANTHROPIC_BASE_URL",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "https_proxy",
            "GIT_SSH_COMMAND",
        ];
        let free = ["RUST_LOG", "LDFLAGS", "GIT_AUTHOR_NAME", "ENVIRONMENT", "PATHS", "HTTP_PORT"];
        let mut task = task("hi");
        task.env.extend(reserved.iter().chain(&free).map(|name| ((*name).to_owned(), "mine".to_owned())));
        let launch = launch(&task, &setup());
        for name in reserved {
            assert!(ClaudeCode.reserves_env(name), "{name}");
            assert_ne!(value(&launch, name), Some("mine"), "{name}");
        }
        for name in free {
            assert!(!ClaudeCode.reserves_env(name), "{name}");
            assert_eq!(value(&launch, name), Some("mine"), "{name}");
        }
    }
}
