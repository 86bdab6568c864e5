//! How Codex is started: arguments, environment, files, first input.

use legwork_model::Task;

use super::config::{KEY_VARIABLE, config};
use super::stance::Stance;
use crate::agent::{Credential, PlacedFile, Setup, Stdin, placed};
use crate::environment::text;

/// What a task may not set beside what none may: where the agent sends its credential, and where it lives.
pub(super) const RESERVED_ENV: &[&str] = &["CODEX_*", "OPENAI_*"];

/// Where the program looks for the file of a login.
pub(super) const LOGIN_FILE: &str = ".codex/auth.json";

/// The settings of the run, among them its MCP servers with their secrets.
pub(super) const CONFIG_FILE: &str = ".codex/config.toml";

/// Makes the directory for temporary files, which nobody else makes.
const TMP_FILE: &str = "tmp/.codex";

/// Where its home is below the directory for temporary files, the program does without the helpers of its sandbox, and
/// every command in it fails without a word. So that directory is one of its own, beside its home.
pub(super) fn with_own_tmp(setup: &Setup) -> Setup {
    Setup { tmp: setup.home.join("tmp"), ..setup.clone() }
}

pub(super) fn args(task: &Task, setup: &Setup) -> Vec<String> {
    if !setup.one_shot {
        return vec!["app-server".to_owned()];
    }
    let stance = Stance::of(task, setup);
    let mut args = ["exec", "--json", "--skip-git-repo-check", "--sandbox", stance.sandbox].map(str::to_owned).to_vec();
    args.extend(task.model.as_ref().map(|model| format!("--model={model}")));
    if let Some(session) = &task.resume_session {
        let continued = if task.fork_session { "fork" } else { "resume" };
        args.extend([continued, "--", session].map(str::to_owned));
    }
    args.push("-".to_owned());
    args
}

/// Its own variables.
pub(super) fn env(setup: &Setup) -> Vec<(&'static str, String)> {
    // Else its error output is full of escapes.
    let mut env = vec![("CODEX_HOME", text(&setup.home.join(".codex"))), ("NO_COLOR", "1".to_owned())];
    // The server learns the key with the request for a thread: what is in no environment can't leak from one.
    let key = setup.credential.as_ref().filter(|_| setup.one_shot).and_then(Credential::secret);
    env.extend(key.map(|key| (KEY_VARIABLE, key.to_owned())));
    env
}

pub(super) fn files(task: &Task, setup: &Setup) -> Vec<PlacedFile> {
    let login = setup.credential.as_ref().and_then(Credential::login).map(|file| placed(LOGIN_FILE, file));
    let always = [placed(CONFIG_FILE, config(task, setup)), placed(TMP_FILE, "")];
    always.into_iter().chain(login).collect()
}

/// The end of its input ends the server at once, also in the middle of a turn; the one-shot program waits for it.
pub(super) fn stdin(setup: &Setup, input: String) -> Stdin {
    Stdin { bytes: input.into_bytes(), open_until_turn_ends: !setup.one_shot }
}

#[cfg(test)]
mod tests {
    use legwork_model::{McpProgram, McpRemote, McpServer};

    use super::*;
    use crate::agent::{Agent, Launch};
    use crate::codex::Codex;

    fn task(prompt: &str) -> Task {
        Task { agent: "codex".into(), prompt: prompt.into(), ..Task::default() }
    }

    fn setup() -> Setup {
        Setup {
            program: "/opt/codex".into(),
            workspace: "/runs/1/workspace".into(),
            home: "/runs/1/home".into(),
            tmp: "/runs/1/home".into(),
            max_retries: 2,
            path: "/usr/bin:/bin".into(),
            ..Setup::default()
        }
    }

