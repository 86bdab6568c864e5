//! Budgets and usage through the API.

use std::fmt::Write;

use legwork_model::{Cost, ExecutionId, ModelApi, ModelCall, Timestamp, Usage};
use legwork_server::store::charge::Charge;
use serde_json::{Value, json};

use crate::app::{NOW, TestApp};
use crate::http::Answer;

const DAY: i64 = 86_400_000;

async fn put(app: &TestApp, body: &Value) -> Answer {
    app.call("PUT", "/v1/budgets").json(body).send().await
}

fn daily(scope: &str, name: &str, limit: impl Into<Value>) -> Value {
    json!({ "scope": scope, "name": name, "period": "day", "limitUsd": limit.into() })
}

/// Counts a request of an execution to its model, as the gateway does.
async fn charge(app: &TestApp, id: &str, call: &str, dollars: &str, at: Timestamp) {
    let execution: ExecutionId = id.parse().expect("an id");
    let cost_usd: Cost = dollars.parse().expect("an amount");
    let call = ModelCall {
        id: call.into(),
        api: ModelApi::Anthropic,
        credential: "main".into(),
        status: 200,
        cost_usd,
        estimated: false,
        imputed: call.starts_with("imputed"),
        first_byte_ms: 1,
        duration_ms: 2,
    };
    let usage = Usage { input_tokens: 10, output_tokens: 5, cache_read_tokens: 2, cache_write_tokens: 1 };
    let charge = Charge { execution, model: "opus".into(), usage, call, at };
    app.service().app.store.charge(charge).await.expect("counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_without_room_says_which_and_until_when() {
    let app = TestApp::start().await;
    let made = put(&app, &daily("project", "site", "$1.00")).await.expect(200).json();
    let job = |project: &str| json!({ "prompt": "hang", "project": project, "user": "ada", "limits": { "maxCostUsd": "$0.75" } });
    let first = app.post("/v1/executions", &job("site")).await.expect(202).json();
    assert_eq!((&first["project"], &first["user"]), (&json!("site"), &json!("ada")));
    let refused = app.post("/v1/executions", &job("site")).await;
    assert_eq!(refused.status, 402);
    assert_eq!(refused.header("retry-after"), "43200", "half a day until midnight");
    assert_eq!(
        refused.json(),
        json!({
            "type": "about:blank", "title": "Payment Required", "status": 402, "code": "budget_exceeded",
            "detail": "the budget of the project `site` is $1.00 per day: $0.00 are spent and $0.75 set aside, and $0.75 more do not \
                       fit; counting begins anew at 2026-03-02T00:00:00.000Z",
            "budgetId": made["id"], "scope": "project", "name": "site", "subject": "site", "period": "day", "limitUsd": 1.0,
            "spentUsd": 0.0, "reservedUsd": 0.75, "requestedUsd": 0.75, "resetsAt": "2026-03-02T00:00:00.000Z",
        })
    );
    let other = app.post("/v1/executions", &job("app")).await.expect(202).json();
    let ids = [&first, &other].map(|execution| execution["id"].as_str().expect("an id").to_owned());
    let counters = app.get("/v1/budgets").await.expect(200).json()["budgets"][0]["counters"].clone();
    assert_eq!(counters, json!([{ "subject": "site", "spentUsd": 0.0, "reservedUsd": 0.75, "remainingUsd": 0.25 }]));
    for id in &ids {
        app.cancel(id).await.expect(202);
        app.ended(id).await;
    }
    let counters = app.get("/v1/budgets").await.expect(200).json()["budgets"][0]["counters"].clone();
    assert_eq!(counters, json!([{ "subject": "site", "spentUsd": 0.0, "reservedUsd": 0.0, "remainingUsd": 1.0 }]));
    let refusals = app.get("/v1/budgets/refusals").await.expect(200).json();
    assert_eq!(refusals["refusals"].as_array().map(Vec::len), Some(1), "{refusals}");
    assert_eq!(refusals["refusals"][0]["requestedUsd"], json!(0.75));
    // A retry is of the same project, and so is a list of its jobs.
    let again = app.call("POST", &format!("/v1/executions/{}/retry", ids[0])).send().await.expect(202).json();
    assert_eq!(again["project"], json!("site"));
    let again = again["id"].as_str().expect("an id").to_owned();
    app.cancel(&again).await;
    app.ended(&again).await;
    let listed = app.get("/v1/executions?project=site&user=ada").await.expect(200).json();
    assert_eq!(listed["executions"].as_array().map(Vec::len), Some(2), "{listed}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_never_begins_anew_says_nothing_of_trying_again() {
    let app = TestApp::start().await;
    put(&app, &json!({ "scope": "install", "period": "total", "limitUsd": 0 })).await.expect(200);
    let refused = app.post("/v1/executions", &json!({ "prompt": "hello" })).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (402, ""));
    assert_eq!(refused.json().get("resetsAt"), None);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_are_made_changed_listed_and_removed() {
    let app = TestApp::start().await;
    let id = app.run("hello").await;
    charge(&app, &id, "one", "0.25", NOW).await;
    let install = json!({
        "scope": "install", "period": "month", "limitUsd": "$5.00", "alertAtPercent": 80, "pauseOnExceed": true,
        "timeZone": "europe/berlin",
    });
    let made = put(&app, &install).await.expect(200).json();
    let mut expected = json!({
        "id": made["id"], "scope": "install", "name": "*", "period": "month", "limitUsd": 5.0, "alertAtPercent": 80,
        "pauseOnExceed": true, "timeZone": "Europe/Berlin", "periodStart": "2026-02-28T23:00:00.000Z",
        "resetsAt": "2026-03-31T22:00:00.000Z", "updatedAt": "2026-03-01T12:00:00.000Z",
        "counters": [{ "subject": "*", "spentUsd": 0.25, "reservedUsd": 0.0, "remainingUsd": 4.75 }],
    });
    assert_eq!(made, expected);
    assert!(made["id"].as_str().is_some_and(|id| id.starts_with("bud_")));
    charge(&app, &id, "two", "4.00", NOW).await;
    let mut changed = install.clone();
    changed["limitUsd"] = json!(4);
    expected["limitUsd"] = json!(4.0);
    expected["counters"] = json!([{ "subject": "*", "spentUsd": 4.25, "reservedUsd": 0.0, "remainingUsd": 0.0, "alertedAt": "2026-03-01T12:00:00.000Z" }]);
    assert_eq!(put(&app, &changed).await.expect(200).json(), expected, "the same budget, with its counter");
    // The session by any of its executions, by the one that began it.
    let session = put(&app, &daily("session", &id, 1)).await.expect(200).json();
    assert_eq!((&session["name"], &session["counters"][0]["spentUsd"]), (&json!(id), &json!(4.25)));
    let list = app.get("/v1/budgets").await.expect(200).json();
    assert_eq!(list["budgets"].as_array().map(Vec::len), Some(2), "{list}");
    for budget in [&made, &session] {
        let path = format!("/v1/budgets/{}", budget["id"].as_str().expect("an id"));
        app.call("DELETE", &path).send().await.expect(204);
        assert_eq!(app.call("DELETE", &path).send().await.status, 404);
    }
    assert_eq!(app.get("/v1/budgets").await.expect(200).json(), json!({ "budgets": [] }));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_budget_says_what_is_wrong() {
    let app = TestApp::start().await;
    let mut table = String::new();
    for (field, value) in [
        ("scope", json!("team")),
        ("name", json!("")),
        ("name", json!("x".repeat(129))),
        ("name", json!(7)),
        ("period", json!("week")),
        ("limitUsd", json!(-1)),
        ("limitUsd", json!("1,000")),
        ("limitUsd", json!("NaN")),
        ("limitUsd", json!(1e12)),
        ("limitUsd", json!("$0.0000001")),
        ("limitUsd", json!(null)),
        ("alertAtPercent", json!(0)),
        ("alertAtPercent", json!(101)),
        ("alertAtPercent", json!(-1)),
        ("alertAtPercent", json!("80%")),
        ("pauseOnExceed", json!("yes")),
        ("timeZone", json!("Europe/Berlim")),
        ("timeZone", json!("")),
        ("limit", json!(5)),
    ] {
        let mut body = daily("user", "ada", 5);
        body[field] = value;
        let answer = put(&app, &body).await;
        assert_eq!(answer.status, 422, "{body}");
        let shown: String = body[field].to_string().chars().take(40).collect();
        let _ = writeln!(table, "{field} = {shown}\n    {}", answer.problem());
    }
    for (scope, name) in [("install", "site"), ("key", "nobody-s"), ("session", "exe_1"), ("session", "s-1")] {
        let answer = put(&app, &daily(scope, name, 5)).await;
        assert_eq!(answer.status, 422, "{scope} {name}");
        let _ = writeln!(table, "{scope} {name}\n    {}", answer.problem());
    }
    for path in [
        "/v1/usage?by=week",
        "/v1/usage?from=yesterday",
        "/v1/usage?from=2026-02-30",
        "/v1/usage?to=2026-13-01",
        "/v1/usage?from=2026-03-02&to=2026-03-01",
        "/v1/usage?from=2020-01-01",
        "/v1/usage?form=2026-03-01",
        "/v1/budgets/refusals?limit=0",
        "/v1/budgets/refusals?cursor=x",
        "/v1/budgets/refusals?page=1",
    ] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        let _ = writeln!(table, "{path}\n    {}", answer.problem());
    }
    insta::assert_snapshot!(table);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_permission_opens_its_part() {
    let app = TestApp::start().await;
    let bearer = |key: String| format!("Bearer {key}");
    let admin = bearer(app.key("admin", "admin", None).await);
    let read = bearer(app.key("read", "read", None).await);
    let execute = bearer(app.key("execute", "execute", None).await);
    for (key, put, list) in [(&admin, 200, 200), (&read, 403, 200), (&execute, 403, 403)] {
        let call = |method, path: &str| app.call(method, path).header("authorization", key.as_str());
        let body = daily("key", "execute", 5);
        assert_eq!(call("PUT", "/v1/budgets").json(&body).send().await.status, put);
        for path in ["/v1/budgets", "/v1/budgets/refusals", "/v1/usage"] {
            assert_eq!(call("GET", path).send().await.status, list, "{path}");
        }
        let removed = call("DELETE", "/v1/budgets/bud_none").send().await.status;
        assert_eq!(removed, if put == 200 { 404 } else { 403 });
    }
    // A key is counted by its id, whatever its name.
    let list = app.call("GET", "/v1/budgets").header("authorization", read.as_str()).send().await.json();
    let name = list["budgets"][0]["name"].as_str().expect("a name");
    assert!(name.starts_with("key_"), "{name}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_summed_up_by_what_is_asked_for() {
    let app = TestApp::with(|config, _| config.budgets.time_zone = "Europe/Berlin".into()).await;
    let job = |project: &str| json!({ "prompt": "hello", "project": project });
    let mut ids = Vec::new();
    for project in ["site", "app"] {
        let made = app.post("/v1/executions", &job(project)).await.expect(202).json();
        ids.push(made["id"].as_str().expect("an id").to_owned());
    }
    ids.push(app.submit("hello").await);
    for id in &ids {
        app.ended(id).await;
    }
    // 23:30 on the last of February in UTC is the first of March in Berlin.
    let midnight = NOW.plus_millis(-DAY / 2);
    charge(&app, &ids[0], "a", "1.00", midnight.plus_millis(-DAY)).await;
    charge(&app, &ids[0], "b", "0.50", midnight.plus_millis(-1_800_000)).await;
    charge(&app, &ids[1], "imputed-c", "0.25", NOW).await;
    charge(&app, &ids[2], "d", "0.125", NOW).await;

    let by_day = app.get("/v1/usage").await.expect(200).json();
    assert_eq!((&by_day["timeZone"], &by_day["from"]), (&json!("Europe/Berlin"), &json!("2026-01-30T23:00:00.000Z")));
    let row = |label: &str, value: &str, calls: u64, cost: f64, imputed: f64| {
        json!({
            label: value, "calls": calls, "inputTokens": 10 * calls, "outputTokens": 5 * calls, "cacheReadTokens": 2 * calls,
            "cacheWriteTokens": calls, "costUsd": cost, "imputedUsd": imputed,
        })
    };
    assert_eq!(
        by_day["rows"],
        json!([row("day", "2026-02-28", 1, 1.0, 0.0), row("day", "2026-03-01", 3, 0.875, 0.25)])
    );
    assert_eq!((&by_day["total"]["calls"], &by_day["total"]["costUsd"]), (&json!(4), &json!(1.875)));

    let today = app.get("/v1/usage?by=project,day&from=2026-03-01&to=2026-03-01").await.expect(200).json();
    let rows: Vec<_> =
        today["rows"].as_array().expect("rows").iter().map(|row| (&row["project"], &row["costUsd"])).collect();
    assert_eq!(rows, [(&Value::Null, &json!(0.125)), (&json!("app"), &json!(0.25)), (&json!("site"), &json!(0.5))]);
    assert_eq!(today["to"], json!("2026-03-01T23:00:00.000Z"));
    for by in ["key", "user", "agent", "model", "agent,model,day,user,key,project"] {
        let sums = app.get(&format!("/v1/usage?by={by}&from=2026-03-01T00:00:00%2B01:00")).await.expect(200).json();
        assert_eq!(sums["total"]["calls"], json!(3), "{by}");
    }
    let nothing = app.get("/v1/usage?from=2025-03-01&to=2025-03-01").await.expect(200).json();
    assert_eq!((&nothing["rows"], &nothing["total"]["calls"]), (&json!([]), &json!(0)));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_page_by_page() {
    let app = TestApp::start().await;
    put(&app, &daily("install", "*", 0)).await.expect(200);
    for _ in 0..5 {
        assert_eq!(app.post("/v1/executions", &json!({ "prompt": "hello" })).await.status, 402);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/budgets/refusals?limit=2".to_owned();
    loop {
        let page = app.get(&path).await.expect(200).json();
        let ids = page["refusals"]
            .as_array()
            .expect("refusals")
            .iter()
            .map(|one| one["id"].as_str().expect("an id").to_owned());
        seen.extend(ids);
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/budgets/refusals?limit=2&cursor={cursor}");
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|newer, older| newer > older), "{seen:?}");
    app.finish().await;
}

/// The guide is right about what can be asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_guide_shows_is_taken() {
    let app = TestApp::start().await;
    let guide = include_str!("../../../../docs/budgets.md");
    let bodies: Vec<_> = guide.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!bodies.is_empty());
    for body in bodies {
        put(&app, &serde_json::from_str(body).expect("JSON")).await.expect(200);
    }
    let paths = guide.split('`').filter_map(|part| part.strip_prefix("GET ")).filter(|path| path.contains('?'));
    for path in paths {
        app.get(path).await.expect(200);
    }
    app.finish().await;
}
