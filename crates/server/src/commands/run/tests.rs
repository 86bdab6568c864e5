use clap::Parser;
use serde_json::{Value, json};

use super::*;
use crate::admission::Submission;
use crate::parse::parse_json;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    run: Run,
}

fn parse(line: &[&str]) -> Result<Run, clap::Error> {
    Cli::try_parse_from(std::iter::once(&"run").chain(line)).map(|cli| cli.run)
}

fn request(line: &[&str]) -> Value {
    let run = parse(line).expect("right usage");
    let body = run.job.request(run.prompt.as_deref().unwrap_or_default(), run.job.workspace.as_deref(), None);
    let text = body.to_string();
    parse_json::<Submission>(text.as_bytes()).expect("the server understands it");
    body
}

#[test]
fn a_request_holds_what_was_given_and_nothing_else() {
    assert_eq!(request(&["Do it"]), json!({ "prompt": "Do it" }));
    assert_eq!(request(&["", "--priority", "0"]), json!({ "prompt": "", "priority": 0 }));
    assert_eq!(request(&["go on", "--resume", "s-1"]), json!({ "prompt": "go on", "resumeSession": "s-1" }));
    let everything = [
        "Do it",
        "--agent",
        "claude-code",
        "--model",
        "opus",
        "--repository",
        "https://x.example/r.git",
        "--branch",
        "b",
        "--cache-ttl",
        "10m",
        "--timeout",
        "90",
        "--max-turns",
        "5",
        "--max-cost",
        "2.5",
        "--allow",
        "Bash(git:*)",
        "--allow",
        "Read",
        "--deny",
        "WebFetch",
        "--env",
        "A=1",
        "--env",
        "B=x=y",
        "--lane",
        "slow",
        "--priority",
        "-7",
    ];
    assert_eq!(
        request(&everything),
        json!({
            "prompt": "Do it",
            "agent": "claude-code",
            "model": "opus",
            "repository": { "url": "https://x.example/r.git", "branch": "b" },
            "cacheTtl": "10m",
            "limits": { "timeoutSeconds": 90, "maxTurns": 5, "maxCostUsd": 2.5 },
            "tools": { "allow": ["Bash(git:*)", "Read"], "deny": ["WebFetch"] },
            "env": { "A": "1", "B": "x=y" },
            "priority": -7,
            "lane": "slow",
        })
    );
}

#[test]
fn wrong_options_are_refused_before_anything_starts() {
    for line in [
        &["--timeout", "soon", "x"][..],
        &["--max-cost", "-1", "x"],
        &["--max-turns", "-1", "x"],
        &["--env", "NOVALUE", "x"],
        &["--workspace", ".", "--repository", "https://x.example/r.git", "x"],
        &["--workspace", ".", "--resume", "s", "x"],
        &["--cache-ttl", "1h", "--resume", "s", "x"],
        &["--branch", "b", "x"],
        &["--json", "--quiet", "x"],
        &["--server", "localhost:7070", "x"],
        &["--no-such-option", "x"],
        &["two", "prompts"],
    ] {
        let error = parse(line).expect_err("refused");
        assert_eq!(error.exit_code(), 2, "{line:?}");
    }
}

#[test]
fn options_for_the_other_side_are_refused() {
    let refused = |line: &[&str], with_server| {
        let refused = parse(line).expect("right usage").refuse_contradictions(with_server);
        refused.err().map(|failure| failure.message.split(' ').next().unwrap_or_default().to_owned())
    };
    assert_eq!(refused(&["x", "--rehearse"], true).as_deref(), Some("--rehearse"));
    assert_eq!(refused(&["x", "--data-dir", "d"], true).as_deref(), Some("--data-dir"));
    assert_eq!(refused(&["x", "--config", "c"], true).as_deref(), Some("--config"));
    assert_eq!(refused(&["x", "--lane", "l"], false).as_deref(), Some("--lane"));
    assert_eq!(refused(&["x", "--priority", "1"], false).as_deref(), Some("--priority"));
    assert_eq!(refused(&["x", "--lane", "l"], true), None);
    assert_eq!(refused(&["x", "--rehearse"], false), None);
}

#[test]
fn a_local_workspace_is_allowed_under_its_real_path() {
    let place = tempfile::tempdir().expect("a directory");
    let real = place.path().join("real");
    std::fs::create_dir(&real).expect("made");
    let link = place.path().join("link");
    std::os::unix::fs::symlink(&real, &link).expect("linked");
    let mut config = Config::default();
    let named = super::local::allow(link.to_str().expect("UTF-8"), &mut config).expect("allowed");
    let real = real.canonicalize().expect("there");
    assert_eq!((Some(named.as_str()), &config.workspaces.roots), (real.to_str(), &vec![real.clone()]));

    let missing = super::local::allow("/no/such/place", &mut config).expect_err("refused");
    assert_eq!(missing.code, 2);
    assert!(missing.message.starts_with("--workspace /no/such/place: "), "{}", missing.message);
}
