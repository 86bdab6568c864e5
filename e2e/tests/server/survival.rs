//! Runs that outlive their server.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::agents;
use super::claude::rehearsing;
use super::cli::Terminal;
use super::conversations::{nth, of_kind, say, send};
use super::lab::{Server, Setup, check_history, nothing_left};
use super::tool_uses::tool_uses;

pub(crate) fn surviving(setup: Setup) -> Setup {
    setup.env("LEGWORK_RUNS__DETACH", "true").env("LEGWORK_SHUTDOWN__DRAIN_SECONDS", "0")
}

fn scripted(data: &Path) -> Setup {
    surviving(Setup::scripted(data))
}

pub(crate) fn texts(events: &[Value]) -> Vec<&str> {
    of_kind(events, "text").into_iter().filter_map(|event| event["data"]["text"].as_str()).collect()
}

/// It was one attempt, and each thing was told once.
async fn went_on(server: &Server, id: &str, expected: &[&str]) {
    let execution = check_history(&server.client, id).await;
    assert_eq!((&execution["state"], &execution["attempt"]), (&json!("succeeded"), &json!(1)), "{execution:#}");
    let events = server.client.events(id).await;
    assert_eq!(texts(&events), expected, "{events:#?}");
    assert_eq!(of_kind(&events, "claimed").len(), 1);
}

