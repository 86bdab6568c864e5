//! What goes in.

use legwork_model::{FailureReason, SandboxKind, Verdict};

use crate::lab::{Lab, limits};

in_each_sandbox! {
    a_large_prompt_arrives_whole,
    an_agent_that_does_not_read_its_prompt_is_not_waited_for,
    nothing_of_the_prompt_is_in_the_arguments_and_nothing_of_our_environment_in_its_own,
}

async fn a_large_prompt_arrives_whole(kind: SandboxKind) {
    let prompt = "a word and another\n".repeat(20_000);
    let done = Lab::new(kind, &prompt).run().await;
    assert_eq!(done.outcome.verdict, Verdict::Succeeded);
    assert_eq!(done.texts().len(), 20_000);
}

async fn an_agent_that_does_not_read_its_prompt_is_not_waited_for(kind: SandboxKind) {
    let mut lab = Lab::new(kind, &"x".repeat(5_000_000));
    lab.attempt.launch.args.extend(["--script".into(), "text done".into()]);
    let done = lab.run().await;
    assert_eq!(done.outcome.verdict, Verdict::Succeeded, "it ended its input unread");

    let mut lab = Lab::with_limits(kind, &"x".repeat(5_000_000), limits(|it| it.timeout_seconds = 1));
    lab.attempt.launch.args.extend(["--script".into(), "hang".into()]);
    assert_eq!(lab.run().await.failure(), Some(FailureReason::Timeout));
}

async fn nothing_of_the_prompt_is_in_the_arguments_and_nothing_of_our_environment_in_its_own(kind: SandboxKind) {
    let mut lab = Lab::new(kind, "report\ntext --settings=evil");
    let home = lab.dirs.home().display().to_string();
    let done = lab.run().await;
    let report = done.texts()[0];
    assert!(!report.split("\"cwd\"").next().expect("a part").contains("evil"), "{report}");
    assert!(report.contains(&format!("\"HOME\":\"{home}\"")), "{report}");
    assert!(report.contains(&lab.dirs.work().display().to_string()), "{report}");
    assert!(!report.contains("CARGO_"), "{report}");
}
