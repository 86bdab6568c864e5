//! MCP servers that the real agent uses.

use serde_json::json;

use super::agents;
use super::claude::rehearsing;
use super::conversations::of_kind;
use super::lab::{check_history, nothing_left, program};
use super::tool_uses::tool_uses;

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

/// What differs between agents: how their model calls the tools of servers, and how events and rules name them.
struct Case {
    agent: &'static str,
    called: fn(&str) -> String,
    named: fn(&str) -> String,
}

/// Two servers, of the job and of the operator, which both may be used; then one of them that a rule forbids.
async fn calls_servers_as_far_as_rules_let_it(case: Case) {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = agents::rehearsing(data.path()) else { return };
    let adding = program("adding-mcp-server");
    let own = format!("{{ operators = {{ command = {adding:?}, env = {{ MARK = \"${{MARK}}\" }} }} }}");
    let server = setup.env("LEGWORK_SECRETS__MARK", SECRET).env("LEGWORK_MCP__SERVERS", own).start().await;
    let client = &server.client;
    let call = |server: &str, a| format!("[[tool: {} | {{\"a\": {a}, \"b\": 3}}]]", (case.called)(server));
    for (allowed, sums) in [(&["mine", "operators"][..], &["5", "9; the mark is ***"][..]), (&["mine"], &["5"])] {
        let rule = |server: &&str| json!({ "action": "allow", "tool": (case.named)(server) });
        let job = json!({
            "agent": case.agent,
            "prompt": format!("{} {} [[say: done]]", call("mine", 2), call("operators", 6)),
            "mcpServers": { "mine": { "command": adding }, "operators": {} },
            "permissions": { "rules": allowed.iter().map(rule).collect::<Vec<_>>(), "default": "deny" },
            "limits": { "timeoutSeconds": 60 },
        });
        let id = client.submit(&job).await;
        let execution = check_history(client, &id).await;
        // Copilot ends its turn where it is refused something.
        assert_eq!(execution["state"], "succeeded", "{execution:#}");
        let events = client.events(&id).await;
        let calls: Vec<_> = of_kind(&events, "tool_call").iter().map(|event| event["data"]["input"].clone()).collect();
        assert_eq!(calls, [json!({ "a": 2, "b": 3 }), json!({ "a": 6, "b": 3 })], "{}: {events:#?}", case.agent);
        let results = of_kind(&events, "tool_result");
        let outputs: Vec<_> = results.iter().filter_map(|event| event["data"]["output"].as_str()).collect();
        let told: Vec<_> = outputs.iter().filter(|output| output.contains("The sum is")).collect();
        assert_eq!(told.len(), sums.len(), "{}: {events:#?}", case.agent);
        assert!(told.iter().zip(sums).all(|(told, sum)| told.contains(&format!("sum is {sum}"))), "{told:?}");
        let decided = |server: &&str| if allowed.contains(server) { "allowed" } else { "denied" };
        let expected =
            ["mine", "operators"].map(|server| format!("{} {} policy", (case.named)(server), decided(&server)));
        assert_eq!(tool_uses(client, &id).await, expected);
        assert!(!format!("{events:#?}{execution:#}").contains(SECRET));
    }
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn codex_calls_servers_as_far_as_rules_let_it() {
    let called = |server: &str| format!("mcp__{server}::add");
    let named = |server: &str| format!("mcp__{server}__add");
    calls_servers_as_far_as_rules_let_it(Case { agent: "codex", called, named }).await;
}

#[tokio::test]
async fn gemini_calls_servers_as_far_as_rules_let_it() {
    let named = |server: &str| format!("mcp_{server}_add");
    calls_servers_as_far_as_rules_let_it(Case { agent: "gemini", called: named, named }).await;
}

#[tokio::test]
async fn copilot_calls_servers_as_far_as_rules_let_it() {
    let named = |server: &str| format!("{server}-add");
    calls_servers_as_far_as_rules_let_it(Case { agent: "copilot", called: named, named }).await;
}

#[tokio::test]
async fn opencode_calls_servers_as_far_as_rules_let_it() {
    let named = |server: &str| format!("{server}_add");
    calls_servers_as_far_as_rules_let_it(Case { agent: "opencode", called: named, named }).await;
}
