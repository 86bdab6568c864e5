//! `POST /v1/executions` and what comes of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::TestApp;

/// The JSON without what differs from run to run.
fn steady(mut execution: Value) -> Value {
    for (pointer, name) in [
        ("/id", "[id]"),
        ("/sessionId", "[session]"),
        ("/outcome/sessionId", "[session]"),
        ("/outcome/durationMs", "[ms]"),
    ] {
        if let Some(value) = execution.pointer_mut(pointer) {
            *value = name.into();
        }
    }
    execution
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_accepted_at_once_and_looked_at_later() {
    let app = TestApp::start().await;
    let accepted = app.post("/v1/executions", &json!({ "prompt": "gate" })).await.expect(202);
    let execution = accepted.json();
    let id = execution["id"].as_str().expect("an id");
    assert_eq!(accepted.header("location"), format!("/v1/executions/{id}"));
    assert!(["queued", "running"].contains(&execution["state"].as_str().expect("a state")));
    app.agent.open_gate();
    insta::assert_json_snapshot!(steady(app.ended(id).await));
    assert_eq!(app.get(accepted.header("location")).await.expect(200).json()["id"], id);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_has_to_be_allowed_for_agent_and_project() {
    let app = TestApp::with(|config, _| {
        config.agents.get_mut("claude-code").expect("settings").models = vec!["claude-*".into()];
        let site = config.projects.entry("site".into()).or_default();
        site.models = vec!["claude-haiku-*".into(), "gpt-5".into()];
    })
    .await;
    for (project, model, allowed) in [
        ("site", "claude-opus-5", Some("claude-haiku-*, gpt-5")),
        ("site", "gpt-5", Some("claude-*")),
        ("site", "claude-haiku-5", None),
        ("other", "claude-opus-5", None),
    ] {
        let answer =
            app.post("/v1/executions", &json!({ "prompt": "hello", "project": project, "model": model })).await;
        match allowed {
            None => drop(app.ended(answer.expect(202).json()["id"].as_str().expect("an id")).await),
            Some(allowed) => {
                let expected = format!(
                    "422 model_not_allowed [model] model: may not be used by this agent and project; allowed are {allowed}"
                );
                assert_eq!(answer.problem(), expected);
            }
        }
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_was_asked_for_is_kept() {
    let app = TestApp::with(|config, folder| {
        config.lanes.insert("slow".into(), Default::default());
        config.workspaces.roots.push(folder.to_owned());
        config.agents.get_mut("claude-code").expect("settings").allow_tools = vec!["Read".into()];
    })
    .await;
    let asked = json!({
        "prompt": "say hello", "agent": "claude-code", "model": "opus", "workspace": app.folder(),
        "limits": {
            "timeoutSeconds": 60, "startSeconds": 61, "firstEventSeconds": 62, "silenceSeconds": 63, "exitSeconds": 64,
            "maxOutputBytes": 65_000, "maxTurns": 3, "maxCostUsd": 0.25,
        },
        "tools": { "allow": ["Bash(git status:*)"], "deny": ["WebFetch"] },
        "env": { "GREETING": "hi there" }, "metadata": { "ticket": [1, { "a": null }] },
        "priority": -7, "lane": "slow", "onLost": "retry",
    });
    let accepted = app.post("/v1/executions", &asked).await.expect(202).json();
    let execution = app.ended(accepted["id"].as_str().expect("an id")).await;
    for field in ["prompt", "agent", "model", "workspace", "limits", "metadata", "priority", "lane"] {
        assert_eq!(execution[field], asked[field], "{field}");
    }
    assert_eq!(execution["tools"], json!({ "allow": ["Bash(git status:*)", "Read"], "deny": ["WebFetch"] }));
    assert_eq!(execution["state"], "succeeded");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_may_wait_for_the_end() {
    let app = TestApp::start().await;
    let post = |wait: &str, prompt: &str| {
        app.call("POST", "/v1/executions").header("prefer", wait).json(&json!({ "prompt": prompt })).send()
    };
    let ended = post("respond-async, wait=25", "hello").await.expect(200);
    assert_eq!(ended.header("preference-applied"), "wait=25");
    assert_eq!(ended.json()["outcome"]["result"], "done");
    assert!(ended.header("location").starts_with("/v1/executions/exe_"));

    let still_runs = post("wait=0", "gate").await.expect(202).json();
    let id = still_runs["id"].as_str().expect("an id");
    let path = format!("/v1/executions/{id}");
    let waiting = app.call("GET", &path).header("prefer", "wait=25").send();
    app.agent.open_gate();
    assert_eq!(waiting.await.expect(200).json()["state"], "succeeded");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_can_answer_with_its_events() {
    let app = TestApp::start().await;
    let post = app.call("POST", "/v1/executions").json(&json!({ "prompt": "hello" }));
    let mut stream = post.header("accept", "text/event-stream").stream().await;
    let location = stream.headers["location"].to_str().expect("a path").to_owned();
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    let frames = stream.rest().await;
    let kinds: Vec<_> = frames.iter().map(|frame| frame.event.as_str()).collect();
    assert_eq!(kinds, ["queued", "claimed", "workspace", "started", "text", "usage", "turn_ended", "finished"]);
    for (frame, number) in frames.iter().zip(1..) {
        assert_eq!(frame.id, number);
        assert_eq!((&frame.data["seq"], &frame.data["kind"]), (&json!(number), &json!(frame.event)));
        assert_eq!(frame.data["at"], "2026-03-01T12:00:00.000Z");
    }
    assert_eq!(app.get(&location).await.expect(200).json()["state"], "succeeded");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_run_ends_is_told_with_its_reason() {
    let app = TestApp::start().await;
    for (prompt, reason) in [("fail", "agent_error"), ("silent", "incomplete_output")] {
        let id = app.run(prompt).await;
        let outcome = app.ended(&id).await["outcome"].clone();
        assert_eq!((&outcome["state"], &outcome["reason"]), (&json!("failed"), &json!(reason)), "{outcome}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_too_long_is_stopped() {
    let app = TestApp::start().await;
    let body = json!({ "prompt": "hang", "limits": { "timeoutSeconds": 1 } });
    let id = app.post("/v1/executions", &body).await.expect(202).json()["id"].as_str().expect("an id").to_owned();
    let outcome = app.ended(&id).await["outcome"].clone();
    assert_eq!((&outcome["state"], &outcome["reason"]), (&json!("failed"), &json!("timeout")), "{outcome}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_and_priorities_decide_what_runs_next() {
    let app = TestApp::with(|config, _| {
        config.lanes.insert("narrow".into(), legwork_server::config::LaneSettings { concurrency: 1 });
    })
    .await;
    let submit = async |prompt: &str, priority: i32| {
        let body = json!({ "prompt": prompt, "lane": "narrow", "priority": priority });
        app.post("/v1/executions", &body).await.expect(202).json()["id"].as_str().expect("an id").to_owned()
    };
    let first = submit("gate", 0).await;
    let later = submit("gate", 0).await;
    let urgent = submit("gate", 9).await;
    // Another lane does not wait for this one.
    app.run("hello").await;
    for (id, waiting) in [(&first, vec![&later, &urgent]), (&urgent, vec![&later]), (&later, vec![])] {
        app.follow(id, 0).await.until("text").await;
        for id in waiting {
            assert_eq!(app.get(&format!("/v1/executions/{id}")).await.json()["state"], "queued");
        }
        app.agent.open_gate();
        app.ended(id).await;
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_at_any_moment_leaves_a_whole_job_or_none() {
    let app = TestApp::start().await;
    for pause in 0..40 {
        let call = app.call("POST", "/v1/executions").json(&json!({ "prompt": "hello" })).send();
        let _ = tokio::time::timeout(Duration::from_micros(pause * 150), call).await;
    }
    // What was recorded by now; later ones would have been asked for by nobody.
    let accepted = app.submit("hello").await;
    let page = app.get("/v1/executions?limit=100").await.expect(200).json();
    for execution in page["executions"].as_array().expect("a list") {
        let ended = app.ended(execution["id"].as_str().expect("an id")).await;
        assert_eq!((&ended["state"], &ended["attempt"]), (&json!("succeeded"), &json!(1)), "{ended}");
    }
    assert_eq!(app.ended(&accepted).await["state"], "succeeded");
    app.finish().await;
}
