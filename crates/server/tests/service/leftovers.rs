//! What a run leaves: its output and its patch, without the service's secrets.

use serde_json::json;

use crate::app::TestApp;
use crate::http::within;

#[tokio::test(flavor = "multi_thread")]
async fn the_output_is_kept_as_it_came() {
    let app = TestApp::start().await;
    let id = app.run("hello").await;
    let output = app.get(&format!("/v1/executions/{id}/output")).await.expect(200);
    assert_eq!(output.header("content-type"), "application/octet-stream");
    let lines: Vec<_> = output.text().lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with(r#"{"type":"system","subtype":"init""#), "{lines:?}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_patch_is_what_the_run_changed() {
    let app = TestApp::start().await;
    let wrote = app.run("write").await;
    let patch = app.get(&format!("/v1/executions/{wrote}/patch")).await.expect(200);
    assert_eq!(patch.header("content-type"), "text/x-diff; charset=utf-8");
    insta::assert_snapshot!(patch.text());
    let idle = app.run("hello").await;
    assert_eq!(app.get(&format!("/v1/executions/{idle}/patch")).await.expect(200).text(), "");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_so() {
    let app = TestApp::with(|config, _| {
        config.lanes.get_mut("default").expect("the lane").concurrency = 1;
    })
    .await;
    let running = app.running("gate").await;
    let queued = app.submit("hello").await;
    let ask = async |id: &str, what: &str| app.get(&format!("/v1/executions/{id}/{what}")).await.problem();
    insta::assert_snapshot!(
        [
            ask(&running, "patch").await,
            ask(&queued, "patch").await,
            ask(&queued, "output").await,
            {
                app.cancel(&queued).await.expect(202);
                ask(&queued, "patch").await
            },
            ask(&queued, "output").await,
        ]
        .join("\n")
    );
    let so_far = async {
        while !app.get(&format!("/v1/executions/{running}/output")).await.expect(200).text().contains("before") {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    within("what it printed so far", so_far).await;
    app.agent.open_gate();
    app.ended(&running).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_the_service_show_nowhere() {
    const SECRET: &str = "sk-ant-0123456789";
    let app = TestApp::with(|config, _| {
        config.agents.get_mut("claude-code").expect("settings").api_key =
            Some(legwork_server::config::Secret::new(SECRET));
    })
    .await;
    let post = app.post("/v1/executions", &json!({ "prompt": format!("secret {SECRET}") })).await.expect(202);
    let id = post.json()["id"].as_str().expect("an id").to_owned();
    app.ended(&id).await;
    let events = app.get(&format!("/v1/executions/{id}/events")).await;
    assert!(events.text().contains("the key is ***"), "{}", events.text());
    let mut shown = vec![post, events];
    for path in ["", "/output", "/patch"] {
        shown.push(app.get(&format!("/v1/executions/{id}{path}")).await);
    }
    shown.push(app.get("/v1/executions").await);
    shown.push(app.get("/metrics").await);
    for answer in shown {
        assert!(!answer.text().contains(SECRET), "{}", answer.text());
    }
    app.finish().await;
}
