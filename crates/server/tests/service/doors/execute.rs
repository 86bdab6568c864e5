//! `POST /execute`

use std::fmt::Write;

use legwork_server::config::Secret;
use serde_json::{Value, json};

use super::{SECRET, app, execute, execute_at, malformed, shown, sign};
use crate::app::{NOW, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_call_is_answered_as_the_cli_would() {
    let app = app().await;
    let project = app.folder().join("root/project");
    let body = json!({ "prompt": "write", "args": ["-p", "--model", "opus"], "cwd": project, "timeout": 5_500 });
    let answer = execute(&app, &body.to_string()).send().await.expect(200).json();
    assert_eq!((&answer["success"], &answer["result"]["output"]), (&json!(true), &json!("done")), "{answer}");
    assert!(answer["result"]["duration"].is_u64() && answer["executionTime"].is_u64(), "{answer}");
    assert!(project.join("new.txt").exists(), "it worked where it was told to");
    let id = answer["executionId"].as_str().expect("an id");
    let execution = app.get(&format!("/v1/executions/{id}")).await.expect(200).json();
    assert_eq!((&execution["model"], &execution["limits"]["timeoutSeconds"]), (&json!("opus"), &json!(6)));
    assert_eq!(execution["lane"], "execute");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_output_has_the_format_that_the_arguments_name() {
    let app = app().await;
    let output = async |format: &str| {
        let body = json!({ "prompt": "hello", "args": ["--output-format", format] });
        let answer = execute(&app, &body.to_string()).send().await.expect(200).json();
        answer["result"]["output"].as_str().expect("an output").to_owned()
    };
    let object: Value = serde_json::from_str(&output("json").await).expect("JSON");
    assert_eq!((&object["type"], &object["result"]), (&json!("result"), &json!("done")));
    let stream = output("stream-json").await;
    let kinds: Vec<String> = stream
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["type"].as_str().expect("a type").to_owned())
        .collect();
    assert_eq!(kinds, ["system", "assistant", "result"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_has_one_of_a_few_codes() {
    let app = app().await;
    for (prompt, code) in [("fail", "EXIT_NONZERO"), ("silent", "EXIT_NONZERO"), ("hang", "TIMEOUT")] {
        let body = json!({ "prompt": prompt, "timeout": 900 });
        let answer = execute(&app, &body.to_string()).send().await.expect(500).json();
        assert_eq!((&answer["success"], &answer["code"]), (&json!(false), &json!(code)), "{answer}");
    }
    let figures = app.call("GET", "/metrics").header("accept", "application/json").send().await.expect(200).json();
    assert_eq!(
        (&figures["totalRequests"], &figures["failedRequests"], &figures["activeRequests"]),
        (&json!(3), &json!(3), &json!(0)),
        "{figures}"
    );
    assert!(app.get("/metrics").await.expect(200).header("content-type").starts_with("text/plain"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_good_once_and_for_half_a_minute() {
    let app = app().await;
    let body = r#"{"prompt": "hello"}"#;
    let now = NOW.as_millis();
    execute_at(&app, now, body).send().await.expect(200);
    let mut answers = Vec::new();
    for at in [now, now - 30_001, now + 30_001, 0] {
        answers.push(shown(&app, &execute_at(&app, at, body).send().await));
    }
    let call = || app.call("POST", "/execute").header("content-type", "application/json").body(body);
    answers.push(shown(&app, &call().send().await));
    answers.push(shown(&app, &call().header("x-claude-signature", sign(body)).send().await));
    let other_time = call().header("x-claude-timestamp", (now + 1).to_string());
    let other_time = other_time.header("x-claude-signature", sign(&format!("{now}:{body}")));
    answers.push(shown(&app, &other_time.send().await));
    answers.dedup();
    assert_eq!(answers, [r#"401 {"error":"Unauthorized"}"#]);
    for at in [now - 30_000, now + 30_000] {
        execute_at(&app, at, body).send().await.expect(200);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests() {
    let app = app().await;
    let mut table = String::new();
    let mut at = NOW.as_millis();
    let mut add = async |what: &str, body: &str| {
        at += 1;
        let _ = writeln!(table, "{what}\n    {}", shown(&app, &execute_at(&app, at, body).send().await));
    };
    for (what, body) in malformed() {
        add(what, &body).await;
    }
    let root = app.folder().join("root");
    for (what, body) in [
        ("another contract", json!({ "userRequest": "hello" })),
        ("two contracts at once", json!({ "userRequest": "hello", "prompt": "hello" })),
        ("arguments as text", json!({ "prompt": "hello", "args": "-p" })),
        ("numbers as arguments", json!({ "prompt": "hello", "args": [1] })),
        ("settings", json!({ "prompt": "hello", "args": ["-p", "--settings", "x"] })),
        ("no more permissions", json!({ "prompt": "hello", "args": ["--dangerously-skip-permissions"] })),
        ("a prompt as argument", json!({ "prompt": "hello", "args": ["-p", "another"] })),
        ("a model that is an option", json!({ "prompt": "hello", "args": ["--model=--help"] })),
        ("no time at all", json!({ "prompt": "hello", "timeout": 0 })),
        ("a time before now", json!({ "prompt": "hello", "timeout": -1 })),
        ("all time", json!({ "prompt": "hello", "timeout": u64::MAX })),
        ("half a millisecond", json!({ "prompt": "hello", "timeout": 0.5 })),
        ("a directory outside", json!({ "prompt": "hello", "cwd": "/etc" })),
        ("a way out", json!({ "prompt": "hello", "cwd": root.join("way-out") })),
        ("up and out", json!({ "prompt": "hello", "cwd": root.join("project/../..") })),
        ("no such directory", json!({ "prompt": "hello", "cwd": root.join("nothing") })),
    ] {
        add(what, &body.to_string()).await;
    }
    insta::assert_snapshot!(table);
    assert_eq!(app.get("/v1/executions").await.expect(200).json(), json!({ "executions": [] }));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_whether_the_cli_could_be_called() {
    let app = app().await;
    let health = app.get("/health").await;
    // The scripted agent knows no `--version`, and says what it says.
    assert_eq!(health.status, 200, "{health:?}");
    assert_eq!(health.json(), json!({ "status": "healthy", "claudeAvailable": true, "testResponse": true }));
    app.finish().await;

    let app = TestApp::with(|config, _| {
        config.agents.get_mut("claude-code").expect("settings").program = Some("/nowhere/claude".into());
    })
    .await;
    let health = app.get("/health").await.expect(503).json();
    assert_eq!((&health["status"], &health["claudeAvailable"]), (&json!("unhealthy"), &json!(false)), "{health}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_may_ask_for_less_than_the_operator_allows_not_for_more() {
    let app = TestApp::with(|config, _| {
        config.doors.execute.secret = Some(Secret::new(SECRET));
        config.agents.get_mut("claude-code").expect("settings").permission_mode = Some("default".into());
    })
    .await;
    for (mode, status) in [("plan", 200), ("default", 200), ("acceptEdits", 422), ("bypassPermissions", 422)] {
        let body = json!({ "prompt": "hello", "args": ["--permission-mode", mode] });
        execute(&app, &body.to_string()).send().await.expect(status);
    }
    app.finish().await;
}
