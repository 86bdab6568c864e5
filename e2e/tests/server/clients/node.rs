//! Clients from npm and Node's own `fetch`, which know nothing of us.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::SECRET;
use super::npm::Folder;
use super::way::Way;
use crate::lab::{PATIENCE, Setup, nothing_left};

fn folder() -> Option<Folder> {
    Folder::at("e2e/clients", "node_modules/eventsource/package.json")
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

#[tokio::test]
async fn an_event_source_gets_each_event_once_although_its_connection_breaks() {
    let Some(folder) = folder() else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let way = Way::to(server.url()).await;
    let id = server.client.submit(&json!({ "prompt": "text begun\nsleep 1s\ntext gone on\ntext done" })).await;
    let mut follower = folder.node(&["follow.mjs", way.url(), &id], &[]).spawn().expect("Node starts");
    let mut printed = BufReader::new(follower.stdout.take().expect("it is piped")).lines();
    let mut events = Vec::new();
    let follow = async {
        while let Some(line) = printed.next_line().await.expect("text") {
            let event: Value = serde_json::from_str(&line).expect("JSON");
            if event["kind"] == "text" && way.passed() == 1 {
                way.close();
                way.open();
            }
            events.push(event);
        }
    };
    tokio::time::timeout(PATIENCE, follow).await.expect("the events end");
    assert_eq!(events, server.client.events(&id).await);
    assert_eq!(way.passed(), 2, "it came once more");
}

#[tokio::test]
async fn fetch_gets_each_line_as_it_happens() {
    let Some(folder) = folder() else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let arrivals = lines(&folder.run(&["lines.mjs", server.url()], &[]).await);
    let texts: Vec<_> = arrivals.iter().map(|arrival| &arrival["line"]).collect();
    assert_eq!(texts[0], &json!({ "type": "assistant", "content": "one" }));
    assert_eq!(texts[1], &json!({ "type": "assistant", "content": "two" }));
    assert_eq!(texts[2]["type"], "result");
    // The agent sleeps for 1.5 s between its words. Had they been held back, they would come together, from a job that has ended.
    let waited = arrivals[1]["millis"].as_f64().expect("a time") - arrivals[0]["millis"].as_f64().expect("a time");
    assert!(waited > 500.0, "{arrivals:#?}");
    assert_eq!(arrivals[0]["state"], "running", "{arrivals:#?}");
}

#[tokio::test]
async fn fetch_that_is_aborted_takes_its_job_with_it_within_a_second() {
    let Some(folder) = folder() else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let mut took = Vec::new();
    // A second is what the contract promises; a machine that does something else meanwhile gets another chance.
    while took.len() < 3 && took.last().is_none_or(|took| *took >= Duration::from_secs(1)) {
        assert_eq!(folder.run(&["abort.mjs", server.url()], &[]).await.trim(), "aborted after: waiting");
        let aborted = Instant::now();
        nothing_left(data.path()).await;
        took.push(aborted.elapsed());
        let id = server.client.newest().await;
        assert_eq!(server.client.finished(&id).await["state"], "cancelled");
    }
    assert!(took.last().is_some_and(|took| *took < Duration::from_secs(1)), "{took:?}");
}

#[tokio::test]
async fn fetch_signs_a_call_that_is_good_once() {
    let Some(folder) = folder() else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("CLAUDE_SERVICE_SECRET", SECRET).start().await;
    let answers = lines(&folder.run(&["execute.mjs", server.url()], &[("CLAUDE_SERVICE_SECRET", SECRET)]).await);
    assert_eq!((&answers[0]["status"], &answers[0]["body"]["success"]), (&json!(200), &json!(true)), "{answers:#?}");
    assert_eq!(answers[0]["body"]["result"]["output"], "hello");
    assert_eq!(answers[1], json!({ "status": 401, "body": { "error": "Unauthorized" } }));
}
