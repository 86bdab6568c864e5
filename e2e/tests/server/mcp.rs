//! MCP servers that the real agent uses.

use serde_json::json;

use super::claude::rehearsing;
use super::lab::{check_history, nothing_left, program};

const SECRET: &str = "mark-4242-secret";

#[tokio::test]
async fn the_real_agent_calls_a_server_that_the_job_brings_and_none_of_the_repository() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let own = format!(
        "{{ operators = {{ command = {:?}, env = {{ MARK = \"${{MARK}}\" }} }} }}",
        program("adding-mcp-server")
    );
    let workspaces = tempfile::tempdir().expect("a directory");
    let work = workspaces.path().join("repository");
    std::fs::create_dir(&work).expect("made");
    let hostile = json!({ "mcpServers": { "hostile": { "command": "touch", "args": [work.join("hostile")] } } });
    std::fs::write(work.join(".mcp.json"), hostile.to_string()).expect("written");

    let server = setup
        .env("LEGWORK_SECRETS__MARK", SECRET)
        .env("LEGWORK_MCP__SERVERS", own)
        .env("LEGWORK_WORKSPACES__ROOTS", format!("[{:?}]", workspaces.path()))
        .start()
        .await;
    let client = &server.client;
    let job = json!({
        "prompt": "[[tool: mcp__mine__add | {\"a\": 2, \"b\": 3}]] [[tool: mcp__operators__add | {\"a\": 4, \"b\": 5}]] [[say: done]]",
        "workspace": work,
        "mcpServers": { "mine": { "command": program("adding-mcp-server") }, "operators": {} },
        "tools": { "allow": ["mcp__mine", "mcp__operators"] },
    });
    let id = client.submit(&job).await;
    let execution = check_history(client, &id).await;
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    let events = client.events(&id).await;
    let outputs: Vec<_> = events
        .iter()
        .filter(|event| event["kind"] == "tool_result")
        .filter_map(|event| event["data"]["output"].as_str())
        .collect();
    assert_eq!(outputs, ["The sum is 5; the mark is .", "The sum is 9; the mark is ***."], "{events:#?}");
    assert!(!work.join("hostile").exists(), "the repository's own server was started");
    let everything =
        format!("{events:#?}{execution:#}{}", client.get_text(&format!("/v1/executions/{id}/output")).await);
    assert!(!everything.contains(SECRET));
    nothing_left(data.path()).await;
    let left = std::fs::read_to_string(data.path().join("runs").join(&id).join(".claude/mcp.json"));
    assert!(left.is_err(), "the file with the secret stays behind");
}

#[tokio::test]
async fn a_repository_that_is_trusted_may_bring_its_own_server() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let workspaces = tempfile::tempdir().expect("a directory");
    let work = workspaces.path().join("repository");
    std::fs::create_dir_all(work.join(".claude")).expect("made");
    let servers = json!({ "mcpServers": { "own": { "command": program("adding-mcp-server") } } });
    std::fs::write(work.join(".mcp.json"), servers.to_string()).expect("written");
    let settings = json!({ "enableAllProjectMcpServers": true });
    std::fs::write(work.join(".claude/settings.json"), settings.to_string()).expect("written");
    let job = json!({
        "prompt": "[[tool: mcp__own__add | {\"a\": 2, \"b\": 3}]] [[say: done]]",
        "workspace": work, "tools": { "allow": ["mcp__own"] },
    });
    let roots = format!("[{:?}]", workspaces.path());
    let server = setup
        .env("LEGWORK_WORKSPACES__ROOTS", roots)
        .env("LEGWORK_AGENTS__CLAUDE_CODE__TRUST_REPOSITORY", "true")
        .start()
        .await;
    let id = server.client.submit(&job).await;
    assert_eq!(check_history(&server.client, &id).await["state"], "succeeded");
    let events = server.client.events(&id).await;
    let sum =
        events.iter().any(|event| event["data"]["output"].as_str().is_some_and(|text| text.contains("The sum is 5")));
    assert!(sum, "{events:#?}");
    nothing_left(data.path()).await;
}
