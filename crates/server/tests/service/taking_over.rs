//! Who owns a run is what the database says: a service takes over what nobody works on, and lets go of what is not its
//! own any more.

use legwork_model::{ExecutionId, Task};
use legwork_server::store::Durability;
use legwork_server::store::append::Lease;
use legwork_server::store::enqueue::{ClaimAtOnce, Enqueue, NewExecution};
use legwork_server::store::lose::{Lose, Lost};
use serde_json::json;

use crate::app::{NOW, TestApp};
use crate::http::within;

const LEASE_MILLIS: i64 = 5_000;

/// A service that looks often.
async fn watchful() -> TestApp {
    TestApp::with(|config, _| {
        config.queue.beat_seconds = 1;
        config.queue.lease_seconds = 3;
    })
    .await
}

/// Puts a job on record behind the service's back, claimed by `node`.
async fn put(app: &TestApp, node: &str) -> ExecutionId {
    let core = &app.service().app;
    let id = core.ids.execution(NOW);
    let task = Task { agent: "claude-code".into(), prompt: "hello".into(), ..Task::default() };
    let execution = NewExecution {
        id,
        task,
        lane: "default".into(),
        priority: 0,
        metadata: Default::default(),
        created_by: None,
        retry_of: None,
        retry_when_lost: false,
        pinned: false,
        home: id,
        session_root: id,
        project: None,
        user: None,
        reserve: Default::default(),
        at: NOW,
    };
    let claim = ClaimAtOnce { node: node.into(), lease_until: NOW.plus_millis(LEASE_MILLIS) };
    let enqueue = Enqueue {
        execution,
        idempotency: None,
        max_queued: 10,
        claim: Some(claim),
        pin: None,
        quota: None,
        durability: Durability::Now,
    };
    core.store.enqueue(enqueue).await.expect("an answer");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_given_to_somebody_else_is_stopped() {
    let app = watchful().await;
    let id = app.running("hang").await;
    let lease = Lease { id: id.parse().expect("an id"), fence: 1 };
    let lose = Lose { lease, began: true, why: "Taken.".into(), crashed: true, now: NOW };
    let lost = app.service().app.store.write(lose).await.expect("an answer");
    assert!(matches!(lost, Lost::Failed(_)), "{lost:?}");
    within("the agent to be stopped", app.service().scheduler.idle()).await;
    let ended = app.ended(&id).await;
    assert_eq!((&ended["state"], &ended["outcome"]["reason"]), (&json!("failed"), &json!("lost")));
    let events = app.follow(&id, 0).await.rest().await;
    assert_eq!(events.iter().filter(|event| event.event == "finished").count(), 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_node_that_died_is_taken_over() {
    let app = watchful().await;
    let id = put(&app, "node_dead").await;
    app.clock.advance_millis(LEASE_MILLIS + 1);
    let ended = app.ended(&id.to_string()).await;
    assert_eq!((&ended["state"], &ended["attempt"]), (&json!("succeeded"), &json!(2)));
    let kinds: Vec<_> =
        app.follow(&id.to_string(), 0).await.rest().await.into_iter().map(|frame| frame.event).collect();
    assert_eq!(kinds[..4], ["queued", "claimed", "requeued", "claimed"]);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_this_node_owns_but_does_not_run_is_found() {
    let app = watchful().await;
    let id = put(&app, &app.service().app.node).await;
    let ended = app.ended(&id.to_string()).await;
    assert_eq!((&ended["state"], &ended["attempt"]), (&json!("succeeded"), &json!(2)));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_taken_while_the_service_looks_are_left_alone() {
    let app = watchful().await;
    let claims = async {
        // For a little longer than two looks.
        let until = tokio::time::Instant::now() + std::time::Duration::from_millis(2_500);
        while tokio::time::Instant::now() < until {
            let ended = app.ended(&app.submit("hello").await).await;
            assert_eq!((&ended["state"], &ended["attempt"]), (&json!("succeeded"), &json!(1)), "{ended}");
        }
    };
    within("all jobs", claims).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_another_node_is_cancelled_by_its_own() {
    let app = watchful().await;
    let id = put(&app, "node_other").await;
    let cancelled = app.cancel(&id.to_string()).await.expect(202).json();
    assert_eq!(cancelled["state"], "running");
    // It dies before it hears of it; then whoever takes it over ends it as it was asked to.
    app.clock.advance_millis(LEASE_MILLIS + 1);
    let ended = app.ended(&id.to_string()).await;
    assert_eq!((&ended["state"], &ended["outcome"]["state"]), (&json!("cancelled"), &json!("cancelled")));
    app.finish().await;
}
