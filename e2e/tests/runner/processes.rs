//! What an agent leaves behind when it ends by itself is ended with it.

use std::time::Duration;

use legwork_model::{SandboxKind, Verdict};

use crate::lab::{Lab, marker, processes_with};

in_each_sandbox! {
    what_is_left_behind_is_ended,
    what_is_left_behind_after_a_while_is_ended_too,
    one_that_shares_the_output_does_not_keep_the_run_from_ending,
    a_process_without_a_mark_is_not_ended_while_it_may_belong_to_a_live_run,
}

async fn what_is_left_behind_is_ended(kind: SandboxKind) {
    for how in ["child", "holding", "detached", "cleared"] {
        for role in ["sleeper", "stubborn"] {
            let marker = marker();
            let done = Lab::new(kind, &format!("spawn {how} {role} {marker}\ntext done")).run().await;
            assert_eq!(done.outcome.verdict, Verdict::Succeeded, "{how} {role}");
            assert_eq!(processes_with("cmdline", &marker), Vec::<i32>::new(), "{how} {role}");
        }
    }
}

async fn what_is_left_behind_after_a_while_is_ended_too(kind: SandboxKind) {
    let marker = marker();
    let script = format!("spawn cleared sleeper {marker}\nspawn detached sleeper {marker}\nsleep 5500ms\ntext done");
    assert_eq!(Lab::new(kind, &script).run().await.outcome.verdict, Verdict::Succeeded);
    assert_eq!(processes_with("cmdline", &marker), Vec::<i32>::new());
}

async fn one_that_shares_the_output_does_not_keep_the_run_from_ending(kind: SandboxKind) {
    let marker = marker();
    let done = Lab::new(kind, &format!("spawn holding stubborn {marker}\ntext done")).run().await;
    assert_eq!(done.outcome.verdict, Verdict::Succeeded);
    assert!(done.outcome.duration_ms < Duration::from_secs(20).as_millis() as u64);
}

async fn a_process_without_a_mark_is_not_ended_while_it_may_belong_to_a_live_run(kind: SandboxKind) {
    let marker = marker();
    let mut longer = Lab::new(kind, &format!("spawn cleared sleeper {marker}\ntext ready\nhang"));
    let mut longer = longer.start();
    longer.until_text().await;
    assert_eq!(Lab::new(kind, "spawn detached sleeper m\ntext done").run().await.outcome.verdict, Verdict::Succeeded);
    assert_eq!(processes_with("cmdline", &marker).len(), 1, "it is left alone");
    longer.cancel();
    longer.end().await;
    assert_eq!(processes_with("cmdline", &marker), Vec::<i32>::new());
}
