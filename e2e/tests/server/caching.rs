//! Jobs that get the outcome of an equal one.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use super::claude::rehearsing;
use super::lab::{Setup, check_history, nothing_left};

fn origin(execution: &Value) -> &Value {
    &execution["outcome"]["cached"]["executionId"]
}

async fn git(folder: &Path, arguments: &str) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments.split(' '));
    let output = command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").output().await.expect("git runs");
    assert!(output.status.success(), "git {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn commit(folder: &Path, text: &str) {
    std::fs::write(folder.join("README"), text).expect("written");
    git(folder, "add -A").await;
    git(folder, "commit --quiet -m change").await;
}

#[tokio::test]
async fn a_repository_is_the_same_until_its_next_commit_also_for_the_next_server() {
    let (data, repository) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    git(repository.path(), "init --quiet --initial-branch=main").await;
    commit(repository.path(), "one").await;
    let setup = Setup::scripted(data.path()).env("LEGWORK_REPOSITORIES__SCHEMES", r#"["file"]"#);
    let url = format!("file://{}", repository.path().display());
    let job = json!({
        "prompt": "shell cat README >notes; echo more >>notes\ntext read",
        "repository": { "url": url },
        "cacheTtl": "1h",
    });
    let server = setup.start().await;
    let first = server.client.run(&job).await;
    assert_eq!((&first["state"], origin(&first)), (&json!("succeeded"), &Value::Null), "{first:#}");
    server.kill().await;

    let server = setup.start().await;
    let second = server.client.run(&job).await;
    let second = check_history(&server.client, second["id"].as_str().expect("an id")).await;
    assert_eq!((origin(&second), &second["outcome"]["result"]), (&first["id"], &first["outcome"]["result"]));
    let patch = async |execution: &Value| {
        server.client.get_text(&format!("/v1/executions/{}/patch", execution["id"].as_str().expect("an id"))).await
    };
    let patches = (patch(&first).await, patch(&second).await);
    assert!(patches.0.contains("+onemore"), "{}", patches.0);
    assert_eq!(patches.0, patches.1);

    commit(repository.path(), "two").await;
    let third = server.client.run(&job).await;
    assert_eq!((&third["state"], origin(&third)), (&json!("succeeded"), &Value::Null), "{third:#}");
    assert!(patch(&third).await.contains("+twomore"));
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn the_real_agent_is_asked_once() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    // With agents that wait, of which a job that needs none takes none.
    let server = setup.env("LEGWORK_WARM__MOST", "1").start().await;
    let job = json!({ "prompt": "[[write: notes.md | # Hello]] [[say: All done.]]", "cacheTtl": 600 });
    let first = server.client.run(&job).await;
    assert!(first["outcome"]["costUsd"].as_f64().is_some_and(|cost| cost > 0.0), "{first:#}");
    let second = server.client.run(&job).await;
    assert_eq!((origin(&second), &second["outcome"]["result"]), (&first["id"], &json!("All done.")), "{second:#}");
    assert_eq!(second["outcome"]["costUsd"], json!(0.0));
    let events = server.client.events(second["id"].as_str().expect("an id")).await;
    assert!(events.iter().all(|event| event["kind"] != "usage"), "no request was made for it: {events:#?}");
}
