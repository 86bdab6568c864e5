//! `legwork run`

use serde_json::Value;

use super::terminal::{Said, Terminal};
use crate::lab::{Setup, check_history, nothing_left, processes_of};

/// What leaves a process that wants to be killed, and then goes on for ever.
const NEVER_ENDS: &str = "text begun\nspawn detached stubborn m\ntext still here\nhang";

#[tokio::test]
async fn the_answer_goes_to_standard_output_and_progress_beside_it() {
    let terminal = Terminal::paying();
    check_answer(&terminal).await;
    assert!(terminal.data_dir().join("legwork.db").is_file(), "the run is on record");

    let elsewhere = terminal.dir().join("elsewhere");
    let named = terminal.call(&["run", "text hello", "--data-dir", elsewhere.to_str().expect("UTF-8")]).await;
    assert_eq!((named.code, named.stdout.as_str()), (Some(0), "hello\n"), "{}", named.stderr);
    nothing_left(&elsewhere).await;
}

#[tokio::test]
async fn an_equal_run_need_not_be_repeated() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let terminal = Terminal::at(&server);
    let line = ["run", "text hello", "--cache-ttl", "10m"];
    for says in ["succeeded · ", "succeeded as exe_"] {
        let said = terminal.call(&line).await;
        assert_eq!((said.code, said.stdout.as_str()), (Some(0), "hello\n"), "{}", said.stderr);
        assert!(said.stderr.contains(says), "{says} is missing in {}", said.stderr);
    }
}

#[tokio::test]
async fn a_server_does_the_same_job() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let terminal = Terminal::at(&server);
    check_answer(&terminal).await;
    let named = Terminal::paying().call(&["run", "text hello", "--server", server.url()]).await;
    assert_eq!((named.code, named.stdout.as_str()), (Some(0), "hello\n"), "{}", named.stderr);
    assert!(!terminal.data_dir().exists(), "nothing is kept where the server does the work");
}

async fn check_answer(terminal: &Terminal) {
    let said = terminal.call(&["run", "text a word before\ntext hello"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "hello\n"), "{}", said.stderr);
    for part in ["a word before\n", "succeeded", "execution  exe_"] {
        assert!(said.stderr.contains(part), "{part} is missing in {}", said.stderr);
    }
    let quiet = terminal.call(&["run", "--quiet", "text hello"]).await;
    assert_eq!(quiet, Said { code: Some(0), stdout: "hello\n".into(), stderr: String::new() });
    check_json(&terminal.call(&["run", "--json", "text hello"]).await);
}

fn check_json(said: &Said) {
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{}", said.stdout);
    let mut lines: Vec<Value> =
        said.stdout.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let execution = lines.pop().expect("lines");
    assert_eq!((&execution["state"], &execution["outcome"]["result"]), (&"succeeded".into(), &"hello".into()));
    let numbers: Vec<_> = lines.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=lines.len() as u64).collect::<Vec<_>>());
    let kinds: Vec<_> = lines.iter().filter_map(|event| event["kind"].as_str()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"queued"), Some(&"finished")), "{kinds:?}");
}

#[tokio::test]
async fn the_exit_code_and_the_error_say_what_went_wrong() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    for terminal in [Terminal::paying(), Terminal::at(&server)] {
        let cases: [(&[&str], i32, &str); 5] = [
            (&["run", "fail The tests are red."], 1, "The tests are red."),
            (&["run", "hang", "--timeout", "1"], 124, "--timeout SECONDS"),
            (&["run", "--quiet", "hang", "--timeout", "1"], 124, "--timeout SECONDS"),
            (&["run", ""], 2, "prompt"),
            (&["run", "text x", "--agent", "clade-code"], 2, "claude-code"),
        ];
        for (arguments, code, text) in cases {
            check_refusal(&terminal.call(arguments).await, code, text);
        }
    }
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn a_missing_agent_comes_with_how_to_get_it() {
    const PROGRAM: &str = "LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM";
    let empty = tempfile::tempdir().expect("a directory");
    let path = empty.path().to_str().expect("UTF-8");
    let not_installed = Terminal::paying().without(PROGRAM).with("PATH", path);
    check_refusal(&not_installed.call(&["run", "text x"]).await, 1, "npm install -g");
    let misnamed = Terminal::paying().with(PROGRAM, "/opt/there/is/none");
    check_refusal(&misnamed.call(&["run", "text x"]).await, 1, "/opt/there/is/none");

    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).env(PROGRAM, "/opt/there/is/none").start().await;
    check_refusal(&Terminal::at(&server).call(&["run", "text x"]).await, 1, "npm install -g");
}

