//! `legwork executions`

use serde_json::{Value, json};

use super::terminal::{Said, Terminal};
use crate::lab::{Setup, check_history, nothing_left};

const UNKNOWN: &str = "exe_01m7y3mxd3zsnj8768wfpxha5c";

#[tokio::test]
async fn what_was_done_can_be_listed_shown_and_read() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let terminal = Terminal::at(&server);
    assert_eq!(fine(terminal.call(&["executions", "list"]).await), "No executions.\n");
    assert_eq!(fine(terminal.call(&["executions", "list", "--json"]).await), "");

    let good = id_of(&server.client.run(&json!({ "prompt": "text It is done." })).await);
    let bad = id_of(&server.client.run(&json!({ "prompt": "fail It broke." })).await);
    let list = fine(terminal.call(&["executions", "list"]).await);
    let places = [&bad, &good].map(|id| list.find(id.as_str()).expect("it is listed"));
    assert!(places[0] < places[1], "the newest comes first:\n{list}");
    assert!(list.contains("succeeded") && list.contains("failed ("), "{list}");

    let failed = fine(terminal.call(&["executions", "list", "--state", "failed", "--json"]).await);
    let failed: Vec<Value> =
        failed.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!(failed.iter().map(|one| &one["id"]).collect::<Vec<_>>(), [&json!(bad)]);

    let shown = fine(terminal.call(&["executions", "show", &good]).await);
    assert!(shown.contains("answer\n  It is done.\n"), "{shown}");
    let shown: Value =
        serde_json::from_str(&fine(terminal.call(&["executions", "show", &bad, "--json"]).await)).expect("it is JSON");
    assert_eq!(shown["outcome"]["state"], "failed");

    let log = fine(terminal.call(&["executions", "logs", &good]).await);
    assert!(log.contains("It is done.\n") && log.lines().last().is_some_and(|line| line.starts_with("succeeded")));
    let log = fine(terminal.call(&["executions", "logs", &good, "--json"]).await);
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!(events, server.client.events(&good).await);
}

#[tokio::test]
async fn a_log_is_followed_until_the_run_ends() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let terminal = Terminal::at(&server);
    let id = server.client.submit(&json!({ "prompt": "text begun\nspawn detached stubborn m\nhang" })).await;
    let mut log = terminal.start(&["executions", "logs", "-f", &id]);
    log.until_stdout("begun").await;

    let unfinished = fine(terminal.call(&["executions", "logs", &id]).await);
    assert!(unfinished.contains("begun") && !unfinished.contains("cancelled"), "{unfinished}");
    let cancelled = fine(terminal.call(&["executions", "cancel", &id]).await);
    assert_eq!(cancelled, format!("{id} is being stopped\n"));

    let log = fine(log.ended().await);
    assert!(log.lines().last().is_some_and(|line| line.starts_with("cancelled: ")), "{log}");
    assert_eq!(check_history(&server.client, &id).await["state"], "cancelled");
    nothing_left(data.path()).await;
    check_error(&terminal.call(&["executions", "cancel", &id]).await, 1, "already");
    assert_eq!(fine(terminal.call(&["executions", "logs", "-f", &id]).await), log);
}

#[tokio::test]
async fn what_waits_is_cancelled_at_once() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env("LEGWORK_LANES__DEFAULT__CONCURRENCY", "1").start().await;
    let first = server.client.submit(&json!({ "prompt": "text begun\nhang" })).await;
    server.client.until_event(&first, "text").await;
    let second = server.client.submit(&json!({ "prompt": "text never" })).await;
    let terminal = Terminal::at(&server);
    let said = fine(terminal.call(&["executions", "cancel", &second]).await);
    assert_eq!(said, format!("{second} is cancelled\n"));
    fine(terminal.call(&["executions", "cancel", &first]).await);
    assert_eq!(check_history(&server.client, &first).await["state"], "cancelled");
}

#[tokio::test]
async fn an_unknown_execution_and_a_dead_server_are_named() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let terminal = Terminal::at(&server);
    let about_one: [&[&str]; 4] = [&["show"], &["logs"], &["logs", "-f"], &["cancel"]];
    for action in about_one {
        let call = |id| [&["executions"], action, &[id]].concat();
        check_error(&terminal.call(&call(UNKNOWN)).await, 1, UNKNOWN);
        check_error(&terminal.call(&call("exe_nonsense")).await, 2, "exe_nonsense");
    }
    check_error(&terminal.call(&["executions", "list", "--state", "done"]).await, 2, "queued, running");

    server.kill().await;
    for arguments in [&["executions", "list"][..], &["executions", "show", UNKNOWN], &["executions", "cancel", UNKNOWN]]
    {
        check_error(&terminal.call(arguments).await, 3, "`legwork serve`");
    }
}

fn id_of(execution: &Value) -> String {
    execution["id"].as_str().expect("an id").to_owned()
}

/// What a command printed that had nothing to complain about.
fn fine(said: Said) -> String {
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{}", said.stdout);
    said.stdout
}

fn check_error(said: &Said, code: i32, text: &str) {
    assert_eq!((said.code, said.stdout.as_str()), (Some(code), ""), "{}", said.stderr);
    assert!(said.stderr.contains(text), "`{text}` is missing in {}", said.stderr);
}
