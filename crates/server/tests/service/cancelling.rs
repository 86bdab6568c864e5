//! Cancelling, at every moment.

use serde_json::json;

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_is_cancelled_at_once() {
    let app = TestApp::with(|config, _| {
        config.lanes.get_mut("default").expect("the lane").concurrency = 1;
    })
    .await;
    let running = app.running("gate").await;
    let queued = app.submit("hello").await;
    let mut reader = app.follow(&queued, 0).await;
    assert_eq!(reader.next().await.expect("the first event").event, "queued");
    let cancelled = app.cancel(&queued).await.expect(202).json();
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(cancelled["outcome"]["message"], "Cancelled by a caller on this machine.");
    assert_eq!(reader.rest().await.iter().map(|frame| frame.event.as_str()).collect::<Vec<_>>(), ["finished"]);
    app.agent.open_gate();
    assert_eq!(app.ended(&running).await["state"], "succeeded");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_stopped_and_its_slot_is_free_again() {
    let app = TestApp::with(|config, _| {
        config.lanes.get_mut("default").expect("the lane").concurrency = 1;
    })
    .await;
    let id = app.running("hang").await;
    let next = app.submit("hello").await;
    for _ in 0..2 {
        let state = app.cancel(&id).await.json()["state"].clone();
        assert!(state == "running" || state == "cancelled" || state == 409, "{state}");
    }
    let ended = app.ended(&id).await;
    assert_eq!((&ended["state"], &ended["outcome"]["state"]), (&json!("cancelled"), &json!("cancelled")));
    let kinds: Vec<_> = app.follow(&id, 4).await.rest().await.into_iter().map(|frame| frame.event).collect();
    assert_eq!(kinds, ["text", "stopping", "finished"]);
    assert_eq!(app.ended(&next).await["state"], "succeeded");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_or_never_was_can_not_be_cancelled() {
    let app = TestApp::start().await;
    let ended = app.run("hello").await;
    insta::assert_snapshot!(
        [
            app.cancel(&ended).await.problem(),
            app.cancel("exe_01kjmma2g0fhewbhqcwdanp11v").await.problem(),
            app.cancel("exe_").await.problem(),
        ]
        .join("\n")
    );
    assert_eq!(app.ended(&ended).await["state"], "succeeded");
    app.finish().await;
}
