//! Where there is no sandbox, nothing runs.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use legwork_model::{FailureReason, SandboxKind};

use crate::lab::{Lab, runner_with};

/// A program that says what it is told to.
fn fake(place: &tempfile::TempDir, script: &str) -> PathBuf {
    let file = place.path().join("bwrap");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("written");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).expect("set");
    file
}

async fn check(bwrap: PathBuf, why: &str) {
    let mut lab = Lab::new(1000);
    lab.runner = runner_with(bwrap);
    let probed = lab.runner.probe().await;
    let told = probed.into_iter().find(|(kind, _)| *kind == SandboxKind::Bubblewrap).expect("it is registered").1;
    assert!(told.as_ref().is_err_and(|told| told.contains(why)), "{told:?}");
    let canary = lab.dirs.home().join("canary");
    let told = lab.script(&format!("write {} it ran\ntext done", canary.display())).await;
    let (reason, message) = told.failure().expect("it is refused");
    assert_eq!(reason, FailureReason::SandboxUnavailable);
    assert!(message.contains(why), "{message}");
    assert!(!canary.exists(), "it never runs open");
    assert_eq!(lab.runner.live_runs(), 0);
}

#[tokio::test]
async fn row_32_a_missing_program_refuses_the_run() {
    check("/no/such/bwrap".into(), "install the package `bubblewrap`").await;
}

#[tokio::test]
async fn row_32_an_old_program_refuses_the_run() {
    let place = tempfile::tempdir().expect("a directory");
    check(fake(&place, "echo bubblewrap 0.4.1"), "0.4.1 is too old").await;
}

#[tokio::test]
async fn row_32_a_kernel_without_user_namespaces_refuses_the_run() {
    let place = tempfile::tempdir().expect("a directory");
    let script = "[ $1 = --version ] && echo bubblewrap 0.8.0 && exit\n\
                  echo 'bwrap: No permissions to create new namespace' >&2; exit 1";
    check(fake(&place, script), "user.max_user_namespaces").await;
}

#[tokio::test]
async fn a_kind_of_sandbox_that_there_is_not_refuses_the_run() {
    let mut lab = Lab::new(1000);
    lab.confinement.kind = SandboxKind::Docker;
    let told = lab.script("text done").await;
    assert_eq!(told.failure().expect("it is refused").0, FailureReason::SandboxUnavailable);
}
