//! Reading events: from any number on, in every form, at any pace.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::http::Frame;

/// The events after number `after` as NDJSON.
async fn ndjson(app: &TestApp, id: &str, after: u64) -> Vec<Value> {
    let get = app.call("GET", &format!("/v1/executions/{id}/events?after={after}"));
    let answer = get.header("accept", "application/x-ndjson").send().await;
    let lines = answer.text().lines();
    lines.map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// The events after number `after` as JSON, page by page.
async fn pages(app: &TestApp, id: &str, mut after: u64, limit: u64) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let path = format!("/v1/executions/{id}/events?after={after}&limit={limit}");
        let page = app.get(&path).await.expect(200).json();
        events.extend(page["events"].as_array().expect("events").iter().cloned());
        if page["complete"] == true {
            return events;
        }
        let next = page["nextAfter"].as_u64().expect("a number");
        assert!(next > after, "{page}");
        after = next;
    }
}

fn data(frames: &[Frame]) -> Vec<Value> {
    frames.iter().map(|frame| frame.data.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_goes_on_wherever_it_was_cut_off() {
    let app = TestApp::start().await;
    let id = app.run("hello").await;
    let all = app.follow(&id, 0).await.rest().await;
    assert_eq!(all.iter().map(|frame| frame.id).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    for after in 0..8u64 {
        let expected = &all[usize::try_from(after).expect("small")..];
        assert_eq!(app.follow(&id, after).await.rest().await, expected, "after {after}");
        assert_eq!(ndjson(&app, &id, after).await, data(expected), "after {after}");
        assert_eq!(pages(&app, &id, after, 2).await, data(expected), "after {after}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_seen_the_end_is_not_kept_waiting() {
    let app = TestApp::start().await;
    let id = app.run("hello").await;
    // A browser reconnects after the end of a stream, unless it is told that there is no content.
    for after in [8, 9, i64::MAX.unsigned_abs()] {
        for accept in ["text/event-stream", "application/x-ndjson"] {
            let get = app.call("GET", &format!("/v1/executions/{id}/events?after={after}"));
            let answer = get.header("accept", accept).send().await.expect(204);
            assert_eq!(answer.text(), "");
        }
        let page = app.get(&format!("/v1/executions/{id}/events?after={after}")).await.expect(200).json();
        assert_eq!((&page["events"], &page["complete"]), (&json!([]), &json!(true)));
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_not_there_yet_does_not_hide_the_end() {
    let app = TestApp::start().await;
    let id = app.running("gate").await;
    let mut early = app.follow(&id, 1_000).await;
    app.agent.open_gate();
    assert_eq!(early.rest().await.last().map(|frame| frame.event.clone()).as_deref(), Some("finished"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_while_the_agent_works() {
    let app = TestApp::start().await;
    let id = app.submit("gate").await;
    let mut stream = app.follow(&id, 0).await;
    assert_eq!(stream.until("text").await.data["data"]["text"], "before");
    let page = app.get(&format!("/v1/executions/{id}/events")).await.expect(200).json();
    assert_eq!(page["complete"], false);
    app.agent.open_gate();
    assert_eq!(stream.until("text").await.data["data"]["text"], "after");
    let end = stream.until("finished").await;
    assert_eq!(end.data["data"]["outcome"]["state"], "succeeded");
    assert_eq!(stream.next().await, None);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_and_later_and_slow_readers_see_the_same() {
    let app = TestApp::start().await;
    let post = app.call("POST", "/v1/executions").json(&json!({ "prompt": "many" }));
    let mut live = post.header("accept", "text/event-stream").stream().await;
    let first = live.next().await.expect("the first event");
    let location = live.headers["location"].to_str().expect("a path").to_owned();
    let id = location.trim_start_matches("/v1/executions/");
    let mut stalled = app.follow(id, 0).await;
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(app.follow(id, 0).await);
    }
    drop(others.split_off(5));

    let mut seen = vec![first];
    seen.extend(live.rest().await);
    assert_eq!(app.ended(id).await["lastSeq"], seen.len());
    assert_eq!(seen.iter().map(|frame| frame.id).collect::<Vec<_>>(), (1..=307).collect::<Vec<_>>());
    let said: Vec<_> =
        seen.iter().filter(|frame| frame.event == "text").map(|frame| frame.data["data"]["text"].clone()).collect();
    assert_eq!(said, (0..300).map(|number| json!(number.to_string())).collect::<Vec<_>>());

    // It read nothing while all of that happened.
    assert_eq!(stalled.rest().await, seen);
    for other in &mut others {
        assert_eq!(other.rest().await, seen);
    }
    assert_eq!(app.follow(id, 0).await.rest().await, seen);
    assert_eq!(ndjson(&app, id, 0).await, data(&seen));
    assert_eq!(pages(&app, id, 0, 50).await, data(&seen));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_when_its_reader_leaves() {
    let app = TestApp::start().await;
    let post = app.call("POST", "/v1/executions").json(&json!({ "prompt": "gate" }));
    let mut stream = post.header("accept", "text/event-stream").stream().await;
    stream.until("text").await;
    let location = stream.headers["location"].to_str().expect("a path").to_owned();
    drop(stream);
    app.agent.open_gate();
    let ended = app.ended(location.trim_start_matches("/v1/executions/")).await;
    assert_eq!(ended["state"], "succeeded");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_stream_is_kept_open() {
    let app = TestApp::with(|config, _| config.server.heartbeat_seconds = 1).await;
    let id = app.running("gate").await;
    let mut stream = app.follow(&id, 5).await;
    let block = stream.block().await.expect("a sign of life");
    assert!(block.starts_with(':'), "{block}");
    app.agent.open_gate();
    stream.until("finished").await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_end_with_the_server() {
    let app = TestApp::start().await;
    let id = app.running("hang").await;
    let mut stream = app.follow(&id, 0).await;
    stream.until("text").await;
    app.service().app.phase.advance(legwork_server::lifecycle::Stage::Ended);
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("it ends"), None);
    app.cancel(&id).await.expect(202);
    app.finish().await;
}
