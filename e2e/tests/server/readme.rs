//! The curl lines of README.md, run as they are printed, against the real CLI.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::claude::rehearsing;
use super::lab::{PATIENCE, nothing_left};

const ADDRESS: &str = "http://127.0.0.1:7070";
const PLACEHOLDER: &str = "exe_…";
const SECRET: &str = "a secret of the README's reader";

/// The README's prompt, as the scripted model answers it.
const SCRIPT: &str = r#"
[[rule]]
match = "haiku about queues"
steps = ["write: haiku.txt | One waits for its turn", "say: It is in haiku.txt."]
"#;

#[tokio::test]
async fn every_curl_line_does_what_it_is_there_for() {
    let commands = curl_commands(include_str!("../../../README.md"));
    let job = commands.iter().find(|command| command.contains("-d ")).expect("the README submits a job");
    let dir = tempfile::tempdir().expect("a directory");
    let script = dir.path().join("script.toml");
    std::fs::write(&script, SCRIPT).expect("it can be written");
    let data = dir.path().join("data");
    let Some(setup) = rehearsing(&data) else { return };
    let setup = setup.env("LEGWORK_REHEARSAL__SCRIPT", script.to_string_lossy()).env("SHARED_SECRET", SECRET);
    let server = setup.start().await;

    let done: Value = serde_json::from_str(&run(job, server.url(), PLACEHOLDER, dir.path()).await).expect("it is JSON");
    let id = done["id"].as_str().unwrap_or_else(|| panic!("an id in {done:#}"));
    for command in &commands {
        check(command, &run(command, server.url(), id, dir.path()).await);
    }
    nothing_left(&data).await;
}

/// The commands that call curl in the blocks that are marked as shell, each with its continuation lines.
fn curl_commands(readme: &str) -> Vec<String> {
    let blocks = readme.split("\n```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let lines = blocks.flat_map(|block| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>());
    let commands: Vec<_> = lines.filter(|line| line.starts_with("curl ")).collect();
    let places = commands.concat().matches(ADDRESS).count();
    assert!(places >= 3, "the README calls curl to submit, to follow and to see what changed: {commands:#?}");
    commands
}

/// Runs a command of the README at another address and for an execution that is there.
async fn run(command: &str, url: &str, id: &str, dir: &Path) -> String {
    let command = command.replace(ADDRESS, url).replace(PLACEHOLDER, id);
    let mut shell = tokio::process::Command::new("sh");
    shell
        .args(["-c", &command])
        .current_dir(dir)
        .stdin(Stdio::null())
        .env("no_proxy", "*")
        .env("SHARED_SECRET", SECRET);
    shell.kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, shell.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{command} does not end")).expect("sh starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command}: {stderr}");
    stdout.into_owned()
}

/// Says whether an answer is what the README's reader hopes for.
fn check(command: &str, answer: &str) {
    let parts: &[&str] = if command.contains("/events ") {
        &["id: 1\nevent: queued\ndata: {", "event: tool_call\n", "event: finished\n", r#""state":"succeeded""#]
    } else if command.contains("/patch ") {
        &["diff --git a/haiku.txt b/haiku.txt", "+One waits for its turn"]
    } else if command.contains("/generate ") {
        &[r#""success":true"#, r#""executionId":"exe_"#]
    } else if command.contains(r#""agent": "codex""#) {
        // Its program is not there; that it is asked for is what counts here.
        &[r#""agent":"codex""#, r#""id":"exe_"#]
    } else if command.contains("/messages ") {
        &[r#""id":"exe_"#, r#""resumeSession":"#]
    } else if command.contains("-d ") {
        &[r#""state":"succeeded""#, r#""result":"It is in haiku.txt.""#]
    } else {
        panic!("say here what this line of the README should answer: {command}");
    };
    for part in parts {
        assert!(answer.contains(part), "{part} is missing in what {command} gives:\n{answer}");
    }
}
