//! Commands whose output nobody reads any more, as in `legwork executions list | head -0`.

use serde_json::json;

use super::terminal::{Said, Terminal};
use crate::lab::{Setup, check_history, nothing_left};

#[tokio::test]
async fn a_closed_pipe_is_no_reason_to_panic() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let execution = server.client.run(&json!({ "prompt": "text hello" })).await;
    let id = execution["id"].as_str().expect("an id");
    let terminal = Terminal::at(&server);
    let calls: [&[&str]; 12] = [
        &["--help"],
        &["executions", "list"],
        &["executions", "list", "--json"],
        &["executions", "show", id],
        &["executions", "logs", id],
        &["executions", "logs", "-f", "--json", id],
        &["run", "text hello"],
        &["doctor", "--rehearse"],
        &["config", "check"],
        &["config", "show"],
        &["key", "list"],
        &["openapi"],
    ];
    for arguments in calls {
        check_calm(arguments, &terminal.call_unread(arguments).await);
    }
}

#[tokio::test]
async fn a_key_that_nobody_saw_is_said_to_be_lost() {
    let said = Terminal::new().call_unread(&["key", "create", "--name", "lost"]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("standard output"), "{}", said.stderr);
}

#[tokio::test]
async fn a_run_whose_events_nobody_reads_is_cancelled() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let here = Terminal::new();
    for (terminal, data_dir) in [(&Terminal::at(&server), data.path()), (&here, &here.data_dir())] {
        let said = terminal.call_unread(&["run", "--json", "text begun\nspawn detached stubborn m\nhang"]).await;
        assert_eq!(said.code, Some(130), "{}", said.stderr);
        nothing_left(data_dir).await;
    }
    let list = Terminal::at(&server).call(&["executions", "list"]).await;
    let id = list.stdout.split_whitespace().find(|word| word.starts_with("exe_")).expect("an execution");
    assert_eq!(check_history(&server.client, id).await["state"], "cancelled");
}

fn check_calm(arguments: &[&str], said: &Said) {
    assert!(said.code.is_some_and(|code| code <= 1), "{arguments:?}: {said:?}");
    assert!(!said.stderr.contains("panicked"), "{arguments:?}: {said:?}");
}
