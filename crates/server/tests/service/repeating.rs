//! The same job again: on purpose by a retry, or by accident, which an idempotency key makes harmless.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::http::Answer;

async fn post_with_key(app: &TestApp, key: &str, body: &Value) -> Answer {
    app.call("POST", "/v1/executions").header("idempotency-key", key).json(body).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_a_new_job_like_the_old_one() {
    let app = TestApp::start().await;
    let body = json!({ "prompt": "hello", "metadata": { "a": 1 }, "priority": 5, "limits": { "maxTurns": 2 } });
    let id = app.post("/v1/executions", &body).await.expect(202).json()["id"].as_str().expect("an id").to_owned();
    let first = app.ended(&id).await;
    let path = format!("/v1/executions/{id}/retry");
    let retried = app.call("POST", &path).header("prefer", "wait=25").send().await.expect(200).json();
    assert_eq!(retried["retryOf"], id.as_str());
    assert_ne!(retried["id"], first["id"]);
    for field in ["prompt", "metadata", "priority", "limits", "state"] {
        assert_eq!(retried[field], first[field], "{field}");
    }
    let again = || app.call("POST", &path).header("idempotency-key", "r").send();
    let (one, two) = (again().await.json(), again().await.json());
    assert_eq!(one["id"], two["id"]);
    app.ended(one["id"].as_str().expect("an id")).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_has_ended_is_retried() {
    let app = TestApp::start().await;
    let running = app.running("gate").await;
    let retry = async |id: &str| app.call("POST", &format!("/v1/executions/{id}/retry")).send().await.problem();
    insta::assert_snapshot!([retry(&running).await, retry("exe_01kjmma2g0fhewbhqcwdanp11v").await].join("\n"));
    app.agent.open_gate();
    app.ended(&running).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_one_job_of_many_requests() {
    let app = TestApp::start().await;
    let body = json!({ "prompt": "gate" });
    let answers = join_all((0..20).map(|_| post_with_key(&app, "k-1", &body))).await;
    let id = answers[0].json()["id"].clone();
    let mut replayed = 0;
    for answer in answers {
        let answer = answer.expect(202);
        assert_eq!(answer.json()["id"], id);
        replayed += usize::from(answer.header("idempotency-replayed") == "true");
    }
    assert_eq!(replayed, 19);

    app.agent.open_gate();
    app.ended(id.as_str().expect("an id")).await;
    // Also in quotes, as the draft of the header has it; and by now there is an end to show.
    let later = post_with_key(&app, "\"k-1\"", &body).await.expect(200);
    assert_eq!((later.json()["id"].clone(), later.header("idempotency-replayed")), (id, "true"));
    assert_eq!(app.get("/v1/executions").await.json()["executions"].as_array().map(Vec::len), Some(1));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_good_for_one_request() {
    let app = TestApp::start().await;
    let body = json!({ "prompt": "hello" });
    let id = post_with_key(&app, "k", &body).await.expect(202).json()["id"].as_str().expect("an id").to_owned();
    app.ended(&id).await;
    let other = post_with_key(&app, "k", &json!({ "prompt": "hello!" })).await.problem();
    let retry =
        app.call("POST", &format!("/v1/executions/{id}/retry")).header("idempotency-key", "k").send().await.problem();
    let mut wrong = vec![other, retry];
    for key in ["", "\"\"", &"k".repeat(256)] {
        wrong.push(post_with_key(&app, key, &body).await.problem());
    }
    insta::assert_snapshot!(wrong.join("\n"));
    assert_eq!(app.get("/v1/executions").await.json()["executions"].as_array().map(Vec::len), Some(1));
    app.finish().await;
}
