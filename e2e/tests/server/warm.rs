//! Agents that are started ahead of their jobs.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::claude::rehearsing;
use super::lab::{Client, Setup, check_history, nothing_left};

/// The value of a metric, 0 where it is not told.
pub(crate) async fn metric(client: &Client, name: &str) -> f64 {
    let metrics = client.get_text("/metrics").await;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or(0.0)
}

pub(crate) async fn until_waiting(client: &Client) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while metric(client, "legwork_warm_processes").await < 1.0 {
        assert!(Instant::now() < deadline, "nothing waits");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What is in the directory of runs of a job.
fn directories(data: &Path) -> Vec<String> {
    let names = std::fs::read_dir(data.join("runs"))
        .expect("runs")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.collect()
}

fn warm(data: &Path) -> Option<Setup> {
    Some(rehearsing(data)?.env("LEGWORK_WARM__MOST", "1").env("LEGWORK_WARM__RESERVE_MEMORY_MB", "0"))
}

#[tokio::test]
async fn a_job_is_done_by_an_agent_that_waits_for_it() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = warm(data.path()) else { return };
    let server = setup.start().await;
    let client = &server.client;
    let job = json!({
        "prompt": "[[write: a.txt | 1]] [[bash: echo $COLOUR > b.txt]] [[say: first]]",
        "tools": { "allow": ["Bash"] }, "env": { "COLOUR": "red" },
    });
    let cold = client.run(&job).await;
    assert_eq!(cold["outcome"]["result"], "first", "{cold:#}");
    assert_eq!(metric(client, "legwork_warm_starts_total{outcome=\"miss\"}").await, 1.0);
    until_waiting(client).await;
    assert!(metric(client, "legwork_warm_memory_bytes").await > 50e6);

    let warm = client.run(&job).await;
    assert_eq!((&warm["state"], &warm["outcome"]["result"]), (&json!("succeeded"), &json!("first")), "{warm:#}");
    assert_eq!(metric(client, "legwork_warm_starts_total{outcome=\"hit\"}").await, 1.0);
    let id = warm["id"].as_str().expect("an id");
    check_history(client, id).await;
    let events = client.events(id).await;
    let path = events.iter().find(|event| event["kind"] == "workspace").expect("a workspace")["data"]["path"].clone();
    let work = Path::new(path.as_str().expect("a path"));
    assert_eq!(std::fs::read_to_string(work.join("b.txt")).expect("written"), "red\n");
    assert!(client.get_text(&format!("/v1/executions/{id}/patch")).await.contains("+1"));
    // What the model proxy metered comes when it comes.
    let kinds = |events: &[Value]| {
        let said = events.iter().filter(|event| event["data"]["call"].is_null());
        said.filter_map(|event| event["kind"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&events), kinds(&client.events(cold["id"].as_str().expect("an id")).await));

    // Its session goes on where it was.
    let more = json!({ "prompt": "[[read: a.txt]] [[say: more]]", "resumeSession": warm["sessionId"] });
    let more = client.run(&more).await;
    assert_eq!((&more["state"], &more["sessionId"]), (&json!("succeeded"), &warm["sessionId"]), "{more:#}");
    // Another kind of job does not get what waits.
    until_waiting(client).await;
    let other = client.run(&json!({ "prompt": "[[say: other]]", "model": "claude-haiku-4-5" })).await;
    assert_eq!(other["state"], "succeeded", "{other:#}");
    assert_eq!(metric(client, "legwork_warm_starts_total{outcome=\"hit\"}").await, 1.0);

    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
    nothing_left(data.path()).await;
    assert!(directories(data.path()).iter().all(|name| !name.ends_with(".ahead")), "{:?}", directories(data.path()));
}

#[tokio::test]
async fn what_waits_is_ended_by_the_next_server() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = warm(data.path()) else { return };
    let server = setup.start().await;
    let first = server.client.run(&json!({ "prompt": "[[say: first]]" })).await;
    until_waiting(&server.client).await;
    assert!(directories(data.path()).iter().any(|name| name.ends_with(".ahead")));
    server.kill().await;
    // It may notice the end of its server by itself, sooner or later; its directory stays in any case.
    let server = setup.start().await;
    nothing_left(data.path()).await;
    let first = first["id"].as_str().expect("an id");
    let others: Vec<_> = directories(data.path()).into_iter().filter(|name| !name.starts_with(first)).collect();
    assert!(others.is_empty(), "directory and mark are gone: {others:?}");
    drop(server);
}

