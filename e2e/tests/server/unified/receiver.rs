//! Events that are posted to a receiver.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::{execute, last};
use crate::http::{self, Request, status};
use crate::lab::{PATIENCE, Setup};

/// What a receiver got: per session, event by number.
type Got = Arc<Mutex<BTreeMap<u64, Value>>>;

/// Takes what it is sent after it has failed in every way that there is.
async fn receiver(got: Got) -> String {
    let calls = Arc::new(Mutex::new(0));
    http::serve(move |request: Request| {
        let (got, calls) = (Arc::clone(&got), Arc::clone(&calls));
        async move {
            let call = {
                let mut calls = calls.lock().expect("a number");
                *calls += 1;
                *calls
            };
            match call {
                1 => return status("503 Service Unavailable"),
                2 => return Vec::new(),
                3 => return status("429 Too Many Requests"),
                4 => return b"nonsense".to_vec(),
                5 => tokio::time::sleep(Duration::from_secs(1)).await,
                _ => {}
            }
            assert_eq!(request.headers["authorization"], "Bearer a-token-of-the-receiver");
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            assert_eq!(body["sessionId"], "chat-7");
            let mut got = got.lock().expect("a map");
            for event in body["events"].as_array().expect("events") {
                let number = event["sequence"].as_u64().expect("a number");
                assert!(number <= got.len() as u64 + 1, "a gap before {number}: {got:?}");
                if let Some(earlier) = got.insert(number, event.clone()) {
                    assert_eq!(earlier, *event, "the same number is the same event");
                }
            }
            // Taken, but the answer is lost.
            if call == 6 { status("500 Internal Server Error") } else { status("204 No Content") }
        }
    })
    .await
}

#[tokio::test]
async fn a_receiver_that_fails_is_slow_and_comes_back_gets_every_event() {
    let got = Got::default();
    let url = receiver(Arc::clone(&got)).await;
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("DB_BASE_URL", url).start().await;
    let texts: String = (0..50).map(|number| format!("text {number}\nsleep 10ms\n")).collect();
    let request = json!({
        "userRequest": texts, "codingAssistantProvider": "claude-code",
        "database": { "sessionId": "chat-7", "accessToken": "a-token-of-the-receiver" },
    });
    let events = execute(&server.client, &request).await;
    assert_eq!(events[0].data["delivers"], true);
    last(&events, "completed");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while got.lock().expect("a map").len() < events.len() {
        assert!(tokio::time::Instant::now() < deadline, "not everything arrives");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let got = got.lock().expect("a map").clone();
    for (event, (number, delivered)) in events.iter().zip(got) {
        assert_eq!(event.id, Some(number));
        assert_eq!(delivered["event"], json!(event.name));
        if number > 1 {
            assert_eq!(delivered["data"], event.data);
        }
    }
}

#[tokio::test]
async fn a_receiver_is_waited_for_at_the_end_and_one_that_refuses_is_left_alone() {
    let got = Got::default();
    let taken = Arc::clone(&got);
    let slow = http::serve(move |request: Request| {
        let got = Arc::clone(&taken);
        async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            let events = body["events"].as_array().expect("events").clone();
            got.lock()
                .expect("a map")
                .extend(events.into_iter().filter_map(|event| Some((event["sequence"].as_u64()?, event))));
            status("200 OK")
        }
    })
    .await;
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("DB_BASE_URL", slow).start().await;
    let request = json!({
        "userRequest": "text hello", "codingAssistantProvider": "claude-code",
        "database": { "sessionId": "chat-7", "accessToken": "t" },
    });
    let events = execute(&server.client, &request).await;
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
    assert_eq!(got.lock().expect("a map").len(), events.len());

    let refuses = http::serve(|_| std::future::ready(status("403 Forbidden"))).await;
    let server = Setup::scripted(data.path()).env("DB_BASE_URL", refuses).start().await;
    last(&execute(&server.client, &request).await, "completed");
    let metric = "legwork_event_deliveries_given_up_total 1";
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !server.client.get_text("/metrics").await.contains(metric) {
        assert!(tokio::time::Instant::now() < deadline, "it is not given up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
