//! Conversations: further messages, interruptions, sessions, and questions that people decide.

use std::time::Duration;

use reqwest::StatusCode;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::claude::rehearsing;
use super::lab::{Client, Setup, check_history, nothing_left};

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a body; gives status and answer.
pub(crate) async fn send(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    let answer = client.request("POST", path).json(body).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

pub(crate) async fn say(client: &Client, id: &str, message: &str) -> String {
    let (status, answer) = send(client, &format!("/v1/executions/{id}/messages"), &json!({ "message": message })).await;
    assert_eq!(status, 202, "{answer:#}");
    answer["id"].as_str().expect("an id").to_owned()
}

/// Waits for the `count`-th event of a kind, and gives it.
pub(crate) async fn nth(client: &Client, id: &str, kind: &str, count: usize) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let events = so_far(client, id).await;
        if let Some(event) = events.iter().filter(|event| event["kind"] == kind).nth(count - 1) {
            return event.clone();
        }
        assert!(Instant::now() < deadline, "no {count}. {kind} in {events:#?}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn so_far(client: &Client, id: &str) -> Vec<Value> {
    let page = client.get_text(&format!("/v1/executions/{id}/events?limit=1000")).await;
    let page: Value = serde_json::from_str(&page).expect("JSON");
    page["events"].as_array().expect("events").clone()
}

pub(crate) fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["kind"] == kind).collect()
}

