//! `GET /v1/tool-uses`

use serde_json::{Value, json};

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn each_use_of_a_tool_is_listed_with_who_let_it() {
    let app = TestApp::start().await;
    app.run("hello").await;
    let mut ids = Vec::new();
    for project in ["web", "shop"] {
        let job = json!({ "prompt": "tool", "project": project });
        let id = app.post("/v1/executions", &job).await.expect(202).json()["id"].as_str().expect("an id").to_owned();
        app.ended(&id).await;
        ids.push(id);
    }
    let page = app.get("/v1/tool-uses?limit=1").await.expect(200).json();
    let newest = &page["toolUses"][0];
    let events = app.get(&format!("/v1/executions/{}/events", ids[1])).await.expect(200).json();
    let call = events["events"].as_array().expect("events").iter().find(|event| event["kind"] == "tool_call");
    let call = call.expect("it called a tool");
    // Of `Read`, a zero byte, `{"file_path":"a"}` and another one.
    let digest = "6fff";
    let expected = json!({
        "executionId": ids[1], "seq": call["seq"], "at": call["at"], "turn": 1, "tool": "Read", "risk": "read",
        "digest": newest["digest"], "decision": "allowed", "decidedBy": "agent", "decidedAt": call["at"],
    });
    assert_eq!(newest, &expected);
    assert!(newest["digest"].as_str().is_some_and(|found| found.starts_with(digest)), "{newest}");
    let cursor = page["nextCursor"].as_str().expect("there is another one");
    let rest = app.get(&format!("/v1/tool-uses?limit=1&cursor={cursor}")).await.expect(200).json();
    assert_eq!((&rest["toolUses"][0]["executionId"], &rest["nextCursor"]), (&json!(ids[0]), &Value::Null));
    for (query, expected) in [
        (format!("executionId={}", ids[0]), 1),
        ("project=shop".to_owned(), 1),
        ("tool=Read&decision=allowed".to_owned(), 2),
        ("decision=denied".to_owned(), 0),
        ("since=2026-03-01T12:00:00Z".to_owned(), 2),
        ("until=2026-03-01T12:00:00Z".to_owned(), 0),
    ] {
        let page = app.get(&format!("/v1/tool-uses?{query}")).await.expect(200).json();
        assert_eq!(page["toolUses"].as_array().map(Vec::len), Some(expected), "{query}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_queries_for_uses_are_refused() {
    let app = TestApp::start().await;
    for (query, code) in [
        ("executionId=exe_1", "invalid_parameter"),
        ("decision=maybe", "invalid_parameter"),
        ("since=yesterday", "invalid_parameter"),
        ("limit=0", "invalid_parameter"),
        ("limit=201", "invalid_parameter"),
        ("tool=%00", "invalid_parameter"),
        ("tools=Bash", "invalid_parameter"),
        ("cursor=x", "invalid_cursor"),
        ("cursor=MSBleGVfMSAz", "invalid_cursor"),
    ] {
        let answer = app.get(&format!("/v1/tool-uses?{query}")).await.expect(400);
        assert_eq!(answer.json()["code"], code, "{query}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_read_sees_uses() {
    let app = TestApp::start().await;
    let key = app.key("execute", "execute", None).await;
    let reader = app.key("read", "read", None).await;
    for (key, status) in [(key, 403), (reader, 200)] {
        let call = app.call("GET", "/v1/tool-uses").header("authorization", format!("Bearer {key}"));
        call.send().await.expect(status);
    }
    app.finish().await;
}
