//! An equal job gets the outcome of the one before, where its caller lets it be so.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::app::{NOW, TestApp};
use crate::http::Frame;

/// Works in directories below that of the test.
async fn with_roots() -> TestApp {
    TestApp::with(|config, folder| {
        fs::create_dir_all(folder.join("projects/a")).expect("a folder");
        config.workspaces.roots = vec![folder.join("projects")];
    })
    .await
}

fn job(prompt: &str) -> Value {
    json!({ "prompt": prompt, "cacheTtl": "10m" })
}

/// The job once it has ended.
async fn run(app: &TestApp, body: &Value) -> Value {
    run_as(app, "", body).await
}

async fn run_as(app: &TestApp, key: &str, body: &Value) -> Value {
    let post = app.call("POST", "/v1/executions").header("authorization", format!("Bearer {key}"));
    let ended = post.header("prefer", "wait=25").json(body).send().await.expect(200).json();
    assert!(ended["finishedAt"].is_string(), "{ended}");
    ended
}

/// Whose outcome it has; nothing where it ran.
fn origin(execution: &Value) -> Option<&str> {
    execution["outcome"]["cached"]["executionId"].as_str()
}

fn id(execution: &Value) -> &str {
    execution["id"].as_str().expect("an id")
}

async fn events(app: &TestApp, execution: &Value) -> Vec<Frame> {
    app.follow(id(execution), 0).await.rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equal_job_gets_the_outcome_at_no_cost() {
    let app = TestApp::start().await;
    let first = run(&app, &job("write")).await;
    assert_eq!((origin(&first), &first["outcome"]["costUsd"]), (None, &json!(0.0025)));
    app.clock.advance_millis(60_000);
    let second = run(&app, &job("write")).await;
    assert_eq!(
        second["outcome"],
        json!({
            "state": "succeeded", "result": "done", "costUsd": 0.0, "durationMs": 0,
            "cached": { "executionId": first["id"], "at": NOW },
        })
    );
    assert_eq!(second.get("sessionId"), None, "the session is that of the first");
    for (left, holds) in [("patch", "+new"), ("output", "written")] {
        let of = async |execution| app.get(&format!("/v1/executions/{}/{left}", id(execution))).await.expect(200);
        let (one, other) = (of(&first).await, of(&second).await);
        assert!(one.text().contains(holds), "{left}: {}", one.text());
        assert_eq!(one.text(), other.text(), "{left}");
    }
    let events = events(&app, &second).await;
    let kinds: Vec<_> = events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(kinds, ["queued", "claimed", "workspace", "message", "text", "turn_ended", "finished"]);
    assert_eq!(
        events[3].data["data"],
        json!({ "topic": "cached", "fields": { "executionId": first["id"], "at": NOW } })
    );
    let runs = app.folder().join("data/runs");
    let left = fs::read_dir(runs)
        .expect("runs")
        .flatten()
        .any(|entry| entry.file_name().to_str().is_some_and(|name| name.contains(id(&second))));
    assert!(!left, "no directories are kept for it");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_origin_is_a_run_and_not_a_copy() {
    let app = TestApp::start().await;
    let first = run(&app, &job("hello")).await;
    for _ in 0..2 {
        assert_eq!(origin(&run(&app, &job("hello")).await), Some(id(&first)));
        app.clock.advance_millis(240_000);
    }
    // Were a copy taken for a run, it would go on for ever.
    app.clock.advance_millis(240_000);
    let third = run(&app, &job("hello")).await;
    assert_eq!(origin(&third), None);
    assert_eq!(origin(&run(&app, &json!({ "prompt": "hello", "cacheTtl": 1 })).await), Some(id(&third)));
    assert_eq!(origin(&run(&app, &json!({ "prompt": "hello" })).await), None, "who does not ask for it gets none");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_another_try_gets_one() {
    let app = TestApp::start().await;
    let first = run(&app, &job("hello")).await;
    let retry = app.call("POST", &format!("/v1/executions/{}/retry", id(&first))).header("prefer", "wait=25");
    let retried = retry.send().await.expect(200).json();
    assert_eq!((origin(&retried), &retried["outcome"]["costUsd"]), (None, &json!(0.0025)));
    app.clock.advance_millis(1);
    assert!(origin(&run(&app, &job("hello")).await).is_some());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_differs_runs() {
    let app = with_roots().await;
    run(&app, &job("hello")).await;
    for (field, value) in [
        ("prompt", json!("hello ")),
        ("model", json!("opus")),
        ("systemPrompt", json!("Be brief.")),
        ("tools", json!({ "allow": ["Bash"] })),
        ("permissions", json!({ "rules": [] })),
        ("mcpServers", json!({ "x": { "command": "/bin/true" } })),
        ("env", json!({ "A": "1" })),
        ("limits", json!({ "maxTurns": 3 })),
        ("sandbox", json!({ "memory": "1Gi" })),
        ("workspace", json!(app.folder().join("projects/a"))),
    ] {
        let mut other = job("hello");
        other[field] = value;
        let answer = app.call("POST", "/v1/executions").header("prefer", "wait=25").json(&other).send().await;
        assert_eq!(answer.status, 200, "{field}: {}", answer.text());
        assert_eq!(origin(&answer.json()), None, "{field}");
    }
    for (field, value) in [
        ("metadata", json!({ "a": 1 })),
        ("priority", json!(5)),
        ("project", json!("site")),
        ("limits", json!({ "timeoutSeconds": 5 })),
        ("cacheTtl", json!(3_600)),
    ] {
        let mut equal = job("hello");
        equal[field] = value;
        assert!(origin(&run(&app, &equal).await).is_some(), "{field}");
    }
    // Another program is another agent, for all that is known.
    let script = fs::read_to_string(app.agent.program()).expect("the script");
    fs::write(app.agent.program(), script + "# another version\n").expect("written");
    assert_eq!(origin(&run(&app, &job("hello")).await), None);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_what_another_key_paid_for() {
    let app = TestApp::start().await;
    let (kim, lee) = (app.key("kim", "execute,read", None).await, app.key("lee", "admin", None).await);
    let first = run_as(&app, &kim, &job("hello")).await;
    assert_eq!(origin(&run_as(&app, &lee, &job("hello")).await), None);
    assert_eq!(origin(&run_as(&app, &kim, &job("hello")).await), Some(id(&first)));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again() {
    let app = TestApp::start().await;
    for prompt in ["fail", "silent"] {
        for _ in 0..2 {
            let failed = run(&app, &job(prompt)).await;
            assert_eq!((&failed["state"], origin(&failed)), (&json!("failed"), None));
        }
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_jobs_at_the_same_time_both_run() {
    let app = TestApp::start().await;
    let mut both = Vec::new();
    for _ in 0..2 {
        let accepted = app.post("/v1/executions", &job("gate")).await.expect(202).json();
        app.follow(id(&accepted), 0).await.until("text").await;
        both.push(accepted);
    }
    both.iter().for_each(|_| app.agent.open_gate());
    for accepted in both {
        assert_eq!(origin(&app.ended(id(&accepted)).await), None);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_operators_directory_the_files_have_to_be_the_same() {
    let app = with_roots().await;
    let place = app.folder().join("projects/a");
    fs::write(place.join("file"), "one").expect("written");
    let body = |prompt: &str| json!({ "prompt": prompt, "cacheTtl": "10m", "workspace": place });
    let first = run(&app, &body("hello")).await;
    assert_eq!(origin(&run(&app, &body("hello")).await), Some(id(&first)));
    fs::write(place.join("file"), "two").expect("written");
    assert_eq!(origin(&run(&app, &body("hello")).await), None);
    fs::write(place.join("file"), "one").expect("written");
    assert_eq!(origin(&run(&app, &body("hello")).await), Some(id(&first)), "the files are what they were");

    // A change is made there again, for a patch on record makes none.
    for _ in 0..2 {
        assert_eq!(origin(&run(&app, &body("write")).await), None);
        fs::remove_file(place.join("new.txt")).expect("it was made");
    }
    commit(&place, "1111");
    let committed = run(&app, &body("hello")).await;
    assert_eq!(origin(&committed), None, "a commit is a change");
    assert_eq!(origin(&run(&app, &body("hello")).await), Some(id(&committed)));
    app.finish().await;
}

/// Puts a repository there, or moves its branch.
fn commit(place: &Path, commit: &str) {
    fs::create_dir_all(place.join(".git/refs/heads")).expect("made");
    fs::write(place.join(".git/HEAD"), "ref: refs/heads/main\n").expect("written");
    fs::write(place.join(".git/refs/heads/main"), format!("{commit}\n")).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_is_not_known_is_said() {
    let app = with_roots().await;
    let place = app.folder().join("projects/a");
    fs::write(place.join(".git"), "gitdir: /somewhere").expect("written");
    for _ in 0..2 {
        let ran = run(&app, &json!({ "prompt": "hello", "cacheTtl": "10m", "workspace": place })).await;
        assert_eq!((&ran["state"], origin(&ran)), (&json!("succeeded"), None));
        let events = events(&app, &ran).await;
        let said = events.iter().find(|event| event.data["data"]["topic"] == "cache_unavailable");
        let said = said.expect("it is said").data["data"]["fields"]["error"].clone();
        assert_eq!(said, json!("the workspace has its git repository elsewhere"));
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_get_back_what_was_set_aside() {
    let app = TestApp::start().await;
    let budget = json!({ "scope": "install", "period": "day", "limitUsd": 1 });
    app.call("PUT", "/v1/budgets").json(&budget).send().await.expect(200);
    let mut body = job("hello");
    body["limits"] = json!({ "maxCostUsd": "$0.75" });
    let first = run(&app, &body).await;
    let counters = async || app.get("/v1/budgets").await.expect(200).json()["budgets"][0]["counters"].clone();
    let before = counters().await;
    assert_eq!(origin(&run(&app, &body).await), Some(id(&first)));
    assert_eq!(counters().await, before);
    assert_eq!(before[0]["reservedUsd"], json!(0.0), "{before}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_not_repeated() {
    let app = TestApp::start().await;
    let mut problems = Vec::new();
    for (field, value) in [("resumeSession", json!("s-1")), ("sessionIdleTimeout", json!(60))] {
        let mut body = job("hello");
        body[field] = value;
        problems.push(app.post("/v1/executions", &body).await.problem());
    }
    insta::assert_snapshot!(problems.join("\n"), @"
    422 cache_conflict [cacheTtl] cacheTtl: can't go with `resumeSession`: a conversation is not repeated; leave one of them out
    422 cache_conflict [cacheTtl] cacheTtl: can't go with `sessionIdleTimeout`: a conversation is not repeated; leave one of them out
    ");
    // Nor is what is said to it later.
    let first = run(&app, &job("hello")).await;
    let message = app.call("POST", &format!("/v1/executions/{}/messages", id(&first)));
    let answer = message.json(&json!({ "message": "hello" })).send().await;
    let next = answer.expect(202).json();
    assert_eq!(origin(&app.ended(id(&next)).await), None);
    app.finish().await;
}
