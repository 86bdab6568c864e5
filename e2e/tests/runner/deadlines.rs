//! Every wait of a run has its own deadline, and every deadline its own reason.

use legwork_model::FailureReason::{self, ExitTimeout, FirstEventTimeout, SilenceTimeout, Timeout};
use legwork_model::{Limits, SandboxKind};

use crate::lab::{Lab, limits};

in_each_sandbox! {
    an_agent_that_never_says_anything,
    error_output_is_not_the_beginning_of_an_answer,
    an_agent_that_falls_silent,
    an_agent_that_goes_on_for_too_long,
    an_agent_that_answers_and_stays_is_no_success_but_its_answer_is_kept,
}

async fn check(kind: SandboxKind, script: &str, limits: Limits, reason: FailureReason) {
    let mut lab = Lab::with_limits(kind, script, limits);
    let done = lab.run().await;
    assert_eq!(done.failure(), Some(reason), "{:?}", done.outcome);
    assert_eq!(done.stopping(), Some(reason.as_str()));
    assert_eq!(done.outcome.exit.and_then(|exit| exit.signal), Some(15));
}

async fn an_agent_that_never_says_anything(kind: SandboxKind) {
    check(kind, "silent\nhang", limits(|it| it.first_event_seconds = 1), FirstEventTimeout).await;
}

async fn error_output_is_not_the_beginning_of_an_answer(kind: SandboxKind) {
    let script = "silent\nstderr a warning\nhang";
    check(kind, script, limits(|it| it.first_event_seconds = 1), FirstEventTimeout).await;
}

async fn an_agent_that_falls_silent(kind: SandboxKind) {
    check(kind, "text hello\nhang", limits(|it| it.silence_seconds = 1), SilenceTimeout).await;
}

async fn an_agent_that_goes_on_for_too_long(kind: SandboxKind) {
    let chatter = "sleep 50ms\ntext still here\n".repeat(200);
    check(kind, &chatter, limits(|it| it.timeout_seconds = 1), Timeout).await;
}

async fn an_agent_that_answers_and_stays_is_no_success_but_its_answer_is_kept(kind: SandboxKind) {
    let mut lab = Lab::with_limits(kind, "text the answer\nlinger", limits(|it| it.exit_seconds = 1));
    let done = lab.run().await;
    assert_eq!(done.failure(), Some(ExitTimeout));
    assert_eq!(done.outcome.result.as_deref(), Some("the answer"));
    assert!(done.outcome.cost_usd.is_some() && done.outcome.session_id.is_some(), "{:?}", done.outcome);
}