#[tokio::test]
async fn the_runs_of_a_killed_server_go_on_and_nobody_notices() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = scripted(data.path());
    let first = setup.start().await;
    let id =
        first.client.submit(&json!({ "prompt": "stderr hm\ntext one\nwrite a.txt changed\nsleep 1s\ntext two" })).await;
    first.client.until_event(&id, "text").await;
    first.kill().await;
    let second = setup.start().await;
    went_on(&second, &id, &["one", "two"]).await;
    let events = second.client.events(&id).await;
    assert_eq!(of_kind(&events, "stderr").len(), 1, "{events:#?}");
    let patch = second.client.get_text(&format!("/v1/executions/{id}/patch")).await;
    assert!(patch.contains("+changed"), "{patch}");
    let output = second.client.get_text(&format!("/v1/executions/{id}/output")).await;
    assert!(output.contains("one") && output.contains("two"), "the output is whole: {output}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_run_that_is_taken_up_keeps_its_secrets_and_tells_none() {
    let secret = "one-that-nobody-may-see-0123456789";
    let terminal = Terminal::new().with("LEGWORK_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let data = terminal.data_dir();
    assert_eq!(terminal.tell(secret, &["secret", "set", "TOKEN"]).await.code, Some(0));
    let setup = scripted(&data)
        .env("LEGWORK_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
        .env("LEGWORK_SECRET_STORE__IN_REQUESTS", "[\"TOKEN\"]");
    let first = setup.start().await;
    // The agent finds the secret in its environment before and after, and says so.
    let look = format!(r#"run test "$TOKEN" = {secret} && echo mine: "$TOKEN""#);
    let prompt = format!("text one\n{look}\nsleep 1s\n{look}\ntext two");
    let id = first.client.submit(&json!({ "prompt": prompt, "env": { "TOKEN": "${TOKEN}" } })).await;
    first.client.until_event(&id, "text").await;
    first.kill().await;
    let second = setup.start().await;
    went_on(&second, &id, &["one", "mine: ***\n", "mine: ***\n", "two"]).await;
    let told = serde_json::to_string(&second.client.events(&id).await).expect("JSON");
    let output = second.client.get_text(&format!("/v1/executions/{id}/output")).await;
    assert!(!told.contains(secret) && !output.contains(secret), "{told}\n{output}");
    nothing_left(&data).await;
}

#[tokio::test]
async fn a_server_that_is_replaced_leaves_its_runs_to_the_next() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = scripted(data.path());
    let first = setup.start().await;
    let id = first.client.submit(&json!({ "prompt": "text one\nsleep 1s\ntext two" })).await;
    first.client.until_event(&id, "text").await;
    first.signal(Signal::TERM);
    assert_eq!(first.ended().await, Some(0));
    let second = setup.start().await;
    went_on(&second, &id, &["one", "two"]).await;
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn whoever_interrupts_a_server_ends_its_runs() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = scripted(data.path());
    let first = setup.start().await;
    let id = first.client.submit(&json!({ "prompt": "text one\nspawn detached stubborn m\nhang" })).await;
    first.client.until_event(&id, "text").await;
    first.signal(Signal::INT);
    assert_eq!(first.ended().await, Some(0));
    nothing_left(data.path()).await;
    let second = setup.start().await;
    assert_eq!(check_history(&second.client, &id).await["outcome"]["reason"], "lost");
}

#[tokio::test]
async fn a_run_that_is_taken_up_can_be_cancelled() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = scripted(data.path());
    let first = setup.start().await;
    let id = first.client.submit(&json!({ "prompt": "text one\nspawn detached sleeper m\nhang" })).await;
    first.client.until_event(&id, "text").await;
    first.kill().await;
    let second = setup.start().await;
    assert_eq!(second.client.post(&format!("/v1/executions/{id}/cancel")).await, 202);
    assert_eq!(check_history(&second.client, &id).await["state"], "cancelled");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn no_run_is_lost_however_often_its_server_is_killed() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = scripted(data.path());
    let mut accepted = Vec::new();
    let first = setup.start().await;
    let long = "text one\nsleep 5s\ntext two";
    let through = first.client.submit(&json!({ "prompt": long })).await;
    first.client.until_event(&through, "text").await;
    first.kill().await;
    for round in 0..20_u64 {
        let server = setup.start().await;
        for script in ["text begun\nsleep 300ms\ntext done", "text quick", "silent\nsleep 200ms\ntext done"] {
            accepted.extend(server.client.try_submit(&json!({ "prompt": script })).await);
        }
        tokio::time::sleep(Duration::from_millis(round * 7 % 20 * 10)).await;
        server.kill().await;
    }
    let server = setup.start().await;
    assert!(accepted.len() > 50, "only {} jobs were accepted", accepted.len());
    for id in &accepted {
        let execution = check_history(&server.client, id).await;
        assert_eq!(execution["state"], "succeeded", "{execution:#}");
    }
    went_on(&server, &through, &["one", "two"]).await;
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_conversation_with_the_real_agent_goes_on() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let setup = surviving(setup);
    let first = setup.start().await;
    let job = json!({ "prompt": "[[write: a.txt | 1]] [[say: first]]", "sessionIdleTimeout": 20 });
    let id = first.client.submit(&job).await;
    nth(&first.client, &id, "turn_ended", 1).await;
    first.kill().await;
    three_turns(&setup, &id, "[[read: a.txt]] [[say: second]]").await;
}

/// Goes on with a conversation in its first turn, or after it, over two servers of which one is killed. Gives a third one, to which
/// it was left.
async fn three_turns(setup: &Setup, id: &str, second_turn: &str) -> Server {
    let second = setup.start().await;
    nth(&second.client, id, "turn_ended", 1).await;
    say(&second.client, id, second_turn).await;
    let ended = nth(&second.client, id, "turn_ended", 2).await;
    assert_eq!(ended["turn"], json!(2), "{ended}");
    second.kill().await;
    let third = setup.start().await;
    say(&third.client, id, "[[say: third]]").await;
    nth(&third.client, id, "turn_ended", 3).await;
    third.signal(Signal::TERM);
    assert_eq!(third.ended().await, Some(0));
    let last = setup.start().await;
    went_on(&last, id, &["first", "second", "third"]).await;
    last
}

async fn goes_on_as_well(agent: &str) {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = agents::rehearsing(data.path()) else { return };
    let setup = surviving(setup);
    let first = setup.start().await;
    let job = json!({
        "agent": agent, "prompt": "[[bash: sleep 2; echo a > a.txt]] [[say: first]]", "sessionIdleTimeout": 30,
        "permissions": { "default": "allow" }, "limits": { "timeoutSeconds": 60 },
    });
    let id = first.client.submit(&job).await;
    nth(&first.client, &id, "tool_call", 1).await;
    first.kill().await;
    let last = three_turns(&setup, &id, "[[say: second]]").await;
    let patch = last.client.get_text(&format!("/v1/executions/{id}/patch")).await;
    assert!(patch.contains("+a"), "{patch}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_conversation_with_codex_goes_on() {
    goes_on_as_well("codex").await;
}

#[tokio::test]
async fn a_conversation_with_gemini_goes_on() {
    goes_on_as_well("gemini").await;
}

#[tokio::test]
async fn a_conversation_with_copilot_goes_on() {
    goes_on_as_well("copilot").await;
}

#[tokio::test]
async fn a_conversation_with_opencode_goes_on() {
    goes_on_as_well("opencode").await;
}

#[tokio::test]
async fn what_the_agent_asked_before_can_be_decided_after() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let setup = surviving(setup);
    let first = setup.start().await;
    let job = json!({
        "prompt": "[[bash: echo a > a.txt]] [[read: a.txt]] [[say: done]]",
        "permissions": { "rules": [{ "action": "allow", "risk": "read" }], "default": "ask" },
    });
    let id = first.client.submit(&job).await;
    let asked = nth(&first.client, &id, "permission_request", 1).await;
    first.kill().await;
    let second = setup.start().await;
    let path = format!("/v1/approvals/{}", asked["data"]["id"].as_str().expect("an id"));
    let shown: Value = serde_json::from_str(&second.client.get_text(&path).await).expect("JSON");
    assert_eq!(shown["state"], "pending");
    let yes = json!({ "decision": "allow", "digest": shown["digest"] });
    let (status, decided) = send(&second.client, &path, &yes).await;
    assert_eq!(status, 200, "{decided:#}");
    let execution = check_history(&second.client, &id).await;
    assert_eq!(execution["outcome"]["result"], "done", "{execution:#}");
    let events = second.client.events(&id).await;
    assert_eq!(of_kind(&events, "permission_request").len(), 1, "{events:#?}");
    assert_eq!(tool_uses(&second.client, &id).await, ["Bash allowed local", "Read allowed policy"]);
}

#[tokio::test]
async fn a_job_that_a_waiting_agent_does_goes_on_as_well() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let setup = surviving(setup).env("LEGWORK_WARM__MOST", "1");
    let first = setup.start().await;
    first.client.run(&json!({ "prompt": "[[say: warmed up]]" })).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !first.client.get_text("/metrics").await.contains("legwork_warm_processes 1") {
        assert!(Instant::now() < deadline, "nothing waits");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let id = first.client.submit(&json!({ "prompt": "[[say: one]] [[bash: sleep 1]] [[say: two]]" })).await;
    nth(&first.client, &id, "text", 1).await;
    let hits = first.client.get_text("/metrics").await;
    assert!(hits.contains(r#"legwork_warm_starts_total{outcome="hit"} 1"#), "{hits}");
    first.kill().await;
    let second = setup.start().await;
    let execution = check_history(&second.client, &id).await;
    assert_eq!((&execution["state"], &execution["attempt"]), (&json!("succeeded"), &json!(1)), "{execution:#}");
}