    fn everything(one_shot: bool) -> (Task, Setup) {
        let mut task = task("hi");
        task.model = Some("--version".into());
        task.system_prompt = Some("Be \"brief\".\nAlways.".into());
        task.resume_session = Some("5bea32a1-5b83-44e8-88b2-bc580dddd98b".into());
        task.fork_session = true;
        task.env.insert("GH_TOKEN".into(), "t".into());
        task.env.insert("CODEX_HOME".into(), "/elsewhere".into());
        let mut setup = Setup { one_shot, permission_mode: Some("acceptEdits".into()), ..setup() };
        setup.credential = Some(Credential::ApiKey("sk-1".into()));
        setup.base_url = Some("http://127.0.0.1:1/v1".into());
        let program =
            McpProgram { command: "/opt/mcp".into(), args: vec!["-v".into()], env: [pair("A", "secret")].into() };
        let remote = McpRemote {
            url: "https://a.b/mcp".into(),
            headers: [pair("Authorization", "c")].into(),
            transport: Default::default(),
        };
        setup.mcp_servers.insert("local".into(), McpServer::Program(program));
        setup.mcp_servers.insert("far.away".into(), McpServer::Remote(remote));
        (task, setup)
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    /// A line for each argument and variable, then the files and the input.
    fn show(launch: &Launch) -> String {
        let env: Vec<_> = launch.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let files: Vec<_> =
            launch.files.iter().map(|file| format!("--- {}\n{}", file.path.display(), file.contents)).collect();
        let stdin = String::from_utf8_lossy(&launch.stdin.bytes);
        let parts = [launch.args.join("\n"), env.join("\n"), files.join("\n"), format!("--- input\n{stdin}")];
        format!("{}\n\n{}", launch.program.display(), parts.join("\n\n"))
    }

    #[test]
    fn a_plain_task() {
        insta::assert_snapshot!(show(&Codex.launch(&task("hi"), &setup())));
    }

    #[test]
    fn everything_at_once() {
        let (task, setup) = everything(false);
        let launch = Codex.launch(&task, &setup);
        insta::assert_snapshot!(show(&launch));
        assert!(launch.serves && launch.stdin.open_until_turn_ends);
        assert!(!format!("{launch:?}").contains("sk-1"), "the credential is printed");
    }

    #[test]
    fn everything_at_once_in_one_shot() {
        let (task, setup) = everything(true);
        let launch = Codex.launch(&task, &setup);
        insta::assert_snapshot!(show(&launch));
        assert!(!launch.serves && !launch.stdin.open_until_turn_ends);
        assert!(Codex.waiting(&task, &setup).is_none());
    }

    #[test]
    fn a_program_that_waits_knows_neither_prompt_nor_key() {
        let (task, setup) = everything(false);
        let (launch, _) = Codex.waiting(&task, &Setup { credential: None, ..setup }).expect("it can wait");
        let input = String::from_utf8_lossy(&launch.stdin.bytes);
        assert_eq!(input.lines().count(), 2, "{input}");
        assert!(!["sk-1", "thread/fork", "brief"].iter().any(|late| input.contains(late)), "{input}");
    }

    #[test]
    fn the_key_of_the_server_is_in_no_file_and_no_environment() {
        let (task, setup) = everything(false);
        let launch = Codex.launch(&task, &setup);
        assert!(!launch.env.iter().any(|(_, value)| value.contains("sk-1")));
        assert!(!launch.files.iter().any(|file| file.contents.contains("sk-1")));
    }

    #[test]
    fn a_login_is_a_file() {
        let file = r#"{"tokens":{"access_token":"0123456789012345678901"}}"#;
        let setup = Setup { credential: Some(Credential::LoginFile(file.into())), ..setup() };
        let launch = Codex.launch(&task("hi"), &setup);
        assert!(launch.files.contains(&PlacedFile { path: LOGIN_FILE.into(), contents: file.into() }));
        let config = &launch.files[0].contents;
        assert!(config.contains("requires_openai_auth = true") && !config.contains("env_key"), "{config}");
        assert!(launch.files.iter().all(|file| {
            !file.contents.contains("secret") || Codex.credential_files().iter().any(|known| file.path.ends_with(known))
        }));
    }

    #[test]
    fn no_text_breaks_out_of_its_place() {
        for text in ["two\nlines\r\n", "\"}\n{\"id\":1}", "'''\"\"\"\\", "\u{2028}\u{0}\u{7f}ü🦀"] {
            let mut task = task(text);
            task.system_prompt = Some(text.into());
            let setup = Setup { workspace: format!("/w/{text}").into(), one_shot: true, ..setup() };
            let config: toml::Table = Codex.launch(&task, &setup).files[0].contents.parse().expect("TOML");
            assert_eq!(config["developer_instructions"].as_str(), Some(text));
            assert!(config["projects"].get(format!("/w/{text}")).is_some(), "{config}");
            let served = Codex.launch(&task, &Setup { one_shot: false, ..setup });
            assert!(String::from_utf8_lossy(&served.stdin.bytes).lines().count() == 3, "{served:?}");
        }
    }
}
