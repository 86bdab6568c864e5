//! Stopping a run ends everything in it.

use legwork_model::{FailureReason, SandboxKind, Verdict};
use legwork_runner::StopReason;

use crate::lab::{Lab, marker, processes_with};

in_each_sandbox! {
    a_cancelled_run_says_who_asked,
    a_run_that_is_cancelled_before_it_starts_never_starts,
    a_success_that_was_cancelled_is_no_success,
    a_lost_lease_ends_the_agent,
    nothing_is_left_of_a_tree_that_ignores_being_told_to_end,
}

async fn a_cancelled_run_says_who_asked(kind: SandboxKind) {
    let mut lab = Lab::new(kind, "text working\nhang");
    let mut going = lab.start();
    going.until_text().await;
    going.cancel();
    let done = going.end().await;
    assert_eq!(done.outcome.verdict, Verdict::Cancelled { message: "asked by a test".into() });
    assert_eq!(done.stopping(), Some("cancelled"));
    assert!(done.outcome.session_id.is_some(), "what the agent told is kept");
}

async fn a_run_that_is_cancelled_before_it_starts_never_starts(kind: SandboxKind) {
    let mut lab = Lab::new(kind, "text hello");
    let going = lab.start();
    going.cancel();
    let done = going.end().await;
    assert_eq!(done.outcome.verdict.state(), legwork_model::ExecutionState::Cancelled);
    assert!(done.texts().is_empty() || done.stopping().is_some());
}

async fn a_success_that_was_cancelled_is_no_success(kind: SandboxKind) {
    let mut lab = Lab::new(kind, "text the answer\nlinger");
    let mut going = lab.start();
    going.until_text().await;
    going.until(|event| matches!(event, legwork_model::EventBody::TurnEnded { .. }).then_some(())).await;
    going.cancel();
    let done = going.end().await;
    assert_eq!(done.outcome.verdict.state(), legwork_model::ExecutionState::Cancelled);
    assert_eq!(done.outcome.result.as_deref(), Some("the answer"));
}

async fn a_lost_lease_ends_the_agent(kind: SandboxKind) {
    let mut lab = Lab::new(kind, "text working\nhang");
    let mut going = lab.start();
    going.until_text().await;
    going.stop.send_replace(Some(StopReason::LeaseLost));
    assert_eq!(going.end().await.failure(), Some(FailureReason::Lost));
}

async fn nothing_is_left_of_a_tree_that_ignores_being_told_to_end(kind: SandboxKind) {
    let marker = marker();
    let others = ["child sleeper", "child stubborn", "detached sleeper", "detached stubborn"];
    let others = others.map(|how| format!("spawn {how} {marker}\n")).concat();
    let mut lab = Lab::new(kind, &format!("ignore-term\n{others}text ready\nhang"));
    let cookie = lab.attempt.cookie.to_string();
    let mut going = lab.start();
    going.until_text().await;
    assert_eq!(processes_with("cmdline", &marker).len(), 4, "all of them live");
    going.cancel();
    let done = going.end().await;
    assert_eq!(done.outcome.exit.and_then(|exit| exit.signal), Some(9));
    assert_eq!(processes_with("environ", &cookie), Vec::<i32>::new());
}
