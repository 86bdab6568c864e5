//! The log of tool uses, with the real Claude Code.

use serde_json::{Value, json};

use super::claude::rehearsing;
use super::conversations::{nth, of_kind, send};
use super::lab::{Client, check_history, nothing_left};

/// All uses of tools of an execution, in the order of their events.
async fn listed(client: &Client, id: &str) -> Vec<Value> {
    let page = client.get_text(&format!("/v1/tool-uses?executionId={id}&limit=200")).await;
    let mut page: Value = serde_json::from_str(&page).expect("JSON");
    let mut uses: Vec<Value> = serde_json::from_value(page["toolUses"].take()).expect("a list");
    uses.reverse();
    uses
}

fn short(one: &Value) -> String {
    let text = |name: &str| one[name].as_str().unwrap_or("?");
    format!("{} {} {}", text("tool"), text("decision"), text("decidedBy"))
}

/// The same, in short.
pub(crate) async fn tool_uses(client: &Client, id: &str) -> Vec<String> {
    listed(client, id).await.iter().map(short).collect()
}

/// Decides what the agent asked, and gives the approval.
async fn decide(client: &Client, asked: &Value, decision: &str) -> Value {
    let path = format!("/v1/approvals/{}", asked["data"]["id"].as_str().expect("an id"));
    let shown: Value = serde_json::from_str(&client.get_text(&path).await).expect("JSON");
    let (status, decided) = send(client, &path, &json!({ "decision": decision, "digest": shown["digest"] })).await;
    assert_eq!(status, 200, "{decided:#}");
    decided
}

#[tokio::test]
async fn every_use_is_on_record_with_who_let_it() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let server = setup.start().await;
    let client = &server.client;
    let job = json!({
        "prompt": "[[write: a.txt | 1]] [[bash: curl -V]] [[bash: echo b > b.txt]] [[bash: echo c > c.txt]] [[bash: echo d > d.txt]] [[say: done]]",
        "permissions": {
            "rules": [{ "action": "allow", "tool": "Write" }, { "action": "deny", "risk": "network" }],
            "timeoutSeconds": 6,
        },
    });
    let id = client.submit(&job).await;
    let asked = nth(client, &id, "permission_request", 1).await;
    assert_eq!(tool_uses(client, &id).await, ["Write allowed policy", "Bash denied policy", "Bash pending ?"]);
    let approved = decide(client, &asked, "allow").await;
    decide(client, &nth(client, &id, "permission_request", 2).await, "deny").await;
    let execution = check_history(client, &id).await;
    assert_eq!(execution["outcome"]["result"], "done", "{execution:#}");

    let uses = listed(client, &id).await;
    let expected = [
        "Write allowed policy",
        "Bash denied policy",
        "Bash allowed local",
        "Bash denied local",
        "Bash denied timeout",
    ];
    assert_eq!(uses.iter().map(short).collect::<Vec<_>>(), expected, "{uses:#?}");
    let risks: Vec<_> = uses.iter().map(|one| &one["risk"]).collect();
    assert_eq!(risks, ["write", "network", "execute", "execute", "execute"]);
    assert_eq!((&uses[2]["digest"], &uses[2]["approvalId"]), (&approved["digest"], &approved["id"]));
    let events = client.events(&id).await;
    let calls: Vec<_> = of_kind(&events, "tool_call").iter().map(|event| &event["seq"]).collect();
    assert_eq!(uses.iter().map(|one| &one["seq"]).collect::<Vec<_>>(), calls, "{events:#?}");
    let work = data.path().join("runs").join(&id).join("work");
    let made: Vec<_> =
        ["a.txt", "b.txt", "c.txt", "d.txt"].into_iter().filter(|file| work.join(file).exists()).collect();
    assert_eq!(made, ["a.txt", "b.txt"]);
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn without_permissions_the_agent_itself_lets_and_refuses() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let server = setup.start().await;
    let job = json!({ "prompt": "[[write: a.txt | 1]] [[bash: node -e 1]] [[say: done]]" });
    let execution = server.client.run(&job).await;
    assert_eq!(execution["outcome"]["reason"], "permission_denied", "{execution:#}");
    let uses = tool_uses(&server.client, execution["id"].as_str().expect("an id")).await;
    assert_eq!(uses, ["Write allowed agent", "Bash denied agent"]);
}
