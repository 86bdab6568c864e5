//! `POST /execute` with `userRequest`

use std::fmt::Write;

use legwork_server::config::Secret;
use serde_json::{Value, json};

use super::{app, execute, malformed, shown};
use crate::app::TestApp;
use crate::http::{Answer, Call};

fn unified(app: &TestApp, body: &str) -> Call {
    app.call("POST", "/execute").header("content-type", "application/json").body(body.to_owned())
}

fn request(app: &TestApp, request: &Value) -> Call {
    let mut body = json!({ "userRequest": "hello", "codingAssistantProvider": "claude-code" });
    let fields = body.as_object_mut().expect("an object");
    fields.extend(request.as_object().expect("an object").clone());
    unified(app, &body.to_string())
}

/// Names and data of the events of an answer.
fn events(answer: &Answer) -> Vec<(String, Value)> {
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let blocks = answer.text().split("\n\n").filter(|block| block.contains("event: "));
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).expect("a field").trim().to_owned()
    };
    blocks.map(|block| (field(block, "event:"), serde_json::from_str(&field(block, "data:")).expect("JSON"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_has_the_credential_of_its_request_and_nobody_else_has() {
    let app = TestApp::with(|config, _| {
        let settings = config.agents.get_mut("claude-code").expect("settings");
        settings.api_key = Some(Secret::new("sk-ant-api-of-the-operator"));
    })
    .await;
    let token = "sk-ant-api-of-one-caller";
    let own = json!({ "userRequest": "secret", "codingAssistantAccessToken": token });
    let told = events(&request(&app, &own).send().await.expect(200));
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    insta::assert_snapshot!(names.join(" "), @"connected message message message assistant_message message message completed");
    assert_eq!(told[4].1, json!({ "content": "the key is ***" }));
    let id = told[0].1["executionId"].as_str().expect("an id");
    let again = app.post(&format!("/v1/executions/{id}/retry"), &json!({})).await;
    assert_eq!((again.status.as_u16(), again.json()["code"].as_str()), (409, Some("credentials_gone")));
    assert_eq!(app.service().app.executor.vault.runs(), []);
    for file in [app.database(), app.database().with_extension("db-wal")] {
        let bytes = std::fs::read(file).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains(token), "it is on record");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_a_file_of_the_run_and_gone_with_it() {
    let app = app().await;
    let login = r#"{"claudeAiOauth":{"accessToken":"sk-ant-oat01-of-one-caller-alone"}}"#;
    let own = json!({ "userRequest": "hang", "codingAssistantAccessToken": login });
    let mut told = request(&app, &own).stream().await;
    let id = told.until("connected").await.data["executionId"].as_str().expect("an id").to_owned();
    told.until("assistant_message").await;
    let file = app.folder().join("data/runs").join(&id).join(".claude/.credentials.json");
    assert_eq!(std::fs::read_to_string(&file).expect("placed"), login);
    app.post(&format!("/v1/executions/{id}/cancel"), &json!({})).await.expect(202);
    assert_eq!(told.until("error").await.data["error"], "cancelled");
    assert!(!file.exists());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_in_its_workspace_and_an_unknown_one_is_an_error_event() {
    let app = TestApp::with(|config, folder| config.doors.unified.workspace_dir = folder.join("workspaces")).await;
    std::fs::create_dir(app.folder().join("workspaces")).expect("a folder");
    let first = events(&request(&app, &json!({ "workspace": "team/shop" })).send().await.expect(200));
    let session = first.last().expect("events").1["sessionId"].clone();
    let resumed = json!({ "resumeSessionId": session, "userRequest": "write" });
    assert_eq!(events(&request(&app, &resumed).send().await.expect(200)).last().expect("events").0, "completed");
    assert!(app.folder().join("workspaces/team/shop/new.txt").exists());
    let same = json!({ "resumeSessionId": session, "workspace": "team/shop" });
    request(&app, &same).send().await.expect(200);
    let other = json!({ "resumeSessionId": session, "workspace": "team" });
    assert_eq!(request(&app, &other).send().await.expect(422).json()["code"], "workspace_conflict");
    let unknown = events(&request(&app, &json!({ "resumeSessionId": "nobody" })).send().await.expect(200));
    let (name, data) = &unknown[0];
    assert_eq!((unknown.len(), name.as_str(), &data["error"]), (1, "error", &json!("session_not_found")));
    assert_eq!(data["message"], "resumeSessionId: there is no such session of this agent");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_tell_the_two_contracts_apart() {
    let app = app().await;
    assert_eq!(events(&request(&app, &json!({})).send().await.expect(200)).last().expect("events").0, "completed");
    execute(&app, r#"{"prompt": "hello"}"#).send().await.expect(200);
    let both = r#"{"prompt": "hello", "userRequest": "hello", "codingAssistantProvider": "claude-code"}"#;
    for answer in [unified(&app, both).send().await, execute(&app, both).send().await] {
        let code = answer.json()["code"].as_str().unwrap_or_default().to_lowercase();
        assert_eq!((answer.status.as_u16(), code.as_str()), (422, "ambiguous_request"), "{answer:?}");
    }
    let neither = unified(&app, "{}").send().await;
    assert_eq!(shown(&app, &neither), r#"401 {"error":"Unauthorized"}"#, "what is not unified is to be signed");
    app.finish().await;

    let unsigned = TestApp::start().await;
    let neither = unified(&unsigned, r#"{"codingAssistantProvider": "claude-code"}"#).send().await;
    assert_eq!(
        neither.problem(),
        "422 user_request_missing [userRequest] userRequest: is missing; say what the agent is to do (a signed call of the CLI has `prompt` instead)"
    );
    unsigned.finish().await;
    let closed = TestApp::with(|config, _| config.doors.unified.enabled = false).await;
    request(&closed, &json!({})).send().await.expect(404);
    closed.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_no_budget_for_is_refused() {
    let app = app().await;
    let budget = json!({ "scope": "install", "period": "day", "limitUsd": "$0.10" });
    app.call("PUT", "/v1/budgets").json(&budget).send().await.expect(200);
    let refused = request(&app, &json!({})).send().await;
    let problem = refused.json();
    assert_eq!((refused.status.as_u16(), &problem["code"]), (402, &json!("budget_exceeded")), "{problem}");
    assert_eq!(problem["resetsAt"], "2026-03-02T00:00:00.000Z");
    let refusals = app.call("GET", "/v1/budgets/refusals").send().await.expect(200).json();
    assert_eq!(refusals["refusals"].as_array().map(Vec::len), Some(1), "{refusals}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests() {
    let app = TestApp::with(|config, folder| config.doors.unified.workspace_dir = folder.join("workspaces")).await;
    let workspaces = app.folder().join("workspaces");
    std::fs::create_dir(&workspaces).expect("a folder");
    std::os::unix::fs::symlink("/etc", workspaces.join("way-out")).expect("a link");
    let mut table = String::new();
    for (what, body) in malformed() {
        let body = body.replace("\"prompt\"", "\"codingAssistantProvider\": \"claude-code\", \"userRequest\"");
        let _ = writeln!(table, "{what}\n    {}", unified(&app, &body).send().await.problem());
    }
    for (what, fields) in [
        ("no provider", json!({ "codingAssistantProvider": null })),
        ("an unknown provider", json!({ "codingAssistantProvider": "clippy\u{1b}[31m" })),
        ("an unknown provider", json!({ "codingAssistantProvider": "cody" })),
        ("a token of 1", json!({ "codingAssistantAccessToken": 1 })),
        ("an empty token", json!({ "codingAssistantAccessToken": "" })),
        ("a token of two lines", json!({ "codingAssistantAccessToken": "a\nb: c" })),
        ("a token of a megabyte", json!({ "codingAssistantAccessToken": "x".repeat(900_000) })),
        ("half a login", json!({ "codingAssistantAccessToken": "{ \"claudeAiOauth\":" })),
        ("a login for git", json!({ "github": { "repoUrl": "https://github.com/a/b", "accessToken": "{\n}" } })),
        ("an empty workspace", json!({ "workspace": "" })),
        ("a repository as text", json!({ "github": "https://github.com/a/b" })),
        ("a repository without a URL", json!({ "github": {} })),
        ("a file", json!({ "github": { "repoUrl": "file:///etc" } })),
        ("a command", json!({ "github": { "repoUrl": "ext::sh" } })),
        ("an option", json!({ "github": { "repoUrl": "--upload-pack=x" } })),
        ("a private address", json!({ "github": { "repoUrl": "https://127.0.0.1/a" } })),
        ("a token in the URL", json!({ "github": { "repoUrl": "https://u:p@github.com/a/b" } })),
        ("a branch that is an option", json!({ "github": { "repoUrl": "https://github.com/a/b", "branch": "-x" } })),
        ("an empty token for git", json!({ "github": { "repoUrl": "https://github.com/a/b", "accessToken": "" } })),
        ("a database without a token", json!({ "database": { "sessionId": "s" } })),
        ("a database as list", json!({ "database": ["s", "t"] })),
        ("a workspace outside", json!({ "workspace": "/etc" })),
        ("a workspace up and out", json!({ "workspace": "../x" })),
        ("a workspace by a link", json!({ "workspace": "way-out/x" })),
        ("a workspace of 1", json!({ "workspace": 1 })),
        ("a session that is an option", json!({ "resumeSessionId": "--help" })),
        ("options as list", json!({ "providerOptions": [] })),
        ("turns as text", json!({ "providerOptions": { "maxTurns": "3" } })),
        ("no turns", json!({ "providerOptions": { "maxTurns": 0 } })),
        ("a model that is an option", json!({ "providerOptions": { "model": "--help" } })),
        ("a tool as text", json!({ "providerOptions": { "allowedTools": "Bash" } })),
        ("more than the operator allows", json!({ "providerOptions": { "permissionMode": "bypassPermissions" } })),
    ] {
        let answer = request(&app, &fields).send().await;
        assert_ne!(answer.status, 200, "{what}");
        let _ = writeln!(table, "{what}\n    {}", answer.problem());
    }
    let form = app.call("POST", "/execute").header("content-type", "text/plain");
    let form = form.body(r#"{"userRequest": "hello", "codingAssistantProvider": "claude-code"}"#);
    let _ = writeln!(table, "a text\n    {}", form.send().await.problem());
    insta::assert_snapshot!(table.replace(app.folder().to_str().expect("UTF-8"), "FOLDER"));
    assert_eq!(app.get("/v1/executions").await.expect(200).json(), json!({ "executions": [] }));
    assert_eq!(app.service().app.executor.vault.runs(), []);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_whether_agents_run() {
    let app = app().await;
    assert_eq!(app.get("/status").await.expect(200).json()["status"], "idle");
    let id = app.running("gate").await;
    assert_eq!(app.get("/status").await.expect(200).json()["status"], "busy");
    app.agent.open_gate();
    app.ended(&id).await;
    app.finish().await;
}
