//! Repositories over SSH, served by a real sshd.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::git::{Origin, files_with, processes_with};
use super::ssh_server::SshServer;
use super::{execute, last, named};
use crate::lab::{PATIENCE, Setup, nothing_left};

fn server(data: &Path, workspaces: &Path, key: &Path, known_hosts: impl Into<String>) -> Setup {
    Setup::scripted(data)
        .env("WORKSPACE_DIR", workspaces.display().to_string())
        .env("LEGWORK_REPOSITORIES__SCHEMES", r#"["ssh"]"#)
        .env("LEGWORK_REPOSITORIES__ALLOW_PRIVATE_ADDRESSES", "true")
        .env("LEGWORK_REPOSITORIES__SSH__KEY", format!("file:{}", key.display()))
        .env("LEGWORK_REPOSITORIES__SSH__KNOWN_HOSTS", known_hosts)
}

fn request(url: &str, prompt: &str) -> Value {
    json!({
        "userRequest": prompt, "codingAssistantProvider": "claude-code", "workspace": "shop",
        "github": { "repoUrl": url, "branch": "main" },
    })
}

#[tokio::test]
async fn a_repository_is_cloned_over_ssh_and_fetched_again_by_a_session() {
    let Some(ssh) = SshServer::start().await else { return };
    let origin = Origin::new().await;
    let url = ssh.url(&origin.bare());
    let (data, workspaces) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let known_hosts = data.path().join("hosts");
    std::fs::write(&known_hosts, ssh.known_as("host")).expect("written");
    let known_hosts = format!("file:{}", known_hosts.display());
    let server = server(data.path(), workspaces.path(), &ssh.key("client"), known_hosts).start().await;
    let shop = workspaces.path().join("shop");

    let first = execute(&server.client, &request(&url, "text hello")).await;
    let session = last(&first, "completed")["sessionId"].as_str().expect("a session").to_owned();
    assert_eq!(std::fs::read_to_string(shop.join("README")).expect("cloned"), "first");
    let config = std::fs::read_to_string(shop.join(".git/config")).expect("text");
    assert!(config.contains(&url) && !config.contains("sshCommand"), "{config}");

    let second = origin.commit("README", "second").await;
    let mut resumed = request(&url, "report");
    resumed["resumeSessionId"] = json!(session);
    resumed["github"].as_object_mut().expect("an object").remove("branch");
    let resumed = execute(&server.client, &resumed).await;
    assert_eq!(named(&resumed, "github_pull_progress").last().expect("progress").data["commit"], json!(second));
    let report = named(&resumed, "assistant_message")[0].data["content"].as_str().expect("a report").to_owned();
    assert!(!report.contains("GIT_SSH"), "the agent has nothing of it: {report}");
    assert_eq!(std::fs::read_to_string(shop.join("README")).expect("fetched"), "second");

    // A branch or repository that is not there is no fault of ssh.
    let mut nowhere = request(&url, "text no");
    nowhere["github"]["branch"] = json!("nowhere");
    let failed = execute(&server.client, &nowhere).await;
    assert_eq!(last(&failed, "error")["error"], "workspace_failed");
    assert!(last(&failed, "error")["message"].as_str().expect("text").contains("nowhere"), "{failed:#?}");
    let mut elsewhere = request(&format!("{url}x"), "text no");
    elsewhere["workspace"] = json!("other");
    let failed = execute(&server.client, &elsewhere).await;
    assert!(last(&failed, "error")["message"].as_str().expect("text").contains("shop.gitx"), "{failed:#?}");
}

/// How a clone with this key, these known hosts and these programs fails.
async fn failure(ssh: &SshServer, key: &str, known_hosts: String, path: Option<&Path>) -> String {
    let origin = Origin::new().await;
    let (data, workspaces) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let mut setup = server(data.path(), workspaces.path(), &ssh.key(key), known_hosts);
    if let Some(path) = path {
        setup = setup.env("PATH", path.display().to_string());
    }
    let server = setup.start().await;
    let failed = execute(&server.client, &request(&ssh.url(&origin.bare()), "text no")).await;
    let error = last(&failed, "error");
    assert_eq!(error["error"], "workspace_failed", "{error}");
    assert!(!workspaces.path().join("shop/README").exists(), "it was cloned all the same");
    error["message"].as_str().expect("text").to_owned()
}

#[tokio::test]
async fn a_host_or_a_key_that_is_wrong_is_refused_and_said_so() {
    let Some(ssh) = SshServer::start().await else { return };
    let unknown = ssh.known_as("host").replace("localhost", "elsewhere");
    let without_ssh = tempfile::tempdir().expect("a directory");
    let path = std::env::var("PATH").expect("a path");
    let git = path.split(':').map(|folder| Path::new(folder).join("git")).find(|git| git.is_file()).expect("git");
    symlink(git, without_ssh.path().join("git")).expect("linked");
    for (key, known_hosts, path, said) in [
        ("client", ssh.known_as("other_host"), None, "somebody is in between"),
        ("client", unknown, None, "ssh-keyscan"),
        ("stranger", ssh.known_as("host"), None, "such as a deploy key"),
        ("client", ssh.known_as("host"), Some(without_ssh.path()), "apt-get install openssh-client"),
    ] {
        let message = failure(&ssh, key, known_hosts, path).await;
        assert!(message.contains(said), "{said}: {message}");
    }
}

/// Waits until a server with these data has started ssh.
async fn ssh_runs(data: &Path) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while processes_with_settings(data).is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "ssh is not started");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn processes_with_settings(data: &Path) -> Vec<String> {
    processes_with(data.join("ssh/config").as_os_str().as_encoded_bytes())
}

