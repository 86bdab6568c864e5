//! Whatever an agent prints, it is kept up to the cap, and the run is judged by what it said, never by its exit code.

use std::time::Duration;

use legwork_model::{EventBody, FailureReason, SandboxKind, Verdict};
use tokio::sync::{mpsc, watch};

use legwork_runner::Wires;

use crate::lab::{Going, Lab, PATIENCE, dialogue, limits, processes_with, runner};

in_each_sandbox! {
    an_answer_is_a_success,
    a_flood_is_cut_off_at_exactly_the_cap,
    output_of_exactly_the_cap_is_no_flood,
    an_agent_that_leaves_before_its_output_is_read_was_too_loud_all_the_same,
    the_output_of_a_run_that_goes_on_is_in_its_file,
    an_exit_code_is_no_answer,
    garbage_before_an_answer_is_kept_and_forgiven,
    a_reader_that_does_not_read_keeps_nobody_from_stopping_the_run,
}

async fn an_answer_is_a_success(kind: SandboxKind) {
    let mut lab = Lab::new(kind, "text hello\ntext the answer");
    let done = lab.run().await;
    assert_eq!(done.outcome.verdict, Verdict::Succeeded);
    assert_eq!(done.outcome.result.as_deref(), Some("the answer"));
    assert_eq!(done.texts(), ["hello", "the answer"]);
    assert_eq!(done.outcome.exit.and_then(|exit| exit.code), Some(0));
    assert_eq!(done.stopping(), None);
    let kept = String::from_utf8(done.output).expect("text");
    assert_eq!(kept.lines().count(), 4, "{kept}");
}

async fn a_flood_is_cut_off_at_exactly_the_cap(kind: SandboxKind) {
    for script in ["flood forever", "ignore-term\nflood forever", "line 20MB", "garbage\nflood forever"] {
        let mut lab = Lab::with_limits(kind, script, limits(|it| it.max_output_bytes = 100_000));
        let done = lab.run().await;
        assert_eq!(done.failure(), Some(FailureReason::OutputLimit), "{script}");
        assert_eq!(done.output.len(), 100_000, "{script}");
    }
}

async fn output_of_exactly_the_cap_is_no_flood(kind: SandboxKind) {
    let mut lab = Lab::new(kind, "flood 100KB");
    let done = lab.run().await;
    assert_eq!(done.outcome.verdict, Verdict::Succeeded);
    let size = done.output.len() as u64;

    let mut lab = Lab::with_limits(kind, "flood 100KB", limits(|it| it.max_output_bytes = size - 1));
    assert_eq!(lab.run().await.failure(), Some(FailureReason::OutputLimit));
}

async fn an_agent_that_leaves_before_its_output_is_read_was_too_loud_all_the_same(kind: SandboxKind) {
    // Its end and the last of its output race to us, so that it takes a few runs to see both orders.
    for _ in 0..30 {
        let mut lab = Lab::with_limits(kind, "flood 10KB", limits(|it| it.max_output_bytes = 1000));
        let done = lab.run().await;
        assert_eq!(done.failure(), Some(FailureReason::OutputLimit));
        assert_eq!(done.output.len(), 1000);
    }
}

async fn the_output_of_a_run_that_goes_on_is_in_its_file(kind: SandboxKind) {
    let mut lab = Lab::new(kind, "text early\nhang");
    let file = lab.dirs.stdout();
    let mut going = lab.start();
    assert_eq!(going.until_text().await, "early");
    let written = async {
        while !std::fs::read_to_string(&file).is_ok_and(|text| text.contains("early")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.expect("it is written while the agent is silent");
    going.cancel();
    assert!(String::from_utf8(going.end().await.output).expect("text").contains("early"));
}

async fn an_exit_code_is_no_answer(kind: SandboxKind) {
    for (script, reason) in [
        ("half-line", FailureReason::IncompleteOutput),
        ("text hello\nexit 0", FailureReason::IncompleteOutput),
        ("silent\nexit 0", FailureReason::IncompleteOutput),
        ("stderr something is wrong\nexit 3", FailureReason::ExitNonzero),
        ("garbage\nexit 0", FailureReason::IncompleteOutput),
    ] {
        let done = Lab::new(kind, script).run().await;
        assert_eq!(done.failure(), Some(reason), "{script}: {:?}", done.outcome);
    }
}

async fn garbage_before_an_answer_is_kept_and_forgiven(kind: SandboxKind) {
    let mut lab = Lab::new(kind, "garbage\ntext fine");
    let done = lab.run().await;
    assert_eq!(done.outcome.verdict, Verdict::Succeeded);
    assert!(done.events.iter().any(|event| matches!(event, EventBody::Unparsed { .. })), "{:?}", done.events);
    assert!(done.output.windows(3).any(|bytes| bytes == b"\x00\xff\xfe"));
}

async fn a_reader_that_does_not_read_keeps_nobody_from_stopping_the_run(kind: SandboxKind) {
    let mut lab = Lab::new(kind, &"text chatter\n".repeat(100_000));
    let (stop, stopped) = watch::channel(None);
    let (sender, events) = mpsc::channel(1);
    let cookie = lab.attempt.cookie.to_string();
    let attempt = std::mem::replace(&mut lab.attempt, Lab::new(kind, "").attempt);
    let ended = tokio::spawn(async move { runner().run(attempt, Wires::one_way(dialogue(), stopped, sender)).await });
    let mut going = Going { stop, events, ended };
    going.until_text().await;
    going.cancel();
    // Nobody reads until the agent is gone.
    let gone = async {
        while !processes_with("environ", &cookie).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it ends unread");
    let done = going.end().await;
    assert_eq!(done.stopping(), Some("cancelled"));
    assert!(done.events.len() < 100_000, "it was stopped half-way");
}
