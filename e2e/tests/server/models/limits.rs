//! Limits: of what a run may cost, and of what the vendor lets it use.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::super::lab::{Client, PATIENCE, check_history, nothing_left};
use super::super::survival::surviving;
use super::vendor::Vendor;
use super::{KEY, calls, paying};

async fn execution(client: &Client, id: &str) -> Value {
    serde_json::from_str(&client.get_text(&format!("/v1/executions/{id}")).await).expect("JSON")
}

/// The execution once it waits for more than a slot.
async fn waiting(client: &Client, id: &str) -> Value {
    let waits = async {
        loop {
            let execution = execution(client, id).await;
            if execution["waiting"].is_object() {
                return execution;
            }
            assert!(execution["outcome"].is_null(), "it has ended: {execution:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.expect("it waits in time")
}

fn in_seconds(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    (now + seconds).to_string()
}

#[tokio::test]
async fn a_run_that_has_cost_what_it_may_is_ended_before_its_next_request() {
    let data = tempfile::tempdir().expect("a directory");
    let vendor = Vendor::start().await;
    let Some(setup) = paying(data.path(), &vendor) else { return };
    let server = setup.start().await;
    let prompt = "[[usage: 100000 1000]] [[bash: echo one]] [[usage: 100000 1000]] [[bash: echo two]] [[say: done]]";
    let job = json!({ "prompt": prompt, "tools": {"allow": ["Bash"]}, "limits": {"maxCostUsd": "$0.01"} });
    let id = server.client.submit(&job).await;
    let ended = check_history(&server.client, &id).await;
    assert_eq!(ended["outcome"]["reason"], "budget_exceeded", "{ended:#}");
    let events = server.client.events(&id).await;
    let results = events.iter().filter(|event| event["kind"] == "tool_result").count();
    assert!(results <= 1 && !calls(&events).is_empty(), "it went on: {events:#?}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_usage_limit_is_waited_for_without_a_slot_and_the_session_goes_on() {
    let data = tempfile::tempdir().expect("a directory");
    let vendor = Vendor::start().await;
    let Some(setup) = paying(data.path(), &vendor) else { return };
    let server = setup.env("LEGWORK_LANES__DEFAULT__CONCURRENCY", "1").start().await;
    let job = json!({
        "prompt": "[[bash: echo before > kept.txt; sleep 2]] [[say: The end.]]",
        "tools": {"allow": ["Bash"]},
    });
    let id = server.client.submit(&job).await;
    server.client.until_event(&id, "tool_call").await;
    vendor.refuse(KEY, 429, &[("anthropic-ratelimit-unified-reset", in_seconds(38))]);
    let parked = waiting(&server.client, &id).await;
    assert_eq!((&parked["state"], &parked["waiting"]["reason"]), (&json!("queued"), &json!("usage_limit")));
    assert!(parked["waiting"]["until"].is_string() && parked["sessionId"].is_string(), "{parked:#}");
    let asked = vendor.asked().len();

    // The lane is held as a whole: another job waits for the same limit, and nobody is asked in vain.
    let other = server.client.submit(&json!({ "prompt": "[[say: Hello.]]" })).await;
    assert_eq!(waiting(&server.client, &other).await["waiting"]["reason"], "usage_limit");
    vendor.serve(KEY);
    assert_eq!(vendor.asked().len(), asked);

    let ended = check_history(&server.client, &id).await;
    assert_eq!(ended["state"], "succeeded", "{ended:#}");
    assert_eq!((&ended["sessionId"], &ended["attempt"]), (&parked["sessionId"], &json!(2)));
    let patch = server.client.get_text(&format!("/v1/executions/{id}/patch")).await;
    assert!(patch.contains("+before"), "what it did before is in its patch: {patch}");
    let output = server.client.get_text(&format!("/v1/executions/{id}/output")).await;
    assert_eq!(output.matches("\"subtype\":\"init\"").count(), 2, "what both processes printed: {output}");
    let events = server.client.events(&id).await;
    assert!(events.iter().any(|event| event["kind"] == "waiting"), "{events:#?}");
    assert_eq!(check_history(&server.client, &other).await["state"], "succeeded");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn another_credential_takes_over_at_once() {
    let data = tempfile::tempdir().expect("a directory");
    let vendor = Vendor::start().await;
    let Some(setup) = paying(data.path(), &vendor) else { return };
    let pool = r#"[{name = "first", api_key = "key-of-the-first"}, {name = "second", api_key = "key-of-the-second"}]"#;
    let server = setup.env("LEGWORK_AGENTS__CLAUDE_CODE__CREDENTIALS", pool).start().await;
    vendor.refuse("key-of-the-first", 429, &[("retry-after", "3600".to_owned())]);
    let id = server.client.submit(&json!({ "prompt": "[[say: Here I am.]]" })).await;
    let ended = check_history(&server.client, &id).await;
    assert_eq!(ended["outcome"]["result"], "Here I am.", "{ended:#}");
    let events = server.client.events(&id).await;
    let asked: Vec<[&Value; 2]> =
        calls(&events).iter().map(|call| ["credential", "status"].map(|key| &call["data"]["call"][key])).collect();
    let (refused, paid) = asked.split_first().expect("a call");
    assert_eq!(*refused, [&json!("first"), &json!(429)]);
    assert!(!paid.is_empty() && paid.iter().all(|call| *call == [&json!("second"), &json!(200)]), "{paid:?}");
    assert_eq!(vendor.shown("key-of-the-first"), 1);
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_credential_that_is_rejected_stops_its_lane_and_no_storm_follows() {
    let data = tempfile::tempdir().expect("a directory");
    let vendor = Vendor::start().await;
    let Some(setup) = paying(data.path(), &vendor) else { return };
    let server = setup.start().await;
    vendor.refuse(KEY, 401, &[]);
    let mut jobs = Vec::new();
    for number in 0..5 {
        jobs.push(server.client.submit(&json!({ "prompt": format!("[[say: {number}]]") })).await);
    }
    for id in &jobs {
        let waits = waiting(&server.client, id).await;
        assert_eq!(waits["waiting"]["reason"], "credentials_rejected", "{waits:#}");
    }
    assert!(vendor.shown(KEY) <= 4, "{} requests with a key that is rejected", vendor.shown(KEY));
    for id in &jobs {
        assert_eq!(server.client.post(&format!("/v1/executions/{id}/cancel")).await, 202);
        assert_eq!(check_history(&server.client, id).await["state"], "cancelled");
    }
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_model_without_a_price_is_an_error_to_be_configured() {
    let data = tempfile::tempdir().expect("a directory");
    let vendor = Vendor::start().await;
    let Some(setup) = paying(data.path(), &vendor) else { return };
    let server = setup.env("LEGWORK_AGENTS__CLAUDE_CODE__MODELS", r#"["claude-*", "qwen3-coder"]"#).start().await;
    let refused = server.client.run(&json!({ "prompt": "[[say: hi]]", "model": "qwen3-coder" })).await;
    assert_eq!(refused["outcome"]["reason"], "price_missing", "{refused:#}");
    let message = refused["outcome"]["message"].as_str().expect("a message");
    assert!(message.contains("[prices.\"qwen3-coder\"]"), "{message}");
    let body = json!({ "prompt": "[[say: hi]]", "model": "gpt-5.5" });
    assert_eq!(server.client.post_json("/v1/executions", &body).await, 422, "it is not among those that are allowed");
}

#[tokio::test]
async fn a_run_that_meets_a_budget_pauses_until_it_is_raised() {
    let data = tempfile::tempdir().expect("a directory");
    let vendor = Vendor::start().await;
    let Some(setup) = paying(data.path(), &vendor) else { return };
    let server = setup.env("LEGWORK_BUDGETS__RESERVE", "$0.001").start().await;
    let budget = |limit: &str| {
        json!({
            "scope": "project", "name": "site", "period": "total", "limitUsd": limit, "pauseOnExceed": true,
            "alertAtPercent": 50,
        })
    };
    let put = async |limit: &str| {
        let request = server.client.request("PUT", "/v1/budgets").json(&budget(limit));
        assert_eq!(request.send().await.expect("an answer").status(), 200);
    };
    put("$0.01").await;
    let prompt = "[[usage: 100000 1000]] [[bash: echo one > one.txt]] [[say: two]]";
    let job = json!({ "prompt": prompt, "project": "site", "tools": {"allow": ["Bash"]} });
    let id = server.client.submit(&job).await;
    let paused = waiting(&server.client, &id).await;
    assert_eq!(paused["waiting"], json!({"reason": "budget"}), "{paused:#}");
    assert_eq!(server.client.post_json("/v1/executions", &job).await, 402, "there is no room for another");
    put("$500").await;
    let ended = check_history(&server.client, &id).await;
    assert_eq!(ended["state"], "succeeded", "{ended:#}");
    let events = server.client.events(&id).await;
    assert_eq!(events.iter().filter(|event| event["kind"] == "budget_alert").count(), 1, "{events:#?}");
    let refusals = server.client.get_text("/v1/budgets/refusals").await;
    assert_eq!(refusals.matches("\"budgetId\"").count(), 2, "{refusals}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_model_that_is_overloaded_is_followed_by_the_next_of_the_list() {
    let data = tempfile::tempdir().expect("a directory");
    let vendor = Vendor::start().await;
    let Some(setup) = paying(data.path(), &vendor) else { return };
    let server = setup.env("LEGWORK_AGENTS__CLAUDE_CODE__FALLBACK", r#"["claude-haiku-4-5"]"#).start().await;
    vendor.overload("claude-opus-4-8");
    let id = server.client.submit(&json!({ "prompt": "[[say: Here I am.]]", "model": "claude-opus-4-8" })).await;
    let ended = check_history(&server.client, &id).await;
    assert_eq!(ended["outcome"]["result"], "Here I am.", "{ended:#}");
    let events = server.client.events(&id).await;
    let changed = events.iter().find(|event| event["data"]["topic"] == "other_way_to_model").expect("it is told");
    assert_eq!(changed["data"]["fields"], json!({"from": "claude-opus-4-8", "to": "claude-haiku-4-5"}));
    let is_told = |call: &&Value| match call["data"]["call"]["status"].as_u64() {
        Some(529) => call["data"]["model"] == "claude-opus-4-8" && call["data"]["call"]["costUsd"] == 0.0,
        Some(200) => call["data"]["model"] == "claude-haiku-4-5",
        _ => false,
    };
    assert!(calls(&events).iter().all(is_told), "{events:#?}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn the_next_model_of_the_list_goes_on_without_the_server() {
    let data = tempfile::tempdir().expect("a directory");
    let vendor = Vendor::start().await;
    let Some(setup) = paying(data.path(), &vendor) else { return };
    let setup = surviving(setup).env("LEGWORK_AGENTS__CLAUDE_CODE__FALLBACK", r#"["claude-haiku-4-5"]"#);
    let first = setup.start().await;
    vendor.overload("claude-opus-4-8");
    let prompt = "[[say: one]] [[bash: sleep 2]] [[say: two]]";
    let job = json!({ "prompt": prompt, "model": "claude-opus-4-8", "tools": {"allow": ["Bash"]} });
    let id = first.client.submit(&job).await;
    first.client.until_event(&id, "tool_call").await;
    first.kill().await;
    let second = setup.start().await;
    let ended = check_history(&second.client, &id).await;
    assert_eq!((&ended["outcome"]["result"], &ended["attempt"]), (&json!("two"), &json!(1)), "{ended:#}");
    let events = second.client.events(&id).await;
    let told = events.iter().filter(|event| event["data"]["topic"] == "other_way_to_model").count();
    let tools = events.iter().filter(|event| event["kind"] == "tool_call").count();
    assert_eq!((told, tools), (1, 1), "{events:#?}");
    let metered = calls(&events).iter().filter(|call| call["data"]["call"]["status"] == 200).count() as u64;
    assert!(ended["outcome"]["metered"]["calls"].as_u64() >= Some(metered), "{ended:#}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_project_has_the_models_that_it_may_use() {
    let data = tempfile::tempdir().expect("a directory");
    let vendor = Vendor::start().await;
    let Some(setup) = paying(data.path(), &vendor) else { return };
    let server = setup
        .env("LEGWORK_PROJECTS__SITE__MODELS", r#"["claude-haiku-*", "claude-sonnet-4-5"]"#)
        .env("LEGWORK_AGENTS__CLAUDE_CODE__FALLBACK", r#"["claude-opus-4-8", "claude-haiku-4-5"]"#)
        .start()
        .await;
    // Nobody named a model, so that it is the CLI's own choice, of which nothing is known before it asks.
    let id = server.client.submit(&json!({ "prompt": "[[say: Hello.]]", "project": "site" })).await;
    let ended = check_history(&server.client, &id).await;
    let failed = &ended["outcome"];
    assert_eq!((&failed["reason"], &failed["apiStatus"]), (&json!("refused_by_policy"), &json!(403)), "{ended:#}");
    assert!(failed["message"].as_str().is_some_and(|message| message.contains("claude-haiku-*")), "{ended:#}");
    assert!(vendor.asked().is_empty(), "the vendor was asked");

    // What stands in for a model has to be allowed, too.
    vendor.overload("claude-sonnet-4-5");
    let job = json!({ "prompt": "[[say: Hello.]]", "project": "site", "model": "claude-sonnet-4-5" });
    let id = server.client.submit(&job).await;
    assert_eq!(check_history(&server.client, &id).await["outcome"]["result"], "Hello.");
    let other = server.client.submit(&json!({ "prompt": "[[say: Hello.]]", "project": "other" })).await;
    assert_eq!(check_history(&server.client, &other).await["outcome"]["result"], "Hello.");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn what_a_run_may_cost_holds_for_an_agent_that_knows_no_limit() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = super::super::agents::rehearsing(data.path()) else { return };
    let server = setup.start().await;
    let prompt = "[[usage: 100000 1000]] [[bash: echo one]] [[usage: 100000 1000]] [[bash: echo two]] [[say: done]]";
    let job = json!({ "agent": "codex", "prompt": prompt, "limits": {"maxCostUsd": 0.01} });
    let id = server.client.submit(&job).await;
    let ended = check_history(&server.client, &id).await;
    assert_eq!(ended["outcome"]["reason"], "budget_exceeded", "{ended:#}");
    assert!(ended["outcome"]["metered"]["costUsd"].as_f64() > Some(0.01), "{ended:#}");
}
