//! Failures that Sentry is told of. What stands in for Sentry here is a web server of the test that reads its envelopes.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::http::{self, status};
use crate::lab::{PATIENCE, Setup};

#[tokio::test]
async fn a_failed_run_is_told_without_a_word_of_it() {
    let told: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let envelopes = Arc::clone(&told);
    let url = http::serve(move |request| {
        // An envelope is a line for itself, and for each item a line of its kind and one of its content.
        let lines: Vec<&[u8]> = request.body.split(|byte| *byte == b'\n').collect();
        let event = lines.get(2).and_then(|line| serde_json::from_slice(line).ok()).unwrap_or_default();
        envelopes.lock().expect("a list").push((String::from_utf8_lossy(&request.body).into_owned(), event));
        std::future::ready(status("200 OK"))
    })
    .await;
    let data = tempfile::tempdir().expect("a directory");
    let server =
        Setup::scripted(data.path()).env("SENTRY_DSN", url.replace("http://", "http://key@") + "/7").start().await;
    server.client.run(&json!({ "prompt": "text all is well with the pineapple" })).await;
    let body = json!({ "prompt": "fail the pineapple is lost", "stream": false });
    let failed = server.client.request("POST", "/claude-code").json(&body).send().await.expect("an answer");
    assert_eq!(failed.status(), 502);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while told.lock().expect("a list").is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "nothing is told");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let told = told.lock().expect("a list").clone();
    let [(text, event)] = told.as_slice() else { panic!("one failure: {told:#?}") };
    let newest = server.client.newest().await;
    let tags =
        json!({ "door": "claude-code", "provider": "claude-code", "execution": newest, "reason": "agent_error" });
    assert_eq!((&event["tags"], &event["message"]), (&tags, &json!("A run failed: agent_error")), "{event:#}");
    assert!(!text.contains("pineapple"), "{text}");
}
