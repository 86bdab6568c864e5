//! The real programs of the other agents against the rehearsal model.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::lab::{Client, Server, Setup, check_history, nothing_left};

/// A rehearsing server over the real programs; `None` (said aloud) where there are none.
async fn server(data_dir: &Path) -> Option<Server> {
    let Ok(installed) = std::env::var("LEGWORK_TEST_AGENTS") else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "LEGWORK_TEST_AGENTS must be set under CI");
        eprintln!("SKIPPED: LEGWORK_TEST_AGENTS is not set; `make test` installs the programs and sets it");
        return None;
    };
    std::os::unix::fs::symlink(PathBuf::from(installed).join("agents"), data_dir.join("agents")).expect("linked");
    Some(Setup { rehearse: true, ..Setup::scripted(data_dir) }.start().await)
}

/// What differs between agents.
struct Case {
    agent: &'static str,
    /// How it calls the tool that runs commands, where it has to be told that it may use it.
    shell: Option<&'static str>,
    /// Whether the job's permissions have to allow it.
    permitted: bool,
}

impl Case {
    fn tools(&self) -> Value {
        self.shell.map_or_else(|| json!({}), |shell| json!({ "allow": [shell] }))
    }
}

async fn run(client: &Client, case: &Case, mut job: Value) -> Value {
    job["agent"] = json!(case.agent);
    if case.permitted {
        job["permissions"] = json!({ "default": "allow" });
    }
    job["limits"] = json!({ "timeoutSeconds": 60 });
    let id = client.submit(&job).await;
    check_history(client, &id).await
}

fn id(execution: &Value) -> &str {
    execution["id"].as_str().expect("an id")
}

async fn text_tool_error_and_resume(client: &Client, case: &Case) {
    let prompt = "[[write: notes.md | # Hello]] [[bash: echo from bash > b.txt]] [[say: All done.]]";
    let done = run(client, case, json!({ "prompt": prompt, "tools": case.tools() })).await;
    assert_eq!((&done["state"], &done["outcome"]["result"]), (&json!("succeeded"), &json!("All done.")), "{done:#}");
    let patch = client.get_text(&format!("/v1/executions/{}/patch", id(&done))).await;
    assert!(patch.contains("+# Hello"), "{}: {patch}", case.agent);
    let events = client.events(id(&done)).await;
    for kind in ["started", "tool_call", "tool_result", "text", "turn_ended", "finished"] {
        assert!(events.iter().any(|event| event["kind"] == kind), "{}: no {kind} in {events:#?}", case.agent);
    }
    let unparsed: Vec<_> = events.iter().filter(|event| event["kind"] == "unparsed").collect();
    assert!(unparsed.is_empty(), "{}: {unparsed:#?}", case.agent);

    let refused = run(client, case, json!({ "prompt": "[[error: 400]]" })).await;
    assert_eq!(refused["outcome"]["reason"], "api_error", "{refused:#}");

    let session = done["sessionId"].as_str().unwrap_or_else(|| panic!("a session in {done:#}"));
    let job = json!({ "prompt": "[[read: notes.md]] [[say: Read.]]", "resumeSession": session });
    let again = run(client, case, job).await;
    assert_eq!((&again["state"], &again["outcome"]["result"]), (&json!("succeeded"), &json!("Read.")), "{again:#}");
    assert_eq!(again["sessionId"], session, "{again:#}");
}

/// Cancelled while its tool runs, with all that it started.
async fn cancel(client: &Client, case: &Case) {
    let mut job = json!({
        "agent": case.agent, "prompt": "[[bash: sleep 1000]]", "tools": case.tools(),
        "limits": { "timeoutSeconds": 60 },
    });
    if case.permitted {
        job["permissions"] = json!({ "default": "allow" });
    }
    let id = client.submit(&job).await;
    client.until_event(&id, "tool_call").await;
    assert_eq!(client.post(&format!("/v1/executions/{id}/cancel")).await, 202);
    assert_eq!(check_history(client, &id).await["state"], "cancelled");
}

/// A second message in the same process.
async fn converse(client: &Client, case: &Case) {
    let job = json!({
        "agent": case.agent, "prompt": "[[say: first]]", "sessionIdleTimeout": 5, "limits": { "timeoutSeconds": 60 },
    });
    let id = client.submit(&job).await;
    client.until_event(&id, "turn_ended").await;
    let message = json!({ "message": "[[say: second]]" });
    assert_eq!(client.post_json(&format!("/v1/executions/{id}/messages"), &message).await, 202);
    let execution = check_history(client, &id).await;
    assert_eq!(
        (&execution["state"], &execution["outcome"]["result"]),
        (&json!("succeeded"), &json!("second")),
        "{execution:#}"
    );
    let events = client.events(&id).await;
    let turns: Vec<_> =
        events.iter().filter(|event| event["kind"] == "turn_ended").map(|event| event["turn"].as_u64()).collect();
    assert_eq!(turns, [Some(1), Some(2)], "{events:#?}");
}

async fn all(case: Case) {
    let data = tempfile::tempdir().expect("a directory");
    let Some(server) = server(data.path()).await else { return };
    let client = &server.client;
    text_tool_error_and_resume(client, &case).await;
    cancel(client, &case).await;
    converse(client, &case).await;
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn gemini_does_what_every_agent_does() {
    all(Case { agent: "gemini", shell: Some("run_shell_command"), permitted: false }).await;
}

#[tokio::test]
async fn copilot_does_what_every_agent_does() {
    all(Case { agent: "copilot", shell: Some("shell"), permitted: false }).await;
}

#[tokio::test]
async fn codex_does_what_every_agent_does() {
    all(Case { agent: "codex", shell: None, permitted: false }).await;
}

#[tokio::test]
async fn opencode_does_what_every_agent_does() {
    all(Case { agent: "opencode", shell: None, permitted: true }).await;
}

#[tokio::test]
async fn the_agents_are_listed_with_what_they_can_do() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(server) = server(data.path()).await else { return };
    let listed: Value = serde_json::from_str(&server.client.get_text("/v1/agents").await).expect("JSON");
    let agent = |name: &str| {
        let agents = listed["agents"].as_array().expect("agents");
        agents.iter().find(|agent| agent["name"] == name).unwrap_or_else(|| panic!("{name} in {listed:#}")).clone()
    };
    assert_eq!(agent("gemini")["version"], "0.61.0", "{listed:#}");
    assert_eq!((&agent("gemini")["verified"], &agent("gemini")["credential"]), (&json!(true), &json!("not_needed")));
    let cursor = agent("cursor");
    assert_eq!((&cursor["verified"], &cursor["version"]), (&json!(false), &Value::Null));
    assert!(cursor["problem"].as_str().is_some_and(|problem| problem.contains("cursor.com")), "{cursor:#}");
    assert_eq!(agent("claude-code")["capabilities"]["permissions"], true);
}
