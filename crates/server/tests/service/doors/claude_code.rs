//! `POST /claude-code`

use std::fmt::Write;

use futures::StreamExt;
use serde_json::{Value, json};

use super::{app, malformed, shown};
use crate::app::TestApp;
use crate::http::within;

/// Lines as they come.
struct Lines {
    body: axum::body::BodyDataStream,
    read: String,
}

impl Lines {
    async fn ask(app: &TestApp, body: &Value) -> Self {
        let response = app.call("POST", "/claude-code").json(body).open().await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        Self { body: response.into_body().into_data_stream(), read: String::new() }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((line, rest)) = self.read.split_once('\n') {
                let line = serde_json::from_str(line).expect("JSON");
                self.read = rest.to_owned();
                return Some(line);
            }
            let chunk = within("a line", self.body.next()).await?;
            self.read.push_str(std::str::from_utf8(&chunk.expect("a chunk")).expect("UTF-8"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_comes_when_it_happens() {
    let app = app().await;
    let mut lines = Lines::ask(&app, &json!({ "prompt": "gate", "unknown": true })).await;
    assert_eq!(lines.next().await, Some(json!({ "type": "assistant", "content": "before" })));
    // The agent waits, and has said nothing more.
    app.agent.open_gate();
    assert_eq!(lines.next().await, Some(json!({ "type": "assistant", "content": "after" })));
    let last = lines.next().await.expect("a result");
    assert_eq!((&last["type"], &last["result"]), (&json!("result"), &json!("done")));
    assert!(last["sessionId"].is_string(), "{last}");
    assert_eq!(lines.next().await, None);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_ends_with_its_client() {
    let app = app().await;
    let mut lines = Lines::ask(&app, &json!({ "prompt": "hang" })).await;
    assert_eq!(lines.next().await, Some(json!({ "type": "assistant", "content": "waiting" })));
    drop(lines);
    let newest = app.get("/v1/executions").await.expect(200).json();
    let ended = app.ended(newest["executions"][0]["id"].as_str().expect("an id")).await;
    assert_eq!(ended["outcome"]["message"], "Cancelled: its client went away.", "{ended}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_has_its_messages_where_they_are_wanted() {
    let app = app().await;
    let ask = async |body: Value| app.post("/claude-code", &body).await.expect(200).json();
    let brief = ask(json!({ "prompt": "hello", "stream": false })).await;
    assert_eq!((&brief["type"], &brief["result"], brief.get("messages")), (&json!("result"), &json!("done"), None));
    let verbose = ask(json!({ "prompt": "hello", "stream": false, "verbose": true })).await;
    assert_eq!(verbose["messages"], json!([{ "type": "assistant", "content": "hello" }]));

    let next = ask(json!({ "prompt": "hello", "stream": false, "sessionId": brief["sessionId"] })).await;
    assert_eq!(next["sessionId"], brief["sessionId"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_leaves_open_comes_from_the_settings() {
    let app = TestApp::with(|config, _| {
        let door = &mut config.doors.claude_code;
        (door.prompt, door.model) = (Some("hello".into()), Some("openrouter/qwen/qwen3-coder".into()));
        (door.stream, door.verbose, door.max_turns) = (false, true, 7);
    })
    .await;
    let answer = app.post("/claude-code", &json!({})).await.expect(200).json();
    assert!(answer["messages"].is_array(), "{answer}");
    let newest = app.get("/v1/executions").await.expect(200).json()["executions"][0].clone();
    assert_eq!((&newest["model"], &newest["limits"]["maxTurns"]), (&json!("openrouter/qwen/qwen3-coder"), &json!(7)));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_is_told_as_an_error() {
    let app = app().await;
    let mut lines = Lines::ask(&app, &json!({ "prompt": "fail" })).await;
    let last = lines.next().await.expect("a line");
    assert_eq!((&last["type"], &last["error"]), (&json!("error"), &json!("agent_error")), "{last}");
    let whole = app.post("/claude-code", &json!({ "prompt": "silent", "stream": false })).await.expect(502).json();
    assert_eq!((&whole["type"], &whole["error"]), (&json!("error"), &json!("incomplete_output")), "{whole}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests() {
    let app = app().await;
    let mut table = String::new();
    let post = |body: String| app.call("POST", "/claude-code").header("content-type", "application/json").body(body);
    for (what, body) in malformed() {
        let _ = writeln!(table, "{what}\n    {}", shown(&app, &post(body).send().await));
    }
    for (field, value) in [
        ("stream", json!("yes")),
        ("verbose", json!(1)),
        ("maxTurns", json!(0)),
        ("maxTurns", json!(-1)),
        ("maxTurns", json!("3")),
        ("model", json!("--help")),
        ("model", json!("")),
        ("sessionId", json!("../../etc")),
        ("additionalArgs", json!("--verbose")),
        ("additionalArgs", json!([1])),
        ("additionalArgs", json!(["--settings={}"])),
        ("additionalArgs", json!(["--dangerously-skip-permissions"])),
        ("additionalArgs", json!(["--add-dir", "/"])),
    ] {
        let body = json!({ "prompt": "hello", field: value });
        let _ = writeln!(table, "{field} = {value}\n    {}", shown(&app, &post(body.to_string()).send().await));
    }
    insta::assert_snapshot!(table);
    assert_eq!(app.get("/v1/executions").await.expect(200).json(), json!({ "executions": [] }));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_effect_is_shown_without_secrets_to_who_runs_the_server() {
    let app = app().await;
    let (reader, admin) = (app.key("reader", "read", None).await, app.key("operator", "admin", None).await);
    let get = |path: &str, key: &str| app.call("GET", path).header("authorization", format!("Bearer {key}"));
    let debug = get("/debug", &admin).send().await.expect(200);
    assert!(!debug.text().contains("a secret of the tests"), "{}", debug.text());
    let debug = debug.json();
    assert_eq!(debug["config"]["doors"]["execute"]["secret"], "***");
    assert!(debug["agents"]["claude-code"].is_object() && debug["version"].is_string(), "{debug}");
    get("/debug", &reader).send().await.expect(403);
    get("/health?deep=1", &reader).send().await.expect(403);
    get("/health?deep=1", &admin).send().await.expect(200);
    let home = app.call("GET", "/").header("accept", "application/json").send().await.expect(200).json();
    assert_eq!((&home["status"], &home["service"]), (&json!("ok"), &json!("legwork")));
    app.finish().await;
}
