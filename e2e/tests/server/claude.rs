//! The real Claude Code CLI against the rehearsal model.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::lab::{Server, Setup, check_history, nothing_left};

/// A rehearsing server over the real CLI; `None` (said aloud) where there is none.
async fn server(data_dir: &Path) -> Option<Server> {
    Some(rehearsing(data_dir)?.start().await)
}

/// The same, not started yet.
pub(crate) fn rehearsing(data_dir: &Path) -> Option<Setup> {
    let Ok(agent) = std::env::var("LEGWORK_TEST_CLAUDE") else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "LEGWORK_TEST_CLAUDE must be set under CI");
        eprintln!("SKIPPED: LEGWORK_TEST_CLAUDE is not set; `make test` installs the CLI and sets it");
        return None;
    };
    Some(Setup { agent: PathBuf::from(agent), rehearse: true, ..Setup::scripted(data_dir) })
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["kind"].as_str()).collect()
}

#[tokio::test]
async fn it_answers_and_its_tools_really_run() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(server) = server(data.path()).await else { return };
    let job = json!({
        "prompt": "Do it. [[write: notes.md | # Hello]] [[bash: echo from bash >> notes.md; cat notes.md]] [[say: All done.]]",
        "tools": { "allow": ["Bash"] },
    });
    let id = server.client.run(&job).await["id"].as_str().expect("an id").to_owned();
    let execution = check_history(&server.client, &id).await;
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    assert_eq!(execution["outcome"]["result"], "All done.");
    assert!(execution["outcome"]["costUsd"].as_f64().is_some_and(|cost| cost > 0.0), "{execution:#}");

    let events = server.client.events(&id).await;
    let expected =
        ["queued", "claimed", "workspace", "started", "tool_call", "tool_result", "text", "usage", "finished"];
    for kind in expected {
        assert!(kinds(&events).contains(&kind), "{kind} is missing in {:?}", kinds(&events));
    }
    let patch = server.client.get_text(&format!("/v1/executions/{id}/patch")).await;
    assert!(patch.contains("+# Hello") && patch.contains("from bash"), "{patch}");
    let output = server.client.get_text(&format!("/v1/executions/{id}/output")).await;
    assert!(output.contains(r#""subtype":"success""#), "{output}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn it_tries_again_after_429_and_gives_up_on_401() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(server) = server(data.path()).await else { return };
    let retried = server.client.run(&json!({ "prompt": "[[error: 429 x1]] [[say: Here I am.]]" })).await;
    assert_eq!(retried["state"], "succeeded", "{retried:#}");
    let events = server.client.events(retried["id"].as_str().expect("an id")).await;
    assert!(kinds(&events).contains(&"retrying"), "{:?}", kinds(&events));

    let refused = server.client.run(&json!({ "prompt": "[[error: 401]]" })).await;
    assert_eq!(refused["outcome"]["reason"], "credentials_rejected", "{refused:#}");
    assert_eq!(refused["outcome"]["apiStatus"], 401);
}

#[tokio::test]
async fn it_is_stopped_with_everything_it_started() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(server) = server(data.path()).await else { return };
    let allow = json!({ "allow": ["Bash"] });
    let slow = server.client.submit(&json!({ "prompt": "[[slow: 60s]]", "limits": { "timeoutSeconds": 3 } })).await;
    let tool =
        server.client.submit(&json!({ "prompt": "[[bash: setsid sleep 1000 & sleep 1000]]", "tools": allow })).await;
    server.client.until_event(&tool, "tool_call").await;
    assert_eq!(server.client.post(&format!("/v1/executions/{tool}/cancel")).await, 202);
    assert_eq!(check_history(&server.client, &tool).await["state"], "cancelled");
    let slow = check_history(&server.client, &slow).await;
    assert_eq!(slow["outcome"]["reason"], "timeout", "{slow:#}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn it_continues_a_session_where_it_was() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(server) = server(data.path()).await else { return };
    let first = server.client.run(&json!({ "prompt": "[[write: one.txt | 1]] [[say: first]]" })).await;
    let session = first["sessionId"].as_str().unwrap_or_else(|| panic!("a session in {first:#}"));
    let second = json!({
        "prompt": "[[bash: cat one.txt]] [[say: second]]",
        "resumeSession": session,
        "tools": { "allow": ["Bash"] },
    });
    let second = server.client.run(&second).await;
    assert_eq!((&second["state"], &second["outcome"]["result"]), (&json!("succeeded"), &json!("second")), "{second:#}");
    assert_eq!(second["sessionId"], session);
    let events = server.client.events(second["id"].as_str().expect("an id")).await;
    let read = events.iter().find(|event| event["kind"] == "tool_result").expect("the tool answered");
    assert!(read["data"]["output"].as_str().is_some_and(|output| output.contains('1')), "{read:#}");
}

#[tokio::test]
async fn limits_and_refusals_are_failures_of_their_own() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(server) = server(data.path()).await else { return };
    let cases = [
        (
            json!({ "prompt": "[[loop: Bash true]]", "limits": { "maxTurns": 2 }, "tools": { "allow": ["Bash"] } }),
            "max_turns",
        ),
        (json!({ "prompt": "[[bash: node -e 1]] [[say: tried]]" }), "permission_denied"),
        (
            json!({ "prompt": "[[usage: 500000 100000]] [[bash: true]] [[say: rich]]", "limits": { "maxCostUsd": 0.01 }, "tools": { "allow": ["Bash"] } }),
            "budget_exceeded",
        ),
        (json!({ "prompt": "[[error: 400]]" }), "api_error"),
    ];
    for (job, reason) in cases {
        let execution = server.client.run(&job).await;
        assert_eq!(execution["outcome"]["reason"], reason, "{job}: {execution:#}");
    }
}

