//! What callers rely on.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::Redis;
use crate::cluster;
use crate::lab::{Setup, check_history, nothing_left};

#[tokio::test]
async fn a_request_by_redis_cli_is_answered_and_repeated_without_running_again() {
    let Some(redis) = Redis::start().await else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("REDIS_URL", redis.url()).start().await;
    redis.until_heard_by(1).await;
    let mut answers = redis.listen().await;

    let request = r#"{"id": "01J8", "prompt": "text hello", "args": ["--output-format", "text"]}"#;
    redis.cli(&["publish", "claude:cli:requests", request]).await;
    let first = answers.answer().await;
    assert_eq!((&first["id"], &first["success"], &first["result"]), (&json!("01J8"), &json!(true), &json!("hello")));
    let execution = check_history(&server.client, first["executionId"].as_str().expect("an id")).await;
    assert_eq!(execution["lane"], "redis", "{execution:#}");

    // The same request once more, and by the other way: answered each time, run once.
    redis.publish(&request.replace(", ", ",")).await;
    assert_eq!(answers.answer().await, first);
    redis.add(request).await;
    assert_eq!(answers.answer().await, first);
    redis.publish(r#"{"id": "01J8", "prompt": "text something else"}"#).await;
    let refused = answers.answer().await;
    assert_eq!((&refused["success"], &refused["code"]), (&json!(false), &json!("IDEMPOTENCY_KEY_REUSED")), "{refused}");

    // Each field by itself is as good as one payload.
    let stream = ["xadd", "claude:cli:requests:stream", "*", "id", "7", "prompt", "fail no", "args", r#"["-p"]"#];
    redis.cli(&stream).await;
    let failed = answers.answer().await;
    assert_eq!((&failed["id"], &failed["code"]), (&json!("7"), &json!("EXIT_NONZERO")), "{failed}");
    assert_eq!(redis.cli(&["xlen", "claude:cli:requests:stream"]).await, "0", "what was taken is gone");
    assert_eq!(redis.cli(&["hlen", "claude:cli:legwork:unanswered"]).await, "0");

    let health: Value = serde_json::from_str(&server.client.get_text("/claude-cli/health").await).expect("JSON");
    assert_eq!(health, json!({ "status": "healthy", "mode": "main-process", "pendingRequests": 0 }));
    assert_eq!(answers.further().await, None);
}

#[tokio::test]
async fn what_there_is_no_budget_for_is_refused() {
    let Some(redis) = Redis::start().await else { return };
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("REDIS_URL", redis.url()).start().await;
    redis.until_heard_by(1).await;
    let mut answers = redis.listen().await;
    let set_budget = async |limit: &str| {
        let budget = json!({ "scope": "install", "period": "day", "limitUsd": limit });
        let request = server.client.request("PUT", "/v1/budgets").json(&budget);
        assert!(request.send().await.expect("an answer").status().is_success());
    };
    set_budget("$0.10").await;
    redis.publish(r#"{"id":"1","prompt":"text hello"}"#).await;
    let refused = answers.answer().await;
    assert_eq!((&refused["id"], &refused["code"]), (&json!("1"), &json!("BUDGET_EXCEEDED")), "{refused}");
    set_budget("$10").await;
    redis.publish(r#"{"id":"2","prompt":"text hello"}"#).await;
    assert_eq!(answers.answer().await["result"], "hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_run_each_request_once_and_answer_it_once() {
    let (Some(redis), Some(database)) = (Redis::start().await, cluster::database().await) else { return };
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
    let mut servers = Vec::new();
    for dir in &dirs {
        let setup = Setup::scripted(dir.path())
            .env("REDIS_URL", redis.url())
            .env("DATABASE_URL", &database)
            .env("LEGWORK_QUEUE__LEASE_SECONDS", "4")
            .env("LEGWORK_QUEUE__BEAT_SECONDS", "1");
        servers.push(setup.start().await);
    }
    redis.until_heard_by(3).await;
    let mut answers = redis.listen().await;

    // Half of them twice.
    let request = |number: usize| format!(r#"{{"id": "r{number}", "prompt": "text answer {number}"}}"#);
    for number in 0..20 {
        redis.publish(&request(number)).await;
        redis.add(&request(number + 20)).await;
    }
    for number in 0..10 {
        redis.publish(&request(number)).await;
        redis.add(&request(number + 20)).await;
    }
    let mut answered: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for _ in 0..60 {
        let answer = answers.answer().await;
        answered.entry(answer["id"].as_str().expect("an id").to_owned()).or_default().push(answer);
    }
    assert_eq!(answers.further().await, None, "no answer too many");
    assert_eq!(answered.len(), 40);
    for (id, answers) in &answered {
        let number: usize = id[1..].parse().expect("a number");
        assert_eq!(answers.len(), if number % 20 < 10 { 2 } else { 1 }, "{id}: {answers:?}");
        assert!(answers.iter().all(|answer| answer["result"] == json!(format!("answer {number}"))), "{answers:?}");
        assert_eq!(answers.first(), answers.last(), "one execution");
    }
    let listed: Value =
        serde_json::from_str(&servers[0].client.get_text("/v1/executions?limit=100").await).expect("JSON");
    assert_eq!(listed["executions"].as_array().map(Vec::len), Some(40), "each ran once");

    // One after the other leaves or dies; whoever is left answers what they took.
    redis.publish(r#"{"id": "slow", "prompt": "sleep 2s\ntext still answered"}"#).await;
    redis.publish(&request(40)).await;
    assert_eq!(answers.answer().await["id"], "r40");
    servers.remove(0).kill().await;
    redis.publish(&request(41)).await;
    assert_eq!(answers.answer().await["result"], "answer 41", "heard by those who did not listen");
    servers[0].signal(Signal::TERM);
    assert_eq!(servers.remove(0).ended().await, Some(0));
    redis.publish(&request(42)).await;
    // The one that ran on the killed server is lost once its lease is over, or was another's; it is answered either way.
    let mut last = [answers.answer().await, answers.answer().await];
    last.sort_by_key(|answer| answer["id"].to_string());
    assert_eq!((&last[0]["id"], &last[1]["id"]), (&json!("r42"), &json!("slow")), "{last:?}");
    drop(servers);
}

#[tokio::test]
async fn a_server_that_is_told_to_leave_answers_what_it_took() {
    let Some(redis) = Redis::start().await else { return };
    let data = tempfile::tempdir().expect("a directory");
    let setup = Setup::scripted(data.path()).env("REDIS_URL", redis.url());
    let server = setup.start().await;
    redis.until_heard_by(1).await;
    let mut answers = redis.listen().await;
    redis.publish(r#"{"id": "a", "prompt": "sleep 1s\ntext done"}"#).await;
    redis.add(r#"{"id": "b", "prompt": "sleep 1s\ntext done"}"#).await;
    while redis.cli(&["hlen", "claude:cli:legwork:unanswered"]).await != "2" {}
    server.signal(Signal::TERM);
    let mut ids = [answers.answer().await, answers.answer().await].map(|answer| answer["id"].to_string());
    ids.sort();
    assert_eq!(ids, [r#""a""#, r#""b""#]);
    assert_eq!(server.ended().await, Some(0));

    // What nobody was there to take waits on the stream; what a killed server owed is answered by the next.
    redis.add(r#"{"id": "c", "prompt": "text waited"}"#).await;
    let server = setup.start().await;
    assert_eq!(answers.answer().await["result"], "waited");
    redis.add(r#"{"id": "d", "prompt": "text begun\nhang"}"#).await;
    while redis.cli(&["hlen", "claude:cli:legwork:unanswered"]).await != "1" {}
    let newest: Value = serde_json::from_str(&server.client.get_text("/v1/executions").await).expect("JSON");
    server.client.until_event(newest["executions"][0]["id"].as_str().expect("an id"), "text").await;
    server.kill().await;
    let _server = setup.start().await;
    let lost = answers.answer().await;
    assert_eq!((&lost["id"], &lost["success"]), (&json!("d"), &json!(false)), "{lost}");
    nothing_left(data.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_listen_answers_what_it_owed_before_it_was_started_again() {
    let (Some(redis), Some(database)) = (Redis::start().await, cluster::database().await) else { return };
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let [first, second] = dirs
        .each_ref()
        .map(|dir| Setup::scripted(dir.path()).env("REDIS_URL", redis.url()).env("DATABASE_URL", &database));
    let listener = first.start().await;
    redis.until_heard_by(1).await;
    let other = second.start().await;
    redis.until_heard_by(2).await;
    let execution = other.client.run(&json!({ "prompt": "text owed" })).await;
    other.kill().await;
    let node = std::fs::read_to_string(dirs[1].path().join("node")).expect("a name");
    let note = json!({ "id": "owed", "execution": execution["id"], "format": "text", "node": node });
    redis.cli(&["hset", "claude:cli:legwork:unanswered", "token", &note.to_string()]).await;
    let mut answers = redis.listen().await;
    let _other = second.start().await;
    let answer = answers.answer().await;
    assert_eq!((&answer["id"], &answer["result"]), (&json!("owed"), &json!("owed")), "{answer}");
    assert_eq!(answers.further().await, None);
    drop(listener);
}
