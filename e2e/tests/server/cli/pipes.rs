//! Commands whose output nobody reads any more, as in `legwork executions list | head -0`, or that goes nowhere.

use std::fs::File;
use std::io::PipeWriter;

use serde_json::json;

use super::terminal::Terminal;
use crate::lab::{Setup, check_history, nothing_left};

#[tokio::test]
async fn a_closed_pipe_is_no_reason_to_panic() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let execution = server.client.run(&json!({ "prompt": "text hello" })).await;
    let id = execution["id"].as_str().expect("an id");
    let terminal = Terminal::at(&server);
    for arguments in calls(id) {
        let said = terminal.call_into(closed_pipe(), &arguments).await;
        assert_eq!((said.code, said.stderr.contains("panicked")), (Some(0), false), "{arguments:?}: {said:?}");
    }
}

#[tokio::test]
async fn what_a_full_disk_does_not_take_is_not_called_done() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let execution = server.client.run(&json!({ "prompt": "text hello" })).await;
    let id = execution["id"].as_str().expect("an id");
    let terminal = Terminal::at(&server);
    for arguments in calls(id) {
        let full = File::options().write(true).open("/dev/full").expect("a disk that is full");
        let said = terminal.call_into(full, &arguments).await;
        let code = if arguments[0] == "run" { 3 } else { 1 };
        assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
        assert!(said.stderr.contains("failed to write to standard output: No space left"), "{arguments:?}: {said:?}");
    }
}

fn calls(id: &str) -> [Vec<&str>; 11] {
    [
        vec!["executions", "list"],
        vec!["executions", "list", "--json"],
        vec!["executions", "show", id],
        vec!["executions", "logs", id],
        vec!["executions", "logs", "-f", "--json", id],
        vec!["run", "text hello"],
        vec!["doctor", "--rehearse"],
        vec!["config", "check"],
        vec!["config", "show"],
        vec!["key", "list"],
        vec!["openapi"],
    ]
}

#[tokio::test]
async fn a_key_that_nobody_saw_is_said_to_be_lost() {
    let said = Terminal::paying().call_into(closed_pipe(), &["key", "create", "--name", "lost"]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("standard output"), "{}", said.stderr);
}

#[tokio::test]
async fn a_run_whose_events_nobody_reads_is_cancelled() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let here = Terminal::paying();
    for (terminal, data_dir) in [(&Terminal::at(&server), data.path()), (&here, &here.data_dir())] {
        let said =
            terminal.call_into(closed_pipe(), &["run", "--json", "text begun\nspawn detached stubborn m\nhang"]).await;
        assert_eq!(said.code, Some(130), "{}", said.stderr);
        nothing_left(data_dir).await;
    }
    let list = Terminal::at(&server).call(&["executions", "list"]).await;
    let id = list.stdout.split_whitespace().find(|word| word.starts_with("exe_")).expect("an execution");
    assert_eq!(check_history(&server.client, id).await["state"], "cancelled");
}

fn closed_pipe() -> PipeWriter {
    let (_, writer) = std::io::pipe().expect("a pipe");
    writer
}
