//! The server is asked to end.

use rustix::process::Signal;
use serde_json::json;

use super::lab::{Setup, check_history, nothing_left};

#[tokio::test]
async fn the_first_signal_lets_runs_finish_and_takes_no_more() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = Setup::scripted(data.path());
    let server = setup.start().await;
    let id = server.client.submit(&json!({ "prompt": "text begun\nsleep 2s\ntext done" })).await;
    server.client.until_event(&id, "text").await;
    server.signal(Signal::TERM);
    let client = server.client.clone();
    while client.status("/readyz").await.is_some_and(|status| status == 200) {}
    assert!(client.try_submit(&json!({ "prompt": "text late" })).await.is_none());
    assert_eq!(server.ended().await, Some(0));

    let server = setup.start().await;
    assert_eq!(check_history(&server.client, &id).await["state"], "succeeded");
}

#[tokio::test]
async fn the_second_signal_ends_what_runs() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = Setup::scripted(data.path());
    let server = setup.start().await;
    let begun =
        server.client.submit(&json!({ "prompt": "text begun\nignore-term\nspawn detached stubborn m\nhang" })).await;
    server.client.until_event(&begun, "text").await;
    server.signal(Signal::TERM);
    while server.client.status("/readyz").await.is_some_and(|status| status == 200) {}
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
    nothing_left(data.path()).await;

    let server = setup.start().await;
    let begun = check_history(&server.client, &begun).await;
    assert_eq!(begun["outcome"]["reason"], "lost", "{begun:#}");
}