#[tokio::test]
async fn what_starts_in_no_time_is_not_kept() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("LEGWORK_WARM__MOST", "1").start().await;
    for _ in 0..3 {
        assert_eq!(server.client.run(&json!({ "prompt": "text hi" })).await["state"], "succeeded");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(metric(&server.client, "legwork_warm_starts_total{outcome=\"hit\"}").await, 0.0);
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn in_bare_mode_a_job_is_done_as_well_and_people_are_asked_all_the_same() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = warm(data.path()) else { return };
    let server = setup.env("LEGWORK_AGENTS__CLAUDE_CODE__BARE", "true").start().await;
    let client = &server.client;
    for _ in 0..2 {
        // It has no tool of its own to write a file.
        let job = json!({ "prompt": "[[bash: echo 1 > a.txt]] [[say: done]]", "tools": { "allow": ["Bash"] } });
        let done = client.run(&job).await;
        assert_eq!((&done["state"], &done["outcome"]["result"]), (&json!("succeeded"), &json!("done")), "{done:#}");
        until_waiting(client).await;
    }
    assert_eq!(metric(client, "legwork_warm_starts_total{outcome=\"hit\"}").await, 1.0);
    let job = json!({ "prompt": "[[write: a.txt | 1]] [[say: done]]", "permissions": { "default": "deny" } });
    let asked = client.run(&job).await;
    let events = client.events(asked["id"].as_str().expect("an id")).await;
    assert!(events.iter().any(|event| event["kind"] == "permission_decision"), "{events:#?}");
}

#[tokio::test]
async fn what_waits_decides_by_the_permissions_of_its_job_alone() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = warm(data.path()) else { return };
    let server = setup.start().await;
    let client = &server.client;
    let job = |default: &str| json!({ "prompt": "[[bash: echo 1 > a.txt]] [[say: done]]", "permissions": { "default": default } });
    let allowed = client.run(&job("allow")).await;
    assert_eq!(allowed["state"], "succeeded", "{allowed:#}");
    until_waiting(client).await;
    let denied = client.run(&job("deny")).await;
    assert_eq!(metric(client, "legwork_warm_starts_total{outcome=\"hit\"}").await, 0.0, "{denied:#}");
    let patch = client.get_text(&format!("/v1/executions/{}/patch", denied["id"].as_str().expect("an id"))).await;
    assert!(!patch.contains("a.txt"), "{patch}");
}

#[tokio::test]
async fn what_was_placed_for_a_job_goes_with_it_also_where_a_program_had_waited() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = warm(data.path()) else { return };
    let servers = "{ silent = { command = \"/bin/cat\", env = { MARK = \"${MARK}\" } } }";
    let server =
        setup.env("LEGWORK_SECRETS__MARK", "mark-of-a-secret").env("LEGWORK_MCP__SERVERS", servers).start().await;
    let client = &server.client;
    let job = json!({ "prompt": "[[say: done]]", "mcpServers": { "silent": {} } });
    client.run(&job).await;
    until_waiting(client).await;
    let waited = client.run(&job).await;
    assert_eq!(waited["state"], "succeeded", "{waited:#}");
    assert_eq!(metric(client, "legwork_warm_starts_total{outcome=\"hit\"}").await, 1.0);
    let events = client.events(waited["id"].as_str().expect("an id")).await;
    let path = events.iter().find(|event| event["kind"] == "workspace").expect("a workspace")["data"]["path"].clone();
    let home = Path::new(path.as_str().expect("a path")).parent().expect("a home").to_owned();
    assert!(
        home.join(".claude").is_dir() && !home.join(".claude/mcp.json").exists(),
        "the file with the secret stays behind"
    );
}
