//! `legwork doctor`

use serde_json::{Value, json};

use super::terminal::{Said, Terminal};
use crate::lab::{Setup, processes_of};

const PROGRAM: &str = "LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM";

#[tokio::test]
async fn a_machine_that_has_everything_is_fine() {
    let terminal = Terminal::new();
    let rehearsing = terminal.call(&["doctor", "--rehearse"]).await;
    check(&rehearsing, 0, &["Runs can work.", "2.1.197 (Claude Code)"]);
    let with_key = Terminal::new().with("ANTHROPIC_API_KEY", "sk-geheim").call(&["doctor"]).await;
    check(&with_key, 0, &["claude-code credential", "an API key"]);
    assert!(!with_key.stdout.contains("geheim"), "{}", with_key.stdout);
    assert!(!terminal.data_dir().exists(), "looking changes nothing");
}

#[tokio::test]
async fn what_every_run_needs_is_missed_and_how_to_get_it_is_told() {
    let empty = tempfile::tempdir().expect("a directory");
    let path = empty.path().to_str().expect("UTF-8");
    let no_agent = Terminal::new().without(PROGRAM).with("PATH", path);
    check(&no_agent.call(&["doctor", "--rehearse"]).await, 1, &["MISSING", "claude was not found", "npm install -g"]);
    check(&Terminal::new().call(&["doctor"]).await, 1, &["MISSING", "ANTHROPIC_API_KEY", "--rehearse"]);

    let terminal = Terminal::new();
    terminal.write("legwork.toml", "[sever]\n");
    check(&terminal.call(&["doctor", "--rehearse"]).await, 1, &["MISSING", "legwork.toml", "did you mean `server`?"]);
    terminal.write("legwork.toml", "");
    terminal.write("file", "");
    check(&terminal.call(&["doctor", "--rehearse", "--data-dir", "file"]).await, 1, &["MISSING", "not a directory"]);
}

#[tokio::test]
async fn what_runs_can_do_without_is_only_a_warning() {
    let empty = tempfile::tempdir().expect("a directory");
    let terminal = Terminal::new().with("PATH", empty.path().to_str().expect("UTF-8"));
    check(&terminal.call(&["doctor", "--rehearse"]).await, 0, &["warning", "apt-get install git", "Runs can work."]);
}

#[tokio::test]
async fn programs_can_read_the_findings() {
    let terminal = Terminal::new();
    for (arguments, ready) in [(&["doctor", "--json", "--rehearse"][..], true), (&["doctor", "--json"], false)] {
        let said = terminal.call(arguments).await;
        assert_eq!(said.code, Some(i32::from(!ready)), "{said:?}");
        let report: Value = serde_json::from_str(&said.stdout).expect("it is JSON");
        assert_eq!(report["ready"], ready, "{report:#}");
        assert!(report["checks"].as_array().is_some_and(|checks| checks.len() > 5), "{report:#}");
    }
}

#[tokio::test]
async fn what_a_dead_server_left_is_swept_and_what_lives_is_not() {
    let terminal = Terminal::new();
    let setup = Setup::scripted(&terminal.data_dir());
    let server = setup.start().await;
    let id = server.client.submit(&json!({ "prompt": "spawn detached stubborn m\ntext begun\nhang" })).await;
    server.client.until_event(&id, "text").await;
    let sweep = ["doctor", "--rehearse", "--sweep"];
    check(&terminal.call(&sweep).await, 0, &["a server uses the data directory"]);
    assert!(processes_of(&terminal.data_dir()).len() > 1, "the agent and what it started");
    server.kill().await;
    let swept = terminal.call(&sweep).await;
    check(&swept, 0, &["ended ", "processes"]);
    assert_eq!(processes_of(&terminal.data_dir()), Vec::<String>::new(), "{}", swept.stdout);
}

fn check(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!((said.code, said.stderr.as_str()), (Some(code), ""), "{}", said.stdout);
    for part in parts {
        assert!(said.stdout.contains(part), "`{part}` is missing in\n{}", said.stdout);
    }
}
