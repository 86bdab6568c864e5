//! `GET /v1/executions`

use serde_json::{Value, json};

use crate::app::TestApp;

fn ids(page: &Value) -> Vec<&str> {
    page["executions"].as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_from_the_newest_to_the_oldest() {
    let app = TestApp::start().await;
    let mut all = Vec::new();
    for _ in 0..7 {
        all.push(app.run("hello").await);
    }
    all.reverse();
    let mut read = Vec::new();
    let mut path = "/v1/executions?limit=3".to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = app.get(&path).await.expect(200).json();
        sizes.push(ids(&page).len());
        read.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/executions?limit=3&cursor={cursor}");
    }
    assert_eq!((read, sizes), (all, vec![3, 3, 1]));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_the_list() {
    let app = TestApp::start().await;
    let old = app.run("hello").await;
    app.clock.advance_millis(60_000);
    let failed = app.run("fail").await;
    let running = app.running("gate").await;
    let table: [(&str, &[&str]); 9] = [
        ("", &[&running, &failed, &old]),
        ("state=failed", &[&failed]),
        ("state=running", &[&running]),
        ("agent=claude-code", &[&running, &failed, &old]),
        ("agent=codex", &[]),
        ("lane=default&state=succeeded", &[&old]),
        ("since=2026-03-01T12:00:30Z", &[&running, &failed]),
        // Half a minute later in another zone, its plus sign as people type it.
        ("until=2026-03-01T14:00:30+02:00", &[&old]),
        ("since=2026-03-01T12:01:00.001Z", &[]),
    ];
    for (query, expected) in table {
        let page = app.get(&format!("/v1/executions?{query}")).await.expect(200).json();
        assert_eq!(ids(&page), expected, "{query}");
    }
    app.agent.open_gate();
    app.ended(&running).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_the_beginning_of_long_prompts() {
    let app = TestApp::start().await;
    let prompt = "é".repeat(300);
    let id = app.post("/v1/executions", &json!({ "prompt": prompt })).await.expect(202).json()["id"].clone();
    app.ended(id.as_str().expect("an id")).await;
    let page = app.get("/v1/executions").await.expect(200).json();
    assert_eq!(page["executions"][0]["prompt"].as_str().map(|prompt| prompt.chars().count()), Some(200));
    assert_eq!(app.ended(id.as_str().expect("an id")).await["prompt"], prompt);
    app.finish().await;
}
