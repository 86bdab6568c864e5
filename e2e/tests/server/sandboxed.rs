//! Runs in sandboxes, through the whole service.

use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::claude::rehearsing;
use super::conversations::{nth, of_kind};
use super::lab::{Client, Setup, check_history, nothing_left};

/// A server whose runs live in bubblewrap, where it works; it has to under CI.
async fn sandboxed(data: &Path) -> Option<Setup> {
    let setup = rehearsing(data)?.env("LEGWORK_SANDBOX__KIND", "auto");
    let runner = legwork_runner::Runner::new().expect("a runner").with_bubblewrap("/usr/bin/bwrap".into());
    let works = runner.probe().await.into_iter().all(|(_, found)| found.is_ok());
    if !works {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "bubblewrap must work under CI");
        eprintln!("SKIPPED: bubblewrap does not work here");
    }
    works.then_some(setup)
}

async fn egress(client: &Client, id: &str) -> Value {
    let text = client.get_text(&format!("/v1/executions/{id}/egress")).await;
    serde_json::from_str(&text).expect("JSON")
}

fn results(events: &[Value]) -> Vec<&str> {
    of_kind(events, "tool_result").into_iter().filter_map(|event| event["data"]["output"].as_str()).collect()
}

/// A web server on port 80 of this machine that answers everything.
async fn web_server() -> Option<u16> {
    let listener = TcpListener::bind("127.0.0.1:80").await.ok()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 2048];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").await;
        }
    });
    Some(80)
}

const TOOLS: &str = r#"{"allow":["Bash"]}"#;

fn job(prompt: &str, sandbox: &Value) -> Value {
    let tools: Value = serde_json::from_str(TOOLS).expect("JSON");
    json!({ "prompt": prompt, "tools": tools, "sandbox": sandbox })
}

#[tokio::test]
async fn the_real_agent_works_in_the_strongest_sandbox_by_default() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = sandboxed(data.path()).await else { return };
    let server = setup.start().await;
    let prompt = "[[write: a.txt | 1]] [[bash: cat a.txt; ls /proc | grep -c '^[0-9]'; ls /home /root 2>&1; id -u]] [[say: done]]";
    let id = server.client.submit(&job(prompt, &json!({}))).await;
    let execution = check_history(&server.client, &id).await;
    assert_eq!((&execution["state"], &execution["outcome"]["result"]), (&json!("succeeded"), &json!("done")));
    let patch = server.client.get_text(&format!("/v1/executions/{id}/patch")).await;
    assert!(patch.contains("a.txt"), "{patch}");
    let seen = results(&server.client.events(&id).await).join("\n");
    assert!(!seen.contains("work"), "nobody's home is to be seen: {seen}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_run_reaches_what_it_may_and_it_is_on_record() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = sandboxed(data.path()).await else { return };
    let Some(_) = web_server().await else { return eprintln!("SKIPPED: port 80 of this machine is taken") };
    let server = setup.env("LEGWORK_SANDBOX__PRIVATE_NETWORKS", r#"["127.0.0.0/8", "::1/128"]"#).start().await;
    let curl = "curl -s --noproxy '' --max-time 10";
    let prompt = format!(
        "[[bash: {curl} http://localhost/ ; {curl} -o /dev/null -w ' %{{http_code}} ' http://denied.test/ ; {curl} --proxy '' http://127.0.0.1:80/ || echo no-route]] [[say: done]]"
    );
    let id = server.client.submit(&job(&prompt, &json!({ "allowedDomains": ["localhost"] }))).await;
    let execution = check_history(&server.client, &id).await;
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    let events = server.client.events(&id).await;
    let said = results(&events).join("\n");
    assert!(said.contains("hello 403") && said.contains("no-route"), "{said}");
    let report = egress(&server.client, &id).await;
    assert_eq!(report["egress"], "enforce", "{report:#}");
    let verdict = |host: &str| {
        let hosts = report["hosts"].as_array().expect("hosts");
        hosts.iter().find(|seen| seen["host"] == host).map(|seen| (seen["verdict"].clone(), seen["reason"].clone()))
    };
    assert_eq!(verdict("localhost"), Some((json!("allowed"), Value::Null)), "{report:#}");
    assert_eq!(verdict("denied.test"), Some((json!("denied"), json!("not_listed"))), "{report:#}");
}

#[tokio::test]
async fn an_observed_run_tells_what_its_list_would_need() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = sandboxed(data.path()).await else { return };
    let server = setup.start().await;
    let prompt = "[[bash: curl -s --max-time 10 http://needed.test/ || true]] [[say: done]]";
    let sandbox = json!({ "egress": "observe", "allowedDomains": ["known.test"] });
    let id = server.client.submit(&job(prompt, &sandbox)).await;
    assert_eq!(check_history(&server.client, &id).await["state"], "succeeded");
    let report = egress(&server.client, &id).await;
    assert_eq!(report["egress"], "observe");
    assert!(report["hosts"].to_string().contains("needed.test"), "{report:#}");
}

#[tokio::test]
async fn what_a_run_takes_has_limits_with_reasons_of_their_own() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = sandboxed(data.path()).await else { return };
    let server = setup.start().await;
    let fill = "[[bash: dd if=/dev/zero of=big bs=1M count=200 2>/dev/null; sleep 20]] [[say: done]]";
    let id = server.client.submit(&job(fill, &json!({ "disk": "50Mi" }))).await;
    let execution = check_history(&server.client, &id).await;
    assert_eq!(execution["outcome"]["reason"], "disk_limit", "{execution:#}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_sandbox_that_can_not_be_had_is_refused_and_never_open() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = Setup::scripted(data.path())
        .env("LEGWORK_SANDBOX__KIND", "auto")
        .env("LEGWORK_SANDBOX__BUBBLEWRAP__PROGRAM", "/nowhere/bwrap");
    let server = setup.start().await;
    for sandbox in [json!({ "kind": "bubblewrap" }), json!({ "allowedDomains": [] })] {
        let id = server.client.submit(&json!({ "prompt": "text hi", "sandbox": sandbox })).await;
        let execution = check_history(&server.client, &id).await;
        assert_eq!(execution["outcome"]["reason"], "sandbox_unavailable", "{execution:#}");
        let message = execution["outcome"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("/nowhere/bwrap"), "{message}");
    }
    // What asks for nothing gets what there is.
    let id = server.client.submit(&json!({ "prompt": "text hi" })).await;
    assert_eq!(check_history(&server.client, &id).await["state"], "succeeded");
}

#[tokio::test]
async fn a_confined_run_outlives_its_server_and_reaches_its_model_again() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = sandboxed(data.path()).await else { return };
    let setup = setup.env("LEGWORK_RUNS__DETACH", "true");
    let first = setup.start().await;
    let id =
        first.client.submit(&job("[[say: one]] [[bash: sleep 2]] [[say: two]]", &json!({ "memory": "2Gi" }))).await;
    nth(&first.client, &id, "text", 1).await;
    first.kill().await;
    let second = setup.start().await;
    let execution = check_history(&second.client, &id).await;
    assert_eq!((&execution["state"], &execution["attempt"]), (&json!("succeeded"), &json!(1)), "{execution:#}");
    nothing_left(data.path()).await;
}
