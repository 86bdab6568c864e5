//! The real programs of the other agents against the rehearsal model.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::lab::{Client, Server, Setup, check_history, nothing_left};
use super::tool_uses::tool_uses;
use super::warm::{metric, until_waiting};

/// A rehearsing server over the real programs; `None` (said aloud) where there are none.
async fn server(data_dir: &Path) -> Option<Server> {
    Some(rehearsing(data_dir)?.start().await)
}

/// The same, not started yet.
pub(crate) fn rehearsing(data_dir: &Path) -> Option<Setup> {
    let Ok(installed) = std::env::var("LEGWORK_TEST_AGENTS") else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "LEGWORK_TEST_AGENTS must be set under CI");
        eprintln!("SKIPPED: LEGWORK_TEST_AGENTS is not set; `make test` installs the programs and sets it");
        return None;
    };
    std::os::unix::fs::symlink(PathBuf::from(installed).join("agents"), data_dir.join("agents")).expect("linked");
    Some(Setup { rehearse: true, ..Setup::scripted(data_dir) })
}

/// What differs between agents.
struct Case {
    agent: &'static str,
    /// How it calls the tool that runs commands, where it has to be told that it may use it.
    shell: Option<&'static str>,
    /// Whether the job's permissions have to allow it.
    permitted: bool,
    /// The directory of its home in which it keeps its sessions, and what else it remembers of them.
    memory: &'static str,
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
    // Each reaches its model by the proxy, which reads the API that it speaks.
    let metered = &done["outcome"]["metered"];
    assert!(metered["calls"].as_u64() >= Some(1) && metered["usage"]["outputTokens"].as_u64() > Some(0), "{done:#}");
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

/// A person decides about its commands: one may run, the next one may not.
async fn decide(client: &Client, case: &Case) {
    let job = json!({
        "agent": case.agent, "prompt": "[[bash: touch allowed.txt]] [[bash: touch refused.txt]] [[say: done]]",
        "permissions": { "rules": [{ "action": "allow", "risk": "read" }], "timeoutSeconds": 30 },
        "limits": { "timeoutSeconds": 60 },
    });
    let id = client.submit(&job).await;
    for (number, decision) in [(1, "allow"), (2, "deny")] {
        let asked = nth_request(client, &id, number).await;
        let path = format!("/v1/approvals/{}", asked["data"]["id"].as_str().expect("an id"));
        let approval: Value = serde_json::from_str(&client.get_text(&path).await).expect("JSON");
        let body = json!({ "decision": decision, "digest": approval["digest"] });
        assert_eq!(client.post_json(&path, &body).await, 200, "{}: {approval:#}", case.agent);
    }
    check_history(client, &id).await;
    let events = client.events(&id).await;
    let path = events.iter().find(|event| event["kind"] == "workspace").expect("a workspace")["data"]["path"].clone();
    let work = Path::new(path.as_str().expect("a path"));
    let there = ["allowed.txt", "refused.txt"].map(|file| work.join(file).exists());
    assert_eq!(there, [true, false], "{}: {events:#?}", case.agent);
    let decided: Vec<_> = events.iter().filter(|event| event["kind"] == "permission_decision").collect();
    let by_people = decided.iter().filter(|event| event["data"]["by"] == "local").count();
    assert_eq!(by_people, 2, "{}: {decided:#?}", case.agent);
    let uses = tool_uses(client, &id).await;
    let by_people: Vec<_> = uses.iter().filter_map(|one| one.strip_suffix(" local")?.split(' ').nth(1)).collect();
    assert_eq!((uses.len(), by_people), (2, vec!["allowed", "denied"]), "{}: {uses:?}", case.agent);
}

async fn nth_request(client: &Client, id: &str, number: usize) -> Value {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let page = client.get_text(&format!("/v1/executions/{id}/events?limit=1000")).await;
        let page: Value = serde_json::from_str(&page).expect("JSON");
        let events = page["events"].as_array().expect("events");
        let mut requests = events.iter().filter(|event| event["kind"] == "permission_request");
        if let Some(request) = requests.nth(number - 1) {
            return request.clone();
        }
        assert!(tokio::time::Instant::now() < deadline, "no {number}. question in {page:#}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The model hears of all that was said before, after a single turn and after conversations, also where what the agent wrote
/// down of it is gone.
async fn travel(client: &Client, case: &Case, data: &Path) {
    let job = |idle: Option<u32>| json!({ "prompt": "[[long: 60000]]", "sessionIdleTimeout": idle });
    let first = run(client, case, job(None)).await;
    let (home, session) = (data.join("runs").join(id(&first)), first["sessionId"].clone());
    let mut heard = input_tokens(&first);
    for (gone, idle) in [(true, Some(1)), (false, Some(1)), (true, None)] {
        if gone {
            std::fs::remove_dir_all(home.join(case.memory)).expect("it has written it down");
        }
        let mut job = job(idle);
        job["resumeSession"] = session.clone();
        let again = run(client, case, job).await;
        assert_eq!((&again["state"], &again["sessionId"]), (&json!("succeeded"), &session), "{again:#}");
        assert!(input_tokens(&again) > heard + 10_000, "{heard}, then {again:#}");
        heard = input_tokens(&again);
    }
}

/// What the model was told, also what it was told before.
fn input_tokens(execution: &Value) -> u64 {
    let usage = &execution["outcome"]["metered"]["usage"];
    ["inputTokens", "cacheReadTokens"].iter().filter_map(|kind| usage[kind].as_u64()).sum()
}

async fn all(case: Case) {
    let data = tempfile::tempdir().expect("a directory");
    let Some(server) = server(data.path()).await else { return };
    let client = &server.client;
    text_tool_error_and_resume(client, &case).await;
    cancel(client, &case).await;
    converse(client, &case).await;
    decide(client, &case).await;
    travel(client, &case, data.path()).await;
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn gemini_does_what_every_agent_does() {
    all(Case { agent: "gemini", shell: Some("run_shell_command"), permitted: false, memory: ".gemini" }).await;
}

#[tokio::test]
async fn copilot_does_what_every_agent_does() {
    all(Case { agent: "copilot", shell: Some("shell"), permitted: false, memory: ".copilot" }).await;
}

#[tokio::test]
async fn codex_does_what_every_agent_does() {
    all(Case { agent: "codex", shell: None, permitted: false, memory: ".codex" }).await;
}

#[tokio::test]
async fn opencode_does_what_every_agent_does() {
    all(Case { agent: "opencode", shell: None, permitted: true, memory: ".local/share/opencode" }).await;
}

/// A server that is killed leaves what waits to the next one, which would never come.
async fn leave(server: Server) {
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
}

#[tokio::test]
async fn agents_wait_for_their_jobs() {
    for agent in ["codex", "copilot", "gemini", "opencode"] {
        let data = tempfile::tempdir().expect("a directory");
        let Some(setup) = rehearsing(data.path()) else { return };
        let server = setup.env("LEGWORK_WARM__MOST", "1").env("LEGWORK_WARM__RESERVE_MEMORY_MB", "0").start().await;
        let client = &server.client;
        let case = Case { agent, shell: None, permitted: false, memory: "" };
        // Copilot and Gemini speak the protocol in which they can wait in conversations alone.
        let job = json!({ "prompt": "[[write: a.txt | 1]] [[say: done]]", "sessionIdleTimeout": 1 });
        run(client, &case, job.clone()).await;
        until_waiting(client).await;
        let warm = run(client, &case, job).await;
        assert_eq!((&warm["state"], &warm["outcome"]["result"]), (&json!("succeeded"), &json!("done")), "{warm:#}");
        assert_eq!(metric(client, "legwork_warm_starts_total{outcome=\"hit\"}").await, 1.0, "{agent}");
        let patch = client.get_text(&format!("/v1/executions/{}/patch", id(&warm))).await;
        assert!(patch.contains("+1"), "{agent}: {patch}");
        leave(server).await;
    }
}

/// The token in what a program that waits was started with.
fn token_of_what_waits(data: &Path) -> String {
    let runs = std::fs::read_dir(data.join("runs")).expect("runs").map(|entry| entry.expect("an entry").path());
    let ahead = runs.filter(|path| path.extension().is_some_and(|end| end == "ahead")).collect::<Vec<_>>();
    let [home] = ahead.as_slice() else { panic!("one waits: {ahead:?}") };
    let home = home.with_extension("");
    let variables = std::fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
        let variables = std::fs::read(entry.ok()?.path().join("environ")).ok()?;
        Some(String::from_utf8_lossy(&variables).into_owned())
    });
    let home_variable = format!("HOME={}", home.display());
    let variables = variables.filter(|variables| variables.split('\0').any(|variable| variable == home_variable));
    let settings = std::fs::read_to_string(home.join(".config/opencode/opencode.json")).unwrap_or_default();
    let told = variables.chain([settings]).collect::<String>();
    let begin = told.find("lwr_").expect("a token");
    told[begin..begin + 44].to_owned()
}

/// What the model proxy says to a token.
async fn status_of(data: &Path, token: &str) -> u16 {
    let port = std::fs::read_to_string(data.join("gateway.port")).expect("a port");
    let request = reqwest::Client::new().post(format!("http://127.0.0.1:{port}/v1/chat/completions"));
    let body = json!({ "model": "gpt-4.1", "messages": [{ "role": "user", "content": "[[say: hi]]" }] });
    request.bearer_auth(token).json(&body).send().await.expect("an answer").status().as_u16()
}

async fn waits_with_a_token_of_its_own(case: Case) {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let setup = setup.env("LEGWORK_AGENTS__COPILOT__PERMISSION_MODE", "bypassPermissions");
    let server = setup.env("LEGWORK_WARM__MOST", "1").env("LEGWORK_WARM__RESERVE_MEMORY_MB", "0").start().await;
    let client = &server.client;
    let job = |prompt: String| json!({ "prompt": prompt });
    let cold = run(client, &case, job("[[say: first]]".into())).await;
    assert_eq!((&cold["state"], &cold["outcome"]["result"]), (&json!("succeeded"), &json!("first")), "{cold:#}");
    until_waiting(client).await;
    let token = token_of_what_waits(data.path());
    assert_eq!(status_of(data.path(), &token).await, 401, "no job has it yet");

    let prompt = format!("[[write: a.txt | 1]] [[bash: echo {token} > b.txt; sleep 2]] [[say: second]]");
    let mut task = job(prompt);
    (task["agent"], task["limits"]) = (json!(case.agent), json!({ "timeoutSeconds": 60 }));
    if case.permitted {
        task["permissions"] = json!({ "default": "allow" });
    }
    let id = client.submit(&task).await;
    client.until_event(&id, "tool_call").await;
    assert_eq!(status_of(data.path(), &token).await, 200, "it is the job's");
    let warm = check_history(client, &id).await;
    assert_eq!((&warm["state"], &warm["outcome"]["result"]), (&json!("succeeded"), &json!("second")), "{warm:#}");
    assert_eq!(metric(client, "legwork_warm_starts_total{outcome=\"hit\"}").await, 1.0);
    let metered = &warm["outcome"]["metered"];
    assert!(metered["calls"].as_u64() >= Some(3) && metered["costUsd"].as_f64() > Some(0.0), "{warm:#}");
    let events = client.events(&id).await;
    let calls = events.iter().filter(|event| event["kind"] == "usage" && event["data"]["call"]["costUsd"].is_number());
    assert_eq!(Some(calls.count() as u64), metered["calls"].as_u64(), "{events:#?}");
    let patch = client.get_text(&format!("/v1/executions/{id}/patch")).await;
    let shown = [patch, json!(events).to_string(), client.get_text(&format!("/v1/executions/{id}/output")).await];
    assert!(shown[0].contains("+1") && shown.iter().all(|text| !text.contains(&token)), "{shown:?}");
    assert_eq!(status_of(data.path(), &token).await, 401, "the job has ended");

    task["prompt"] = json!("[[bash: cat a.txt; sleep 1]] [[say: third]]");
    task["resumeSession"] = warm["sessionId"].clone();
    let id = client.submit(&task).await;
    client.until_event(&id, "tool_call").await;
    assert_eq!(status_of(data.path(), &token).await, 401, "whoever goes on with its session is another");
    let more = check_history(client, &id).await;
    assert_eq!((&more["sessionId"], &more["outcome"]["result"]), (&warm["sessionId"], &json!("third")), "{more:#}");
    leave(server).await;
}

#[tokio::test]
async fn copilot_waits_with_a_token_of_its_own() {
    waits_with_a_token_of_its_own(Case { agent: "copilot", shell: None, permitted: false, memory: "" }).await;
}

#[tokio::test]
async fn opencode_waits_with_a_token_of_its_own() {
    waits_with_a_token_of_its_own(Case { agent: "opencode", shell: None, permitted: true, memory: "" }).await;
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

#[tokio::test]
async fn what_an_agent_lacks_is_named_at_once() {
    let data = tempfile::tempdir().expect("a directory");
    let old = data.path().join("old-claude");
    std::fs::write(&old, "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '1.0.44 (Claude Code)'; else exit 3; fi\n")
        .expect("written");
    std::fs::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
    let server = Setup { agent: old, ..Setup::scripted(data.path()) }.start().await;
    let client = &server.client;
    for (agent, variable) in [("gemini", "GEMINI_API_KEY"), ("codex", "OPENAI_API_KEY"), ("cursor", "CURSOR_API_KEY")] {
        let request = client.request("POST", "/v1/executions").json(&json!({ "prompt": "hi", "agent": agent }));
        let refused = request.send().await.expect("an answer");
        assert_eq!(refused.status(), 422);
        let problem: Value = refused.json().await.expect("JSON");
        assert_eq!((&problem["code"], &problem["field"]), (&json!("credentials_missing"), &json!("agent")));
        let message = problem["detail"].as_str().expect("a detail");
        assert!(message.contains(variable), "{message}");
    }
    let old = client.run(&json!({ "prompt": "hi" })).await;
    assert_eq!(old["outcome"]["reason"], "agent_too_old", "{old:#}");
    let message = old["outcome"]["message"].as_str().expect("a message");
    assert!(message.contains("1.0.44") && message.contains("2.1.197 or newer is needed"), "{message}");

    let refused = client.request("POST", "/v1/executions").json(&json!({
        "prompt": "hi", "agent": "codex", "limits": { "maxTurns": 3 },
    }));
    let refused = refused.send().await.expect("an answer");
    assert_eq!(refused.status().as_u16(), 409);
    let problem: Value = refused.json().await.expect("JSON");
    assert_eq!(problem["code"], "not_offered");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("limits.maxTurns") && detail.contains("claude-code"), "{detail}");
    nothing_left(data.path()).await;
}
