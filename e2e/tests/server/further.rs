//! Runs that need more than one process outlive their server in each of them, and between two.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::conversations::{nth, of_kind, say};
use super::lab::{Client, Server, Setup, check_history, nothing_left, program};
use super::survival::{surviving, texts};

/// An agent of the operator's own that ends after each turn.
const TURN: &str = r#"#!/bin/sh
prompt="$(cat)"
session="${2:-s-$$}"
tell() { printf '{"session":"%s","text":"%s"}\n' "$session" "$1"; }
tell "$prompt begun"
case "$prompt" in slow*) sleep 1.5 ;; esac
tell "$prompt done"
"#;

/// Claude Code where no session can be continued: `SCRIPTED` is the scripted agent.
const FORGETFUL: &str = r#"#!/bin/sh
case "$*" in
  *--resume*)
    echo '{"type":"result","subtype":"error_during_execution","is_error":true,"duration_ms":1,"num_turns":0,"session_id":"","errors":["No conversation found with session ID: gone"]}'
    exit 1 ;;
esac
exec SCRIPTED "$@"
"#;

fn put_program(data: &Path, name: &str, text: &str) -> PathBuf {
    let path = data.join(name);
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("executable");
    path
}

/// A server with the agent `own`.
fn taking_turns(data: &Path) -> Setup {
    let program = put_program(data, "own-agent", TURN);
    let custom = "{ output = \"json_lines\", resume_args = [\"--resume\", \"{session}\"], lines = { text = \"text\", session = \"session\" } }";
    surviving(Setup::scripted(data))
        .env("LEGWORK_AGENTS__OWN", format!("{{ program = {program:?}, custom = {custom} }}"))
}

async fn converse(client: &Client, prompt: &str, idle: u32) -> String {
    client.submit(&json!({ "agent": "own", "prompt": prompt, "sessionIdleTimeout": idle })).await
}

/// It was one attempt that succeeded, and each of these turns was told once, and its output kept once. Gives its events.
async fn took_turns(server: &Server, id: &str, turns: &[&str]) -> Vec<Value> {
    let execution = check_history(&server.client, id).await;
    assert_eq!((&execution["state"], &execution["attempt"]), (&json!("succeeded"), &json!(1)), "{execution:#}");
    let events = server.client.events(id).await;
    let told: Vec<String> = turns.iter().flat_map(|turn| [format!("{turn} begun"), format!("{turn} done")]).collect();
    assert_eq!(texts(&events), told, "{events:#?}");
    assert_eq!(of_kind(&events, "claimed").len(), 1);
    assert_eq!(of_kind(&events, "user_message").len(), turns.len() - 1, "{events:#?}");
    let output = server.client.get_text(&format!("/v1/executions/{id}/output")).await;
    let kept: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(kept.iter().map(|line| line["text"].as_str().unwrap_or_default()).collect::<Vec<_>>(), told, "{output}");
    events
}

#[tokio::test]
async fn each_turn_of_an_agent_that_ends_after_it_goes_on_without_its_server() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = taking_turns(data.path());
    let mut server = setup.start().await;
    let id = converse(&server.client, "first", 5).await;
    for (turn, message) in [(2, "slow second"), (3, "slow third")] {
        nth(&server.client, &id, "turn_ended", turn - 1).await;
        say(&server.client, &id, message).await;
        nth(&server.client, &id, "text", 2 * turn - 1).await;
        server.kill().await;
        server = setup.start().await;
    }
    nth(&server.client, &id, "turn_ended", 3).await;
    say(&server.client, &id, "fourth").await;
    let events = took_turns(&server, &id, &["first", "slow second", "slow third", "fourth"]).await;
    let turns: Vec<_> = of_kind(&events, "turn_ended").iter().map(|event| event["turn"].as_u64()).collect();
    assert_eq!(turns, [Some(1), Some(2), Some(3), Some(4)], "{events:#?}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_conversation_that_waits_without_a_process_waits_for_the_next_server_as_well() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = taking_turns(data.path());
    let mut server = setup.start().await;
    let id = converse(&server.client, "first", 5).await;
    for (turn, message) in [(2, "second"), (3, "third"), (4, "fourth")] {
        nth(&server.client, &id, "turn_ended", turn - 1).await;
        server.kill().await;
        server = setup.start().await;
        say(&server.client, &id, message).await;
    }
    took_turns(&server, &id, &["first", "second", "third", "fourth"]).await;
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn what_is_said_to_a_process_that_does_not_listen_any_more_is_told_to_the_next() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = taking_turns(data.path());
    let first = setup.start().await;
    let id = converse(&first.client, "slow first", 3).await;
    nth(&first.client, &id, "text", 1).await;
    first.kill().await;
    let second = setup.start().await;
    say(&second.client, &id, "slow second").await;
    nth(&second.client, &id, "text", 3).await;
    second.signal(Signal::TERM);
    assert_eq!(second.ended().await, Some(0));
    let third = setup.start().await;
    say(&third.client, &id, "third").await;
    took_turns(&third, &id, &["slow first", "slow second", "third"]).await;
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_run_that_began_another_session_goes_on_in_it() {
    let data = tempfile::tempdir().expect("a directory");
    let scripted = program("scripted-agent");
    let agent = put_program(data.path(), "forgetful", &FORGETFUL.replace("SCRIPTED", &scripted.to_string_lossy()));
    let setup = surviving(Setup { agent, ..Setup::scripted(data.path()) });
    let first = setup.start().await;
    let before = first.client.run(&json!({ "prompt": "text before" })).await;
    let job = json!({
        "prompt": "text one\nsleep 1s\ntext two", "resumeSession": before["sessionId"], "onSessionLost": "fresh",
    });
    let id = first.client.submit(&job).await;
    first.client.until_event(&id, "text").await;
    first.kill().await;
    let second = setup.start().await;
    let execution = check_history(&second.client, &id).await;
    assert_eq!((&execution["state"], &execution["attempt"]), (&json!("succeeded"), &json!(1)), "{execution:#}");
    let events = second.client.events(&id).await;
    assert_eq!(texts(&events), ["one", "two"], "{events:#?}");
    assert_eq!(of_kind(&events, "session_replaced").len(), 1, "{events:#?}");
    let output = second.client.get_text(&format!("/v1/executions/{id}/output")).await;
    assert_eq!(output.matches("No conversation found").count(), 1, "{output}");
    assert_eq!(output.matches(r#""type":"result""#).count(), 2, "both processes: {output}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn no_turn_is_lost_however_often_the_server_is_killed() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = taking_turns(data.path());
    let mut server = setup.start().await;
    let id = converse(&server.client, "turn 0", 5).await;
    let turns: Vec<String> = (0..20).map(|turn| format!("turn {turn}")).collect();
    for (turn, message) in turns.iter().enumerate().skip(1) {
        nth(&server.client, &id, "turn_ended", turn).await;
        say(&server.client, &id, message).await;
        // Before, while and after the next process is started.
        tokio::time::sleep(Duration::from_millis(turn as u64 * 7 % 41)).await;
        server.kill().await;
        server = setup.start().await;
    }
    took_turns(&server, &id, &turns.iter().map(String::as_str).collect::<Vec<_>>()).await;
    nothing_left(data.path()).await;
}
