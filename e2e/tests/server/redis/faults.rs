//! Redis that goes away and comes back.

use std::time::Duration;

use serde_json::{Value, json};

use super::Redis;
use crate::lab::{PATIENCE, Server, Setup};

async fn redis_is(server: &Server, state: &str) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let ready: Value = serde_json::from_str(&server.client.get_text("/readyz").await).expect("JSON");
        if ready["redis"] == state {
            return assert_eq!(ready["status"], "ready", "other ways in are open");
        }
        assert!(tokio::time::Instant::now() < deadline, "Redis is not {state}: {ready}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn redis_may_go_away_at_any_time() {
    let Some(mut redis) = Redis::start().await else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("REDIS_URL", redis.url()).start().await;
    redis.until_heard_by(1).await;
    redis_is(&server, "connected").await;
    redis.add(r#"{"id": "running", "prompt": "sleep 1s\ntext done meanwhile"}"#).await;
    for number in 0..50 {
        redis.add(&format!(r#"{{"id": "{number}", "prompt": "text done"}}"#)).await;
    }
    redis.kill().await;
    redis_is(&server, "unavailable").await;
    assert_eq!(server.client.status("/claude-cli/health").await.map(|status| status.as_u16()), Some(503));
    let direct = server.client.run(&json!({ "prompt": "text without Redis" })).await;
    assert_eq!(direct["state"], "succeeded");
    tokio::time::sleep(Duration::from_secs(2)).await;

    redis.start_again().await;
    let mut answers = redis.listen().await;
    redis_is(&server, "connected").await;
    redis.until_heard_by(1).await;
    redis.publish(r#"{"id": "after", "prompt": "text heard again"}"#).await;
    let mut ids = std::collections::BTreeSet::new();
    while !(ids.contains("running") && ids.contains("after")) {
        let answer = answers.answer().await;
        assert_eq!(answer["success"], true, "{answer}");
        ids.insert(answer["id"].as_str().expect("an id").to_owned());
    }
    // Answers that were published before this caller listened again can be had by asking again; nothing was lost.
    for number in 0..50 {
        redis.add(&format!(r#"{{"id": "{number}", "prompt": "text done"}}"#)).await;
    }
    while ids.len() < 52 {
        ids.insert(answers.answer().await["id"].as_str().expect("an id").to_owned());
    }
    let listed: Value = serde_json::from_str(&server.client.get_text("/v1/executions?limit=100").await).expect("JSON");
    assert_eq!(listed["executions"].as_array().map(Vec::len), Some(53), "each ran once");
}

#[tokio::test]
async fn redis_need_not_be_there_at_the_start() {
    let Some(mut redis) = Redis::start().await else { return };
    redis.kill().await;
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("REDIS_URL", redis.url()).start().await;
    redis_is(&server, "unavailable").await;
    redis.start_again().await;
    redis.until_heard_by(1).await;
    let mut answers = redis.listen().await;
    redis.publish(r#"{"id": "1", "prompt": "text hello"}"#).await;
    assert_eq!(answers.answer().await["result"], "hello");
}

#[tokio::test]
async fn what_redis_forgets_is_answered_all_the_same() {
    let Some(redis) = Redis::start().await else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("REDIS_URL", redis.url()).start().await;
    redis.until_heard_by(1).await;
    let mut answers = redis.listen().await;
    redis.add(r#"{"id": "1", "prompt": "sleep 1s\ntext done"}"#).await;
    while redis.cli(&["hlen", "claude:cli:legwork:unanswered"]).await != "1" {}
    redis.cli(&["flushall"]).await;
    assert_eq!(answers.answer().await["result"], "done");
    assert_eq!(answers.further().await, None);
    drop(server);
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_does_not_hold_up_the_end() {
    let Some(redis) = Redis::start().await else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("REDIS_URL", redis.url()).start().await;
    redis.until_heard_by(1).await;
    // The next entry is read, but nothing can be noted of it.
    let mut connection = redis.connect().await;
    let mut both = redis::pipe();
    both.atomic().xadd("claude:cli:requests:stream", "*", &[("payload", r#"{"id": "1", "prompt": "text done"}"#)]);
    both.cmd("CONFIG").arg("SET").arg("maxmemory").arg("1");
    both.query_async::<()>(&mut connection).await.expect("taken");
    server.client.newest().await;
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended().await, Some(0));

    redis.cli(&["config", "set", "maxmemory", "0"]).await;
    let mut answers = redis.listen().await;
    let _server = Setup::scripted(data.path()).env("REDIS_URL", redis.url()).start().await;
    assert_eq!(answers.answer().await["result"], "done", "delivered again, run once, answered");
}
