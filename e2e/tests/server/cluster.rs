//! Several servers over one database.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::lab::{Setup, check_history, nothing_left};

/// A fresh database on the server of the test script; `None` (said aloud) where there is none.
pub(crate) async fn database() -> Option<String> {
    use sea_orm::ConnectionTrait;
    let Ok(server) = std::env::var("LEGWORK_TEST_POSTGRES_URL") else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "LEGWORK_TEST_POSTGRES_URL must be set under CI");
        eprintln!("SKIPPED: LEGWORK_TEST_POSTGRES_URL is not set; `make test` starts a server for it");
        return None;
    };
    let name = format!("cluster_{}", std::process::id());
    let connection = sea_orm::Database::connect(&server).await.expect("the server answers");
    connection.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("a database");
    let mut url = url::Url::parse(&server).expect("a URL");
    url.set_path(&name);
    Some(url.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_takes_over_and_a_frozen_one_finds_out() {
    let Some(url) = database().await else { return };
    let (one_dir, two_dir) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let setup = |dir: &tempfile::TempDir| {
        Setup::scripted(dir.path())
            .env("DATABASE_URL", &url)
            .env("LEGWORK_QUEUE__LEASE_SECONDS", "2")
            .env("LEGWORK_QUEUE__BEAT_SECONDS", "1")
            .env("LEGWORK_LANES__DEFAULT__CONCURRENCY", "2")
    };
    let one = setup(&one_dir).start().await;
    let begun = one.client.submit(&json!({ "prompt": "text begun\nhang" })).await;
    one.client.until_event(&begun, "text").await;
    let two = setup(&two_dir).start().await;

    // Frozen for longer than its lease; the other one takes the run.
    one.signal(Signal::STOP);
    let lost = check_history(&two.client, &begun).await;
    assert_eq!(lost["outcome"]["reason"], "lost", "{lost:#}");
    // It wakes up, finds that it lost the lease, and ends its agent without writing anything.
    one.signal(Signal::CONT);
    nothing_left(one_dir.path()).await;
    assert_eq!(check_history(&one.client, &begun).await["lastSeq"], lost["lastSeq"]);

    // A job is followed through one server while the other may run it, and cancelled through either.
    let ids: Vec<_> = futures::future::join_all((0..4).map(|_| async {
        let id = one.client.submit(&json!({ "prompt": "text begun\nhang" })).await;
        two.client.until_event(&id, "text").await;
        id
    }))
    .await;
    for (id, client) in ids.iter().zip([&one.client, &two.client].into_iter().cycle()) {
        assert_eq!(client.post(&format!("/v1/executions/{id}/cancel")).await, 202);
    }
    for id in &ids {
        assert_eq!(check_history(&two.client, id).await["state"], "cancelled");
    }
    tokio::time::timeout(Duration::from_secs(30), async {
        nothing_left(one_dir.path()).await;
        nothing_left(two_dir.path()).await;
    })
    .await
    .expect("nothing is left");
}
