//! Stopping a run ends everything in it.

use legwork_model::{FailureReason, Verdict};
use legwork_runner::StopReason;

use crate::lab::{Lab, processes_with};

#[tokio::test]
async fn a_cancelled_run_says_who_asked() {
    let mut lab = Lab::new("text working\nhang");
    let mut going = lab.start();
    going.until_text().await;
    going.cancel();
    let done = going.end().await;
    assert_eq!(done.outcome.verdict, Verdict::Cancelled { message: "asked by a test".into() });
    assert_eq!(done.stopping(), Some("cancelled"));
    assert!(done.outcome.session_id.is_some(), "what the agent told is kept");
}

#[tokio::test]
async fn a_run_that_is_cancelled_before_it_starts_never_starts() {
    let mut lab = Lab::new("text hello");
    let going = lab.start();
    going.cancel();
    let done = going.end().await;
    assert_eq!(done.outcome.verdict.state(), legwork_model::ExecutionState::Cancelled);
    assert!(done.texts().is_empty() || done.stopping().is_some());
}

#[tokio::test]
async fn a_success_that_was_cancelled_is_no_success() {
    let mut lab = Lab::new("text the answer\nlinger");
    let mut going = lab.start();
    going.until_text().await;
    going.until(|event| matches!(event, legwork_model::EventBody::TurnEnded { .. }).then_some(())).await;
    going.cancel();
    let done = going.end().await;
    assert_eq!(done.outcome.verdict.state(), legwork_model::ExecutionState::Cancelled);
    assert_eq!(done.outcome.result.as_deref(), Some("the answer"));
}

#[tokio::test]
async fn a_lost_lease_ends_the_agent() {
    let mut lab = Lab::new("text working\nhang");
    let mut going = lab.start();
    going.until_text().await;
    going.stop.send_replace(Some(StopReason::LeaseLost));
    assert_eq!(going.end().await.failure(), Some(FailureReason::Lost));
}

#[tokio::test]
async fn nothing_is_left_of_a_tree_that_ignores_being_told_to_end() {
    let script = "ignore-term\n\
        spawn child sleeper m\nspawn child stubborn m\nspawn detached sleeper m\nspawn detached stubborn m\n\
        text ready\nhang";
    let mut lab = Lab::new(script);
    let cookie = lab.attempt.cookie.to_string();
    let mut going = lab.start();
    going.until_text().await;
    assert_eq!(processes_with("environ", &cookie).len(), 5, "all of them live");
    going.cancel();
    let done = going.end().await;
    assert_eq!(done.outcome.exit.and_then(|exit| exit.signal), Some(9));
    assert_eq!(processes_with("environ", &cookie), Vec::<i32>::new());
}
