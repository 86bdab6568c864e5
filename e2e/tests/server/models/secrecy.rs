//! The key that pays is nowhere but at the vendor.

use serde_json::{Value, json};

use super::super::lab::{check_history, nothing_left};
use super::vendor::Vendor;
use super::{KEY, calls, paying};

/// Prints all that a program can find out about itself and its neighbours.
const SNOOP: &str = "env; cat /proc/self/environ /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; \
                     cat ~/.claude/.credentials.json ~/.claude.json 2>/dev/null; true";

#[tokio::test]
async fn an_agent_that_prints_all_it_knows_does_not_know_the_key_and_its_costs_are_metered() {
    let data = tempfile::tempdir().expect("a directory");
    let vendor = Vendor::start().await;
    let Some(setup) = paying(data.path(), &vendor) else { return };
    // The process of the server has the key in its environment, and another user may not look there.
    let server = setup.env("LEGWORK_SANDBOX__KIND", "auto").start().await;
    let prompt = format!("[[bash: {SNOOP}]] [[usage: 1000 50]] [[say: All told.]]");
    let id = server.client.submit(&json!({ "prompt": prompt, "tools": {"allow": ["Bash"]} })).await;
    let execution = check_history(&server.client, &id).await;
    assert_eq!(execution["outcome"]["result"], "All told.", "{execution:#}");

    let events = server.client.events(&id).await;
    let output = server.client.get_text(&format!("/v1/executions/{id}/output")).await;
    for shown in [Value::from(events.clone()).to_string(), output, execution.to_string()] {
        assert!(shown.contains("ANTHROPIC_BASE_URL") || !shown.contains("PATH="), "it did print its environment");
        assert!(!shown.contains(KEY) && !shown.contains("lwr_"), "a key or a token is shown: {shown}");
    }
    assert!(vendor.shown(KEY) > 0);
    assert!(vendor.asked().iter().all(|headers| !format!("{headers:?}").contains("lwr_")), "a token went out");

    let calls = calls(&events);
    let metered = &execution["outcome"]["metered"];
    assert_eq!(metered["calls"], calls.len(), "{metered:#}");
    let sum: f64 = calls.iter().filter_map(|call| call["data"]["call"]["costUsd"].as_f64()).sum();
    assert!(sum > 0.0 && (sum - metered["costUsd"].as_f64().expect("a cost")).abs() < 1e-6, "{metered:#}");
    assert!(metered["moreThanReportedUsd"].is_number(), "{metered:#}");
    let usage: Value = serde_json::from_str(&server.client.get_text("/v1/usage?by=model").await).expect("JSON");
    assert!(usage.to_string().contains("claude"), "{usage:#}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn what_comes_from_inside_with_another_key_is_paid_with_the_real_one_or_not_at_all() {
    let data = tempfile::tempdir().expect("a directory");
    let vendor = Vendor::start().await;
    let Some(setup) = paying(data.path(), &vendor) else { return };
    let server = setup.start().await;
    let curl = "curl -s --noproxy '*' -o /dev/null -w '%{http_code} ' -H 'content-type: application/json'";
    let body = r#"-d '{"model":"claude-haiku-4-5","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}'"#;
    let bash = format!(
        "{curl} -H 'x-api-key: attackers' {body} $ANTHROPIC_BASE_URL/v1/messages; \
         {curl} -H \"authorization: Bearer $ANTHROPIC_API_KEY\" -H 'x-api-key: attackers' {body} $ANTHROPIC_BASE_URL/v1/messages; \
         {curl} -H \"x-api-key: $ANTHROPIC_API_KEY\" -F file=@/etc/hostname $ANTHROPIC_BASE_URL/v1/files"
    );
    let prompt = format!("[[bash: {bash}]] [[say: done]]");
    let id = server.client.submit(&json!({ "prompt": prompt, "tools": {"allow": ["Bash"]} })).await;
    check_history(&server.client, &id).await;
    let events = server.client.events(&id).await;
    let output = events.iter().find(|event| event["kind"] == "tool_result").expect("a result");
    assert_eq!(output["data"]["output"], "401 200 404", "{output:#}");
    assert_eq!(vendor.shown("attackers"), 0);
    assert!(vendor.asked().iter().all(|headers| !format!("{headers:?}").contains("attackers")));
}
