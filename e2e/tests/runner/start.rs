//! A program that can't be started is a failure that says what to do.

use std::os::unix::fs::PermissionsExt;

use legwork_model::{FailureReason, SandboxKind, Verdict};

use crate::lab::Lab;

in_each_sandbox! {
    a_missing_program_comes_with_how_to_get_it,
    a_workspace_can_not_choose_the_program,
    a_file_that_is_no_program,
    a_workspace_that_is_gone,
}

async fn message(mut lab: Lab) -> String {
    match lab.run().await.outcome.verdict {
        Verdict::Failed(failure) if failure.reason == FailureReason::SpawnFailed => failure.message,
        other => panic!("{other:?}"),
    }
}

fn with_program(kind: SandboxKind, program: impl Into<std::path::PathBuf>) -> Lab {
    let mut lab = Lab::new(kind, "");
    lab.attempt.launch.program = program.into();
    lab
}

async fn a_missing_program_comes_with_how_to_get_it(kind: SandboxKind) {
    for program in ["no-such-agent", "/opt/no-such-agent"] {
        let message = message(with_program(kind, program)).await;
        assert!(message.contains("no-such-agent") && message.contains("npm install"), "{message}");
    }
}

async fn a_workspace_can_not_choose_the_program(kind: SandboxKind) {
    let message = message(with_program(kind, "./claude")).await;
    assert!(message.contains("absolute path"), "{message}");
}

async fn a_file_that_is_no_program(kind: SandboxKind) {
    let lab = Lab::new(kind, "");
    let file = lab.dirs.home().join("agent");
    std::fs::write(&file, "#!/no/such/interpreter\n").expect("written");
    for (mode, expected) in [(0o600, "chmod +x"), (0o700, "interpreter")] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("set");
        let message = message(with_program(kind, &file)).await;
        assert!(message.contains(expected), "{message}");
    }
}

async fn a_workspace_that_is_gone(kind: SandboxKind) {
    let mut lab = Lab::new(kind, "");
    lab.attempt.workspace = "/no/such/workspace".into();
    let message = message(lab).await;
    assert!(message.contains("/no/such/workspace"), "{message}");
}
