//! Continuing an agent's session.

use serde_json::json;

use crate::app::TestApp;
use crate::http::Answer;

async fn resume(app: &TestApp, key: &str, session: &str, prompt: &str) -> Answer {
    let post = app.call("POST", "/v1/executions").header("authorization", format!("Bearer {key}"));
    post.json(&json!({ "prompt": prompt, "resumeSession": session })).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_where_it_was() {
    let app = TestApp::start().await;
    let first = app.run("write").await;
    let session = app.ended(&first).await["sessionId"].as_str().expect("a session").to_owned();
    let second = resume(&app, "", &session, "gate").await.expect(202).json();
    let second = second["id"].as_str().expect("an id");
    let mut stream = app.follow(second, 0).await;
    let place = stream.until("workspace").await.data["data"]["path"].clone();
    assert!(place.as_str().expect("a path").contains(&first), "{place}");
    stream.until("text").await;
    insta::assert_snapshot!(resume(&app, "", &session, "hello").await.problem(), @"409 session_busy another execution works in this session; wait for its end");
    app.agent.open_gate();
    assert_eq!(app.ended(second).await["sessionId"], session.as_str());
    let both = app.get(&format!("/v1/executions?sessionId={session}")).await.json();
    assert_eq!(both["executions"].as_array().map(Vec::len), Some(2));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_its_beginners_own() {
    let app = TestApp::start().await;
    let (kim, lee, boss) = (
        app.key("kim", "execute,read", None).await,
        app.key("lee", "execute,read", None).await,
        app.key("boss", "admin", None).await,
    );
    let post = app.call("POST", "/v1/executions").header("authorization", format!("Bearer {kim}"));
    let ended = post.header("prefer", "wait=25").json(&json!({ "prompt": "hello" })).send().await.expect(200).json();
    let session = ended["sessionId"].as_str().expect("a session");
    let missing = resume(&app, &kim, "s-0", "hello").await.problem();
    assert_eq!(resume(&app, &lee, session, "hello").await.problem(), missing);
    for key in [&kim, &boss] {
        let resumed = resume(&app, key, session, "hello").await.expect(202).json();
        let get = app.call("GET", &format!("/v1/executions/{}", resumed["id"].as_str().expect("an id")));
        let get = get.header("authorization", format!("Bearer {boss}")).header("prefer", "wait=25");
        assert_eq!(get.send().await.expect(200).json()["state"], "succeeded");
    }
    app.finish().await;
}
