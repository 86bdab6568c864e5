//! When the service can't do as it is asked, it says so, and when to come again.

use legwork_server::lifecycle::Stage;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{self, Connection};
use serde_json::json;

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_sends_callers_away() {
    let app = TestApp::with(|config, _| {
        config.queue.max_queued = 2;
        config.lanes.get_mut("default").expect("the lane").concurrency = 1;
    })
    .await;
    let running = app.running("gate").await;
    let waiting = [app.submit("hello").await, app.submit("hello").await];
    let refused = app.post("/v1/executions", &json!({ "prompt": "hello" })).await;
    insta::assert_snapshot!(refused.problem(), @"503 queue_full the queue is full; try again later");
    assert_eq!(refused.header("retry-after"), "5");
    app.cancel(&waiting[0]).await.expect(202);
    let accepted = app.submit("hello").await;
    app.agent.open_gate();
    for id in [&running, &waiting[1], &accepted] {
        assert_eq!(app.ended(id).await["state"], "succeeded");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_takes_nothing_new_and_finishes_what_runs() {
    let app = TestApp::start().await;
    let ended = app.run("hello").await;
    let running = app.running("gate").await;
    assert_eq!(app.get("/readyz").await.status, 200);
    app.service().app.phase.advance(Stage::Draining);

    let refused = app.post("/v1/executions", &json!({ "prompt": "hello" })).await;
    insta::assert_snapshot!(refused.problem(), @"503 shutting_down the server is shutting down; try again later");
    assert_eq!(refused.header("retry-after"), "10");
    let retry = app.call("POST", &format!("/v1/executions/{ended}/retry")).send().await;
    assert!(retry.problem().starts_with("503 shutting_down"), "{}", retry.problem());
    insta::assert_snapshot!(app.get("/readyz").await.problem(), @"503 shutting_down the server is shutting down");
    assert_eq!(app.get("/livez").await.status, 200);

    let mut stream = app.follow(&running, 0).await;
    app.agent.open_gate();
    assert_eq!(stream.until("finished").await.data["data"]["outcome"]["state"], "succeeded");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_not_installed_is_named_with_the_way_to_get_it() {
    for (program, expected) in [
        ("/nowhere/claude", "not there"),
        ("no-such-claude", "not on PATH"),
        ("/etc/hostname", "no permission"),
        ("/tmp", "a folder"),
    ] {
        let app = TestApp::with(|config, _| {
            config.agents.get_mut("claude-code").expect("settings").program = Some(program.into());
        })
        .await;
        let outcome = app.ended(&app.run("hello").await).await["outcome"].clone();
        assert_eq!((&outcome["state"], &outcome["reason"]), (&json!("failed"), &json!("spawn_failed")), "{expected}");
        let message = outcome["message"].as_str().expect("a message");
        if expected.starts_with("not ") {
            assert!(message.contains("npm install -g @anthropic-ai/claude-code"), "{message}");
        }
        assert!(message.contains(program), "{message}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_another_program_locks_the_database_nothing_is_accepted() {
    let app = TestApp::start().await;
    let before = app.run("hello").await;
    let options = SqliteConnectOptions::new().filename(app.database());
    let mut other = SqliteConnection::connect_with(&options).await.expect("connects");
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.expect("locks");

    let refused = app.post("/v1/executions", &json!({ "prompt": "hello" })).await;
    insta::assert_snapshot!(refused.problem(), @"503 database_unavailable the database can't be used right now; nothing was recorded");
    assert_eq!(refused.header("retry-after"), "2");
    assert_eq!(app.get(&format!("/v1/executions/{before}")).await.status, 200, "reads go on");

    sqlx::query("ROLLBACK").execute(&mut other).await.expect("unlocks");
    assert_eq!(app.get("/v1/executions").await.json()["executions"].as_array().map(Vec::len), Some(1));
    app.run("hello").await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_survives_a_database_that_is_locked_for_a_while() {
    let app = TestApp::start().await;
    let id = app.running("gate").await;
    let options = SqliteConnectOptions::new().filename(app.database());
    let mut other = SqliteConnection::connect_with(&options).await.expect("connects");
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.expect("locks");
    app.agent.open_gate();
    // The agent ends and what it said can't be recorded: this write is refused no earlier than that one.
    let refused = app.post("/v1/executions", &json!({ "prompt": "hello" })).await;
    assert_eq!(refused.status, 503);
    sqlx::query("ROLLBACK").execute(&mut other).await.expect("unlocks");
    assert_eq!(app.ended(&id).await["state"], "succeeded");
    let kinds: Vec<_> = app.follow(&id, 0).await.rest().await.into_iter().map(|frame| frame.event).collect();
    assert_eq!(kinds[4..], ["text", "text", "usage", "turn_ended", "finished"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_never_takes_does_not_keep_a_run_from_ending() {
    let app = TestApp::start().await;
    let id = app.running("gate").await;
    let options = SqliteConnectOptions::new().filename(app.database());
    let mut other = SqliteConnection::connect_with(&options).await.expect("connects");
    let trigger = "CREATE TRIGGER picky BEFORE INSERT ON events WHEN NEW.kind = 'turn_ended'
                   BEGIN SELECT RAISE(ABORT, 'not this'); END";
    sqlx::query(trigger).execute(&mut other).await.expect("a trigger");
    app.agent.open_gate();
    let outcome = app.ended(&id).await["outcome"].clone();
    assert_eq!((&outcome["state"], &outcome["reason"]), (&json!("failed"), &json!("internal")), "{outcome}");
    let kinds: Vec<_> = app.follow(&id, 0).await.rest().await.into_iter().map(|frame| frame.event).collect();
    assert_eq!(kinds.last().map(String::as_str), Some("finished"));
    assert!(!kinds.iter().any(|kind| kind == "turn_ended"), "{kinds:?}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_waited_for_is_the_one_on_record() {
    let app = TestApp::start().await;
    let call = app.call("POST", "/v1/executions").json(&json!({ "prompt": "hello", "metadata": { "a": 1 } }));
    let waited = call.header("prefer", "wait=25").send().await.expect(200).json();
    let id = waited["id"].as_str().expect("an id");
    assert_eq!(waited, app.get(&format!("/v1/executions/{id}")).await.expect(200).json());
    app.finish().await;
}