#[tokio::test]
async fn it_answers_by_the_unified_door_and_goes_on_in_its_workspace() {
    let (data, workspaces) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let Some(setup) = rehearsing(data.path()) else { return };
    let server = setup.env("WORKSPACE_DIR", workspaces.path().display().to_string()).start().await;
    let ask = async |request: Value| {
        let answer = server.client.request("POST", "/execute").json(&request).send().await.expect("an answer");
        answer.text().await.expect("the stream is whole")
    };
    let first = ask(json!({
        "userRequest": "Do it. [[write: notes.md | # Hello]] [[say: Written.]]", "codingAssistantProvider": "claude-code",
        "workspace": "team/notes",
    }))
    .await;
    assert!(first.contains("event: assistant_message\ndata: {\"content\":\"Written.\"}"), "{first}");
    assert_eq!(std::fs::read_to_string(workspaces.path().join("team/notes/notes.md")).expect("written"), "# Hello");
    let last = first.rsplit("data: ").next().expect("events").trim();
    let completed: Value = serde_json::from_str(last).expect("JSON");
    let second = ask(json!({
        "userRequest": "And now? [[read: notes.md]] [[say: Read.]]", "codingAssistantProvider": "claude-code",
        "resumeSessionId": completed["sessionId"],
    }))
    .await;
    assert!(second.contains("event: completed") && second.contains("# Hello"), "{second}");
    assert!(second.contains(completed["sessionId"].as_str().expect("a session")), "the same session: {second}");
}

#[tokio::test]
async fn it_answers_by_redis() {
    let Some(redis) = crate::redis::Redis::start().await else { return };
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let _server = setup.env("REDIS_URL", redis.url()).start().await;
    let mut answers = redis.listen().await;
    redis
        .add(r#"{"id": "1", "prompt": "Hello. [[say: Hello by Redis.]]", "args": ["-p", "--output-format", "json"]}"#)
        .await;
    let answer = answers.answer().await;
    let result: Value =
        serde_json::from_str(answer["result"].as_str().expect("a result")).expect("what the CLI prints");
    assert_eq!((&result["type"], &result["result"]), (&json!("result"), &json!("Hello by Redis.")), "{answer}");
}