#[tokio::test]
async fn a_clone_that_is_too_slow_or_cancelled_takes_ssh_with_it() {
    let Some(ssh) = SshServer::start().await else { return };
    let origin = Origin::new().await;
    let (data, workspaces) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let server = server(data.path(), workspaces.path(), &ssh.key("client"), ssh.known_as("host")).start().await;
    ssh.hold();
    let repository = json!({ "url": ssh.url(&origin.bare()) });
    let limited = json!({ "prompt": "text no", "repository": repository, "limits": { "startSeconds": 3 } });
    let slow = server.client.submit(&limited).await;
    assert_eq!(server.client.finished(&slow).await["outcome"]["reason"], "start_timeout");
    assert_eq!(processes_with_settings(data.path()), [] as [String; 0]);

    let cancelled = server.client.submit(&json!({ "prompt": "text no", "repository": repository })).await;
    ssh_runs(data.path()).await;
    server.client.post(&format!("/v1/executions/{cancelled}/cancel")).await;
    assert_eq!(server.client.finished(&cancelled).await["state"], "cancelled");
    assert_eq!(processes_with_settings(data.path()), [] as [String; 0]);
    ssh.go_on();
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn settings_without_a_key_or_hosts_are_refused() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = Setup::scripted(data.path()).env("LEGWORK_REPOSITORIES__SCHEMES", r#"["https", "ssh"]"#);
    let said = setup.refuses_to_start().await;
    assert!(said.contains("repositories.ssh.key: is missing"), "{said}");
}

#[tokio::test]
async fn no_ssh_key_leaves_a_trace() {
    let Some(ssh) = SshServer::start().await else { return };
    let origin = Origin::new().await;
    let (data, workspaces) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let log = tempfile::NamedTempFile::new().expect("a file");
    let key = std::fs::read_to_string(ssh.key("client")).expect("a key");
    let canaries: Vec<&str> = key.lines().filter(|line| line.len() > 40 && !line.starts_with("--")).collect();
    assert!(!canaries.is_empty());
    let server = server(data.path(), workspaces.path(), &ssh.key("client"), ssh.known_as("host"))
        .env("LEGWORK_LOG__FILTER", "trace")
        .log_to(log.path())
        .start()
        .await;
    ssh.hold();
    let watching = async {
        // Ssh has shown the key already, and the answer is held up: now is the time to look for it.
        ssh_runs(data.path()).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        for canary in &canaries {
            assert_eq!(processes_with(canary.as_bytes()), [] as [String; 0]);
            assert_eq!(files_with(data.path(), canary.as_bytes()), [] as [PathBuf; 0]);
        }
        ssh.go_on();
    };
    // An agent that finds the file can print what is in it, but nobody gets to see it.
    let prompt = format!("report\nrun cat {}\nrun ls -l /proc/self/fd", ssh.key("client").display());
    let body = request(&ssh.url(&origin.bare()), &prompt);
    let (events, ()) = tokio::join!(execute(&server.client, &body), watching);
    let id = last(&events, "completed")["executionId"].as_str().expect("an id").to_owned();
    let shown = format!("{events:?}{}", server.client.get_text(&format!("/v1/executions/{id}/output")).await);
    assert_eq!(named(&events, "assistant_message")[1].data["content"], "***\n");
    assert!(!shown.contains("memfd:key"), "the agent has it as a descriptor: {shown}");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
    nothing_left(data.path()).await;
    for canary in canaries {
        assert!(!shown.contains(canary), "in what is shown");
        assert!(!std::fs::read_to_string(log.path()).expect("a log").contains(canary), "in the log");
        for folder in [data.path(), workspaces.path()] {
            assert_eq!(files_with(folder, canary.as_bytes()), [] as [PathBuf; 0]);
        }
    }
}
