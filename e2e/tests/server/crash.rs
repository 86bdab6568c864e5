//! The server is killed, again and again, while it works.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::lab::{Client, Setup, check_history, nothing_left};

const ROUNDS: u32 = 50;
const CALLERS: u32 = 4;

/// What callers submit: quick jobs, jobs that are in the middle of something, and jobs whose offspring hides.
const SCRIPTS: [&str; 4] = [
    "text quick",
    "text begun\nsleep 300ms\ntext done",
    "silent\nsleep 300ms",
    "text begun\nspawn detached sleeper m\nsleep 100ms",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_job_is_lost_whenever_the_server_is_killed() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = Setup::scripted(data.path());
    let accepted = Arc::new(Mutex::new(Vec::new()));
    for round in 0..ROUNDS {
        let server = setup.start().await;
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| tokio::spawn(submit(server.client.clone(), round + caller, accepted.clone())))
            .collect();
        // From the first moments of a server to well into its work: 50 different points.
        tokio::time::sleep(Duration::from_millis(u64::from(round * 37 % ROUNDS) * 8)).await;
        server.kill().await;
        for caller in callers {
            caller.await.expect("a caller only stops");
        }
    }

    let server = setup.start().await;
    let accepted = accepted.lock().expect("no caller panicked").clone();
    assert!(accepted.len() > 100, "only {} jobs were accepted: the test tests nothing", accepted.len());
    let mut lost = 0;
    for id in &accepted {
        let execution = check_history(&server.client, id).await;
        let state = execution["state"].as_str().expect("a state");
        let reason = execution["outcome"]["reason"].as_str().unwrap_or_default();
        assert!(state == "succeeded" || ["lost", "worker_crashed"].contains(&reason), "{execution:#}");
        lost += u32::from(state != "succeeded");
    }
    assert!(lost > 0, "no job was running when the server was killed: the test tests nothing");
    nothing_left(data.path()).await;
}

/// Submits jobs until the server is gone, and remembers those it accepted.
async fn submit(client: Client, first: u32, accepted: Arc<Mutex<Vec<String>>>) {
    for number in first.. {
        let script = SCRIPTS[number as usize % SCRIPTS.len()];
        let Some(id) = client.try_submit(&json!({ "prompt": script })).await else { return };
        accepted.lock().expect("no caller panicked").push(id);
        // What a caller does with its time; without it the test looks at thousands of jobs at its end.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_job_that_kills_its_server_twice_is_given_up() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = Setup::scripted(data.path());
    let mut server = setup.start().await;
    let id = server.client.submit(&json!({ "prompt": "text begun\nhang", "onLost": "retry" })).await;
    for _ in 0..2 {
        server.client.until_event(&id, "text").await;
        server.kill().await;
        server = setup.start().await;
    }
    let execution = check_history(&server.client, &id).await;
    assert_eq!(execution["outcome"]["reason"], "worker_crashed", "{execution:#}");
    assert_eq!(execution["attempt"], 2);
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_job_that_had_begun_is_not_run_again_by_itself() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = Setup::scripted(data.path());
    let server = setup.start().await;
    let begun = server.client.submit(&json!({ "prompt": "text begun\nhang" })).await;
    let silent = server.client.submit(&json!({ "prompt": "silent\nsleep 5s\ntext done" })).await;
    server.client.until_event(&begun, "text").await;
    server.client.until_event(&silent, "workspace").await;
    server.kill().await;

    let server = setup.start().await;
    let begun = check_history(&server.client, &begun).await;
    assert_eq!((&begun["outcome"]["reason"], &begun["attempt"]), (&json!("lost"), &json!(1)), "{begun:#}");
    let silent = check_history(&server.client, &silent).await;
    assert_eq!((&silent["state"], &silent["attempt"]), (&json!("succeeded"), &json!(2)), "{silent:#}");

    let retried = server.client.post(&format!("/v1/executions/{}/retry", begun["id"].as_str().expect("an id"))).await;
    assert_eq!(retried, 202);
    let newest = server.client.get_text("/v1/executions?limit=1").await;
    let newest: Value = serde_json::from_str(&newest).expect("JSON");
    let retried = newest["executions"][0]["id"].as_str().expect("an id");
    server.client.until_event(retried, "text").await;
    assert_eq!(server.client.post(&format!("/v1/executions/{retried}/cancel")).await, 202);
    check_history(&server.client, retried).await;
    nothing_left(data.path()).await;
}
