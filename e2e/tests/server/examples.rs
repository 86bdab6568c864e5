//! Every file in examples/ is run as its first lines say, over the scripted agent.

mod cutting;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::process::Command;

use super::cli::Terminal;
use super::lab::{Client, PATIENCE, Server, Setup, nothing_left};

/// A server that wants a key, and the key.
struct Lab {
    terminal: Terminal,
    server: Server,
    key: String,
}

#[tokio::test]
async fn every_file_does_what_it_says() {
    let lab = Lab::start().await;
    let files = files(&folder());
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        let name = file.strip_prefix(folder()).expect("it lies there").to_str().expect("UTF-8");
        match name {
            "curl/submit-and-wait.sh" => lab.check_waits(&file).await,
            "curl/idempotent.sh" => lab.check_submits_once(&file).await,
            "curl/follow-events.sh" | "node/follow.mjs" | "python/follow.py" => lab.check_follows(&file).await,
            "legwork.toml" => check_settings(&file).await,
            _ => panic!("examples/{name} is tried by no test: say here how to"),
        }
        check_head(&file);
    }
    nothing_left(&lab.terminal.data_dir()).await;
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").canonicalize().expect("there are examples")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("it can be read").map(|entry| entry.expect("an entry").path());
    let (dirs, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(dirs.iter().flat_map(|dir| self::files(dir)));
    files
}

/// The first lines tell how to run it and where it finds the server.
fn check_head(file: &Path) {
    let text = std::fs::read_to_string(file).expect("text");
    let head = text.lines().take(10).collect::<Vec<_>>().join("\n");
    let name = file.file_name().and_then(|name| name.to_str()).expect("UTF-8");
    for part in [name, "LEGWORK_SERVER", "LEGWORK_API_KEY"] {
        assert!(head.contains(part), "{part} is missing in the first lines of {}", file.display());
    }
}

impl Lab {
    async fn start() -> Self {
        let terminal = Terminal::new();
        let made = terminal.call(&["key", "create", "--name", "examples"]).await;
        let server = Setup::scripted(&terminal.data_dir()).start().await;
        Self { terminal, server, key: made.stdout.trim().to_owned() }
    }

    fn client(&self) -> Client {
        self.server.client.with_key(&self.key)
    }

    /// What it prints, having been content.
    async fn run(&self, file: &Path, url: &str) -> Option<String> {
        let output = call(file, url, Some(&self.key)).await?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", file.display());
        Some(String::from_utf8(output.stdout).expect("text"))
    }

    async fn check_waits(&self, file: &Path) {
        self.check_refused(file).await;
        let Some(printed) = self.run(file, self.server.url()).await else { return };
        let execution: Value = serde_json::from_str(&printed).expect("it is JSON");
        assert_eq!(execution["state"], "succeeded", "{execution:#}");
        let id = execution["id"].as_str().expect("an id");
        assert_eq!(self.client().finished(id).await, execution);
    }

    async fn check_submits_once(&self, file: &Path) {
        self.check_refused(file).await;
        let before = self.count().await;
        let Some(printed) = self.run(file, self.server.url()).await else { return };
        let ids: Vec<_> = printed.lines().collect();
        assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
        assert_eq!(self.count().await, before + 1);
        self.client().finished(ids[0]).await;
    }

    /// Each event is printed once, although no connection lasts for more than one.
    async fn check_follows(&self, file: &Path) {
        self.check_refused(file).await;
        let url = cutting::before(self.server.url()).await;
        let before = self.count().await;
        let Some(printed) = self.run(file, &url).await else { return };
        let events: Vec<Value> =
            printed.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
        assert_eq!(self.count().await, before + 1, "{} submits one job", file.display());
        assert_eq!(events, self.client().events(&self.client().newest().await).await, "{}", file.display());
    }

    /// Without a key it fails at once and tells why.
    async fn check_refused(&self, file: &Path) {
        let Some(output) = call(file, self.server.url(), None).await else { return };
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("401"), "{}: {said}", file.display());
    }

    async fn count(&self) -> usize {
        self.client().executions().await.len()
    }
}

/// Runs a program of the examples; `None` (said aloud) where its interpreter is missing.
async fn call(file: &Path, url: &str, key: Option<&str>) -> Option<Output> {
    let (program, script) = match file.extension().and_then(|extension| extension.to_str()) {
        Some("mjs") => (Path::new("node"), Some(file)),
        Some("py") => (Path::new("python3"), Some(file)),
        _ => (file, None),
    };
    let mut command = Command::new(program);
    command.args(script).env("LEGWORK_SERVER", url).env_remove("LEGWORK_API_KEY");
    let running = command.envs(key.map(|key| ("LEGWORK_API_KEY", key))).env("no_proxy", "*");
    let running = running.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, running).await;
    match output.unwrap_or_else(|_| panic!("{} does not end", file.display())) {
        Ok(output) => Some(output),
        Err(error) => {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} must be run under CI: {error}", file.display());
            eprintln!("SKIPPED: {}: its interpreter can't be started: {error}", file.display());
            None
        }
    }
}

/// It can be used, with and without what is commented out, and tells the defaults but for what it says.
async fn check_settings(file: &Path) {
    let path = file.to_str().expect("UTF-8");
    let terminal = Terminal::new()
        .with("CLAUDE_KEY", "sk-1")
        .with("GITHUB_TOKEN", "a token of the tests")
        .with("DATABASE_URL", "postgres://db")
        .with("DOOR_SECRET", "a secret of the tests")
        .with("SENTRY", "https://key@host/1")
        .with("MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let checked = terminal.call(&["config", "check", "--config", path]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let profile = terminal.dir().join("seccomp.json").display().to_string();
    terminal.write("seccomp.json", r#"{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [] }"#);
    let text = std::fs::read_to_string(file).expect("text").replace("/etc/legwork/seccomp.json", &profile);
    terminal.write("whole.toml", &with_what_is_commented_out(&text));
    let checked = terminal.call(&["config", "check", "--config", "whole.toml"]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);

    let defaults = terminal.call(&["config", "show"]).await.stdout;
    let shown = terminal.call(&["config", "show", "--config", path]).await.stdout;
    let differs: Vec<_> = shown.lines().filter(|line| !defaults.lines().any(|default| default == *line)).collect();
    assert_eq!(
        differs,
        [
            "[lanes.nightly]",
            "concurrency = 2",
            r#"allow_tools = ["Bash(git log:*)"]"#,
            "[projects.site]",
            r#"models = ["claude-haiku-*"]"#,
        ]
    );
}

fn with_what_is_commented_out(text: &str) -> String {
    let is_setting = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let uncommented = |line: &str| line.strip_prefix("# ").filter(|rest| is_setting(rest)).map(str::to_owned);
    let lines: Vec<_> = text.lines().map(|line| uncommented(line).unwrap_or_else(|| line.to_owned())).collect();
    let uncommented = lines.iter().zip(text.lines()).filter(|(now, before)| now != before).count();
    assert!(uncommented >= 5, "{text}");
    lines.join("\n")
}