#[tokio::test]
async fn a_run_that_can_not_be_made_says_what_to_do() {
    let terminal = Terminal::paying();
    let server = Setup::scripted(&terminal.data_dir()).start().await;
    let in_use = terminal.call(&["run", "text x"]).await;
    check_refusal(&in_use, 3, &format!("--server {}", server.url()));

    let url = server.url().to_owned();
    server.kill().await;
    check_refusal(&terminal.call(&["run", "text x", "--server", &url]).await, 3, "`legwork serve`");
    check_refusal(&terminal.call(&["run", "text x", "--server", "nonsense"]).await, 2, "http://127.0.0.1:7070");
    check_refusal(&terminal.call(&["run", "text x", "--lane", "fast"]).await, 2, "--server URL");
    check_refusal(&terminal.call(&["run", "text x", "--workspace", "nowhere"]).await, 2, "nowhere");
}

fn check_refusal(said: &Said, code: i32, text: &str) {
    assert_eq!((said.code, said.stdout.as_str()), (Some(code), ""), "{}", said.stderr);
    assert!(said.stderr.contains(text), "`{text}` is missing in {}", said.stderr);
}

#[tokio::test]
async fn ctrl_c_cancels_the_run_and_takes_everything_it_started() {
    let terminal = Terminal::paying();
    let mut run = terminal.start(&["run", NEVER_ENDS]);
    run.until_stderr("begun").await;
    assert!(processes_of(&terminal.data_dir()).len() > 1, "the agent and what it started");
    run.press_ctrl_c();
    let said = run.ended().await;
    assert_eq!(said.code, Some(130), "{}", said.stderr);
    assert!(said.stderr.contains("cancelling the run"), "{}", said.stderr);
    nothing_left(&terminal.data_dir()).await;

    let id = said.stderr.lines().find_map(|line| line.strip_prefix("execution  ")).expect("the id is told");
    let server = Setup::scripted(&terminal.data_dir()).start().await;
    assert_eq!(check_history(&server.client, id).await["state"], "cancelled");
}

#[tokio::test]
async fn ctrl_c_cancels_the_run_on_its_server() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let mut run = Terminal::at(&server).start(&["run", "--json", NEVER_ENDS]);
    run.until_stdout("still here").await;
    assert!(processes_of(data.path()).len() > 1, "the agent and what it started");
    run.press_ctrl_c();
    let said = run.ended().await;
    assert_eq!(said.code, Some(130), "{}", said.stderr);
    nothing_left(data.path()).await;

    let execution: Value = said.stdout.lines().last().and_then(|line| serde_json::from_str(line).ok()).expect("JSON");
    let id = execution["id"].as_str().expect("an id");
    assert_eq!(check_history(&server.client, id).await["state"], "cancelled");
}

#[tokio::test]
async fn a_second_ctrl_c_does_not_wait_for_the_server() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let mut run = Terminal::at(&server).start(&["run", "--json", &format!("ignore-term\n{NEVER_ENDS}")]);
    run.until_stdout("still here").await;
    run.press_ctrl_c();
    run.until_stdout("stopping").await;
    run.press_ctrl_c();
    let said = run.ended().await;
    assert_eq!(said.code, Some(130), "{}", said.stderr);
    assert!(!said.stdout.contains("finished"), "it waited: {}", said.stdout);

    let list = server.client.get_text("/v1/executions").await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let id = list["executions"][0]["id"].as_str().expect("an id");
    assert_eq!(check_history(&server.client, id).await["state"], "cancelled");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn what_a_third_ctrl_c_leaves_behind_is_ended_by_the_next_run() {
    let terminal = Terminal::paying();
    let mut run = terminal.start(&["run", &format!("ignore-term\n{NEVER_ENDS}")]);
    run.until_stderr("begun").await;
    run.press_ctrl_c();
    run.until_stderr("cancelling the run").await;
    run.press_ctrl_c();
    run.until_stderr("ending the agent").await;
    run.press_ctrl_c();
    let said = run.ended().await;
    assert_eq!(said.code, Some(130), "{}", said.stderr);
    assert!(said.stderr.contains("left at once"), "{}", said.stderr);

    let next = terminal.call(&["run", "text hello"]).await;
    assert_eq!((next.code, next.stdout.as_str()), (Some(0), "hello\n"), "{}", next.stderr);
    nothing_left(&terminal.data_dir()).await;
}