#[tokio::test]
async fn the_real_agent_stays_for_further_messages_and_can_be_interrupted() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let server = setup.start().await;
    let client = &server.client;
    let job = json!({ "prompt": "[[write: a.txt | 1]] [[say: first]]", "sessionIdleTimeout": 4 });
    let id = client.submit(&job).await;
    nth(client, &id, "turn_ended", 1).await;
    assert_eq!(say(client, &id, "[[read: a.txt]] [[say: second]]").await, id);
    nth(client, &id, "turn_ended", 2).await;
    say(client, &id, "[[slow: 60s]]").await;
    nth(client, &id, "started", 3).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(client.post(&format!("/v1/executions/{id}/interrupt")).await, StatusCode::ACCEPTED);
    nth(client, &id, "turn_ended", 3).await;
    say(client, &id, "[[say: last]]").await;
    let execution = check_history(client, &id).await;
    assert_eq!((&execution["state"], &execution["outcome"]["result"]), (&json!("succeeded"), &json!("last")));

    let events = client.events(&id).await;
    let turns: Vec<_> = of_kind(&events, "turn_ended").iter().map(|event| event["turn"].as_u64()).collect();
    assert_eq!(turns, [Some(1), Some(2), Some(3), Some(4)], "{events:#?}");
    let read = of_kind(&events, "tool_result").into_iter().find(|event| event["turn"] == 2).expect("it read");
    assert!(read["data"]["output"].as_str().is_some_and(|output| output.contains('1')), "{read}");
    let sessions: std::collections::BTreeSet<_> =
        of_kind(&events, "started").iter().map(|event| event["data"]["sessionId"].as_str()).collect();
    assert_eq!(sessions.len(), 1, "one session: {sessions:?}");
    assert!(execution["outcome"]["usage"]["inputTokens"].as_u64() > Some(0));
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_session_without_anything_to_do_costs_no_slot() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("LEGWORK_LANES__DEFAULT__CONCURRENCY", "1").start().await;
    let client = &server.client;
    let id = client.submit(&json!({ "prompt": "text first", "sessionIdleTimeout": 60 })).await;
    nth(client, &id, "turn_ended", 1).await;
    let other = client.run(&json!({ "prompt": "text other" })).await;
    assert_eq!(other["state"], "succeeded", "{other:#}");

    // While another one has the slot, a message waits.
    let long = client.submit(&json!({ "prompt": "sleep 1s\ntext long" })).await;
    client.until_event(&long, "started").await;
    say(client, &id, "text second").await;
    let told = nth(client, &id, "user_message", 1).await;
    let done = client.finished(&long).await;
    assert!(told["at"].as_str() >= done["finishedAt"].as_str(), "{told} before {done:#}");
    nth(client, &id, "turn_ended", 2).await;
    assert_eq!(client.post(&format!("/v1/executions/{id}/cancel")).await, StatusCode::ACCEPTED);
    assert_eq!(check_history(client, &id).await["state"], "cancelled");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_message_reaches_a_run_of_one_turn_and_continues_one_that_has_ended() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let client = &server.client;
    let id = client.submit(&json!({ "prompt": "sleep 700ms\ntext first" })).await;
    client.until_event(&id, "started").await;
    assert_eq!(say(client, &id, "text second").await, id);
    let execution = check_history(client, &id).await;
    assert_eq!(execution["outcome"]["result"], "second", "{execution:#}");
    let messages = of_kind(&client.events(&id).await, "user_message").len();
    assert_eq!(messages, 1);

    let next = say(client, &id, "text third").await;
    assert_ne!(next, id);
    let next = check_history(client, &next).await;
    assert_eq!((&next["outcome"]["result"], &next["resumeSession"]), (&json!("third"), &execution["sessionId"]));

    let nothing = client.run(&json!({ "prompt": "silent\nexit 3" })).await;
    let id = nothing["id"].as_str().expect("an id");
    let (status, problem) = send(client, &format!("/v1/executions/{id}/messages"), &json!({ "message": "hi" })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("no_session")), "{problem:#}");
    let (status, problem) = send(client, &format!("/v1/executions/{id}/interrupt"), &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("already_finished")), "{problem:#}");
    for (body, code) in [
        (json!({}), "invalid_field"),
        (json!({ "message": " " }), "prompt_empty"),
        (json!({ "message": "a", "b": 1 }), "unknown_field"),
    ] {
        let (status, problem) = send(client, &format!("/v1/executions/{id}/messages"), &body).await;
        assert_eq!((status, &problem["code"]), (422, &json!(code)), "{problem:#}");
    }
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn another_session_than_the_one_to_continue_is_noticed() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let client = &server.client;
    let first = client.run(&json!({ "prompt": "text first" })).await;
    let session = first["sessionId"].as_str().expect("a session").to_owned();
    let lost = client.run(&json!({ "prompt": "session other\ntext hi", "resumeSession": session })).await;
    assert_eq!(lost["outcome"]["reason"], "session_lost", "{lost:#}");
    let fresh = json!({ "prompt": "session other\ntext hi", "resumeSession": session, "onSessionLost": "fresh" });
    let fresh = client.run(&fresh).await;
    assert_eq!(fresh["state"], "succeeded", "{fresh:#}");
    let events = client.events(fresh["id"].as_str().expect("an id")).await;
    let replaced = of_kind(&events, "session_replaced");
    assert_eq!(replaced.len(), 1, "{events:#?}");
    assert_eq!(replaced[0]["data"]["lostSessionId"], session);
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn the_real_agent_forks_a_session_finds_it_again_and_begins_anew_where_it_is_gone() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let server = setup.start().await;
    let client = &server.client;
    let first = client.run(&json!({ "prompt": "[[say: first]]" })).await;
    let session = first["sessionId"].as_str().expect("a session").to_owned();
    let fork = client.run(&json!({ "prompt": "[[say: forked]]", "resumeSession": session, "forkSession": true })).await;
    assert_eq!((&fork["state"], &fork["outcome"]["result"]), (&json!("succeeded"), &json!("forked")), "{fork:#}");
    assert_ne!(fork["sessionId"], session);

    // Its files are gone.
    let home = data.path().join("runs").join(first["id"].as_str().expect("an id"));
    let files = home.join(".claude/projects");
    std::fs::remove_dir_all(&files).expect("removed");
    let again = client.run(&json!({ "prompt": "[[say: again]]", "resumeSession": session })).await;
    assert_eq!((&again["state"], &again["sessionId"]), (&json!("succeeded"), &json!(session)), "{again:#}");

    // Nobody has them any more.
    std::fs::remove_dir_all(&files).expect("removed");
    let database = format!("sqlite://{}", data.path().join("legwork.db").display());
    let database = sea_orm::Database::connect(&database).await.expect("the database");
    database.execute_unprepared("DELETE FROM sessions").await.expect("deleted");
    let gone = client.run(&json!({ "prompt": "[[say: again]]", "resumeSession": session })).await;
    assert_eq!(gone["outcome"]["reason"], "session_not_found", "{gone:#}");
    let job = json!({ "prompt": "[[say: again]]", "resumeSession": session, "onSessionLost": "fresh" });
    let fresh = client.run(&job).await;
    assert_eq!((&fresh["state"], &fresh["outcome"]["result"]), (&json!("succeeded"), &json!("again")), "{fresh:#}");
    let events = client.events(fresh["id"].as_str().expect("an id")).await;
    assert_eq!(of_kind(&events, "session_replaced").len(), 1, "{events:#?}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn people_decide_what_the_real_agent_may_do() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let server = setup.start().await;
    let client = &server.client;
    let job = json!({
        "prompt": "[[bash: echo a > a.txt]] [[bash: echo b > b.txt]] [[bash: curl -V]] [[read: a.txt]] [[write: c.txt | c]] [[say: done]]",
        "permissions": {
            "rules": [
                { "action": "allow", "risk": "read" },
                { "action": "deny", "risk": "network" },
                { "action": "allow", "tool": "Write", "pattern": "*/c.txt" },
            ],
            "default": "ask",
        },
    });
    let id = client.submit(&job).await;
    let asked = nth(client, &id, "permission_request", 1).await;
    let approval = asked["data"]["id"].as_str().expect("an id").to_owned();
    assert_eq!((&asked["data"]["tool"], &asked["data"]["risk"]), (&json!("Bash"), &json!("execute")), "{asked}");
    let shown: Value =
        serde_json::from_str(&client.get_text(&format!("/v1/approvals/{approval}")).await).expect("JSON");
    assert_eq!((&shown["state"], &shown["input"]["command"]), (&json!("pending"), &json!("echo a > a.txt")));

    let path = format!("/v1/approvals/{approval}");
    let (status, problem) = send(client, &path, &json!({ "decision": "allow", "digest": "00" })).await;
    assert_eq!((status, &problem["code"]), (422, &json!("wrong_digest")), "{problem:#}");
    let yes = json!({ "decision": "allow", "digest": shown["digest"] });
    let (status, decided) = send(client, &path, &yes).await;
    assert_eq!((status, &decided["state"]), (200, &json!("allowed")), "{decided:#}");
    let (status, problem) = send(client, &path, &yes).await;
    assert_eq!((status, &problem["code"]), (409, &json!("already_decided")), "{problem:#}");

    let asked = nth(client, &id, "permission_request", 2).await;
    let path = format!("/v1/approvals/{}", asked["data"]["id"].as_str().expect("an id"));
    let shown: Value = serde_json::from_str(&client.get_text(&path).await).expect("JSON");
    let no = json!({ "decision": "deny", "digest": shown["digest"], "reason": "Not that file." });
    assert_eq!(send(client, &path, &no).await.0, 200);

    let execution = check_history(client, &id).await;
    assert_eq!(
        (&execution["state"], &execution["outcome"]["result"]),
        (&json!("succeeded"), &json!("done")),
        "{execution:#}"
    );
    let work = data.path().join("runs").join(&id).join("work");
    let there: Vec<_> = ["a.txt", "b.txt", "c.txt"].into_iter().filter(|file| work.join(file).exists()).collect();
    assert_eq!(there, ["a.txt", "c.txt"]);
    let events = client.events(&id).await;
    let decisions: Vec<_> = of_kind(&events, "permission_decision")
        .iter()
        .map(|event| {
            let data = &event["data"];
            format!(
                "{} {} {}",
                data["tool"].as_str().unwrap_or("?"),
                data["allowed"],
                data["by"].as_str().unwrap_or("?")
            )
        })
        .collect();
    assert_eq!(
        decisions,
        ["Bash true local", "Bash false local", "Bash false policy", "Read true policy", "Write true policy"]
    );
    let refused = of_kind(&events, "tool_result").into_iter().find(|event| event["data"]["isError"] == true);
    assert!(
        refused
            .is_some_and(|event| event["data"]["output"].as_str().is_some_and(|text| text.contains("Not that file.")))
    );
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn what_nobody_decides_is_refused() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let server = setup.start().await;
    let client = &server.client;
    let job = json!({ "prompt": "[[bash: echo a > a.txt]] [[say: done]]", "permissions": { "timeoutSeconds": 1 } });
    let execution = client.run(&job).await;
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    let id = execution["id"].as_str().expect("an id");
    let events = client.events(id).await;
    let decided = of_kind(&events, "permission_decision");
    assert_eq!((decided.len(), &decided[0]["data"]["by"]), (1, &json!("timeout")), "{events:#?}");
    assert!(!data.path().join("runs").join(id).join("work/a.txt").exists());
    let listed = client.get_text(&format!("/v1/approvals?executionId={id}&state=expired")).await;
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let approval = &listed["approvals"][0];
    let path = format!("/v1/approvals/{}", approval["id"].as_str().expect("an approval"));
    let late = json!({ "decision": "allow", "digest": approval["digest"] });
    let (status, problem) = send(client, &path, &late).await;
    assert_eq!((status, &problem["code"]), (409, &json!("already_decided")), "{problem:#}");
    assert_eq!(client.status("/v1/approvals/apr_none").await, Some(StatusCode::NOT_FOUND));
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_message_sent_twice_is_given_once_and_the_end_of_the_server_ends_what_waits() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let client = &server.client;
    let id = client.submit(&json!({ "prompt": "text first", "sessionIdleTimeout": 600 })).await;
    nth(client, &id, "turn_ended", 1).await;
    for _ in 0..3 {
        let message = client.request("POST", &format!("/v1/executions/{id}/messages"));
        let message = message.header("idempotency-key", "once").json(&json!({ "message": "text second" }));
        assert_eq!(message.send().await.expect("an answer").status(), StatusCode::ACCEPTED);
    }
    nth(client, &id, "turn_ended", 2).await;
    assert_eq!(of_kind(&so_far(client, &id).await, "user_message").len(), 1);

    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
    let again = Setup::scripted(data.path()).start().await;
    let execution = check_history(&again.client, &id).await;
    assert_eq!(
        (&execution["state"], &execution["outcome"]["result"]),
        (&json!("succeeded"), &json!("second")),
        "{execution:#}"
    );
    nothing_left(data.path()).await;
}

/// An agent of the operator's own that ends after each turn: what it is told next, its next process is told.
const OWN: &str = r#"#!/bin/sh
prompt="$(cat)"
session="${2:-s-$$}"
printf '{"session":"%s","text":"%s","resumed":"%s"}\n' "$session" "$prompt" "$2"
"#;

#[tokio::test]
async fn an_agent_that_ends_after_each_turn_is_started_again_for_the_next() {
    let data = tempfile::tempdir().expect("a directory");
    let program = data.path().join("own-agent");
    std::fs::write(&program, OWN).expect("written");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
    let custom = "{ output = \"json_lines\", resume_args = [\"--resume\", \"{session}\"], lines = { text = \"text\", session = \"session\" } }";
    let server = Setup::scripted(data.path())
        .env("LEGWORK_AGENTS__OWN", format!("{{ program = {program:?}, custom = {custom} }}"))
        .start()
        .await;
    let client = &server.client;
    let id = client.submit(&json!({ "agent": "own", "prompt": "first", "sessionIdleTimeout": 3 })).await;
    nth(client, &id, "turn_ended", 1).await;
    assert_eq!(say(client, &id, "second").await, id);
    nth(client, &id, "turn_ended", 2).await;
    let execution = check_history(client, &id).await;
    assert_eq!(
        (&execution["state"], &execution["outcome"]["result"]),
        (&json!("succeeded"), &json!("second")),
        "{execution:#}"
    );
    let output = client.get_text(&format!("/v1/executions/{id}/output")).await;
    let session = execution["sessionId"].as_str().expect("a session");
    assert_eq!(output.lines().count(), 2, "both processes: {output}");
    assert!(output.contains(&format!(r#""resumed":"{session}""#)), "{output}");

    let id = client.submit(&json!({ "agent": "own", "prompt": "first", "sessionIdleTimeout": 60 })).await;
    nth(client, &id, "turn_ended", 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(client.post(&format!("/v1/executions/{id}/cancel")).await, StatusCode::ACCEPTED);
    assert_eq!(check_history(client, &id).await["state"], "cancelled");
    let interrupt = send(client, &format!("/v1/executions/{id}/interrupt"), &json!({})).await;
    assert_eq!((interrupt.0, &interrupt.1["code"]), (409, &json!("not_offered")), "{interrupt:?}");
    nothing_left(data.path()).await;
}
