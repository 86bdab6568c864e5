//! Repositories over HTTP, served by git itself.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{execute, last, named};
use crate::http::{self, Request, status};
use crate::lab::{PATIENCE, Setup, nothing_left};

const TOKEN: &str = "ghp_a-token-that-nobody-may-see";
const PROVIDER: &str = "sk-ant-api03-a-key-that-nobody-may-see";
const RECEIVER: &str = "a-token-of-the-database-that-nobody-may-see";

/// A bare repository and a clone of it to commit in.
pub(super) struct Origin {
    folder: tempfile::TempDir,
}

impl Origin {
    pub(super) async fn new() -> Self {
        let origin = Self { folder: tempfile::tempdir().expect("a directory") };
        origin.git(".", "init --quiet --bare --initial-branch=main shop.git").await;
        origin.git(".", "clone --quiet shop.git desk").await;
        origin.commit("README", "first").await;
        origin
    }

    /// The bare repository.
    pub(super) fn bare(&self) -> PathBuf {
        self.folder.path().join("shop.git")
    }

    pub(super) async fn commit(&self, file: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join("desk").join(file), text).expect("written");
        self.git("desk", "add -A").await;
        self.git("desk", "commit --quiet -m change").await;
        self.git("desk", "push --quiet origin HEAD:main").await;
        self.git("desk", "rev-parse HEAD").await
    }

    async fn git(&self, folder: &str, arguments: &str) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments.split(' '));
        command.current_dir(self.folder.path().join(folder)).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = command.output().await.expect("git runs");
        assert!(output.status.success(), "git {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// Serves the repositories to who has the token. `hold` holds answers up until it is cleared.
    async fn serve(&self, hold: Arc<AtomicBool>) -> String {
        let root = self.folder.path().to_owned();
        http::serve(move |request| answer(root.clone(), request, Arc::clone(&hold))).await
    }
}

async fn answer(root: PathBuf, request: Request, hold: Arc<AtomicBool>) -> Vec<u8> {
    // As `base64` has it.
    let expected = "Basic eC1hY2Nlc3MtdG9rZW46Z2hwX2EtdG9rZW4tdGhhdC1ub2JvZHktbWF5LXNlZQ==";
    if request.headers.get("authorization").map(String::as_str) != Some(expected) {
        return b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"git\"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            .to_vec();
    }
    while hold.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let mut backend = Command::new("git");
    backend.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    backend.env("PATH_INFO", path).env("QUERY_STRING", query).env("REQUEST_METHOD", &request.method);
    backend.env("CONTENT_TYPE", header("content-type")).env("HTTP_GIT_PROTOCOL", header("git-protocol"));
    backend
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("CONTENT_LENGTH", request.body.len().to_string());
    let mut backend = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git runs");
    backend.stdin.take().expect("it is piped").write_all(&request.body).await.expect("written");
    let output = backend.wait_with_output().await.expect("git ends").stdout;
    // CGI: its head says the status in a header, if any.
    let cut = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&output[..cut]).into_owned();
    let line = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let mut bytes = format!("HTTP/1.1 {line}\r\nconnection: close\r\n{head}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(&output[cut + 4..]);
    bytes
}

fn server(data: &Path, workspaces: &Path) -> Setup {
    Setup::scripted(data)
        .env("WORKSPACE_DIR", workspaces.display().to_string())
        .env("LEGWORK_REPOSITORIES__SCHEMES", r#"["http"]"#)
        .env("LEGWORK_REPOSITORIES__ALLOW_PRIVATE_ADDRESSES", "true")
}

#[tokio::test]
async fn a_repository_is_cloned_then_kept_up_to_date_and_a_session_goes_on_in_it() {
    let origin = Origin::new().await;
    let url = format!("{}/shop.git", origin.serve(Arc::default()).await);
    let (data, workspaces) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let server = server(data.path(), workspaces.path()).start().await;
    let request = |prompt: &str| {
        json!({
            "userRequest": prompt, "codingAssistantProvider": "claude-code", "workspace": "shop",
            "github": { "repoUrl": url, "branch": "main", "accessToken": TOKEN }, "anything": "else",
        })
    };
    let first = execute(&server.client, &request("write notes.md mine\ntext hello")).await;
    assert_eq!(
        first.iter().filter_map(|event| event.id).collect::<Vec<_>>(),
        (1..=first.len() as u64).collect::<Vec<_>>()
    );
    assert_eq!(first[0].name, "connected");
    let progress = named(&first, "github_pull_progress");
    assert!(progress.iter().any(|event| event.data["phase"] == "Receiving objects"), "{progress:#?}");
    assert_eq!(progress.last().map(|event| &event.data["stage"]), Some(&json!("completed")), "{progress:#?}");
    assert_eq!(named(&first, "assistant_message")[0].data, json!({ "content": "hello" }));
    let session = last(&first, "completed")["sessionId"].as_str().expect("a session").to_owned();
    let shop = workspaces.path().join("shop");
    assert_eq!(std::fs::read_to_string(shop.join("README")).expect("cloned"), "first");

    // Fetched the next time; what the agent wrote is still there. The same in the workspace of a session.
    let second = origin.commit("README", "second").await;
    let again = execute(&server.client, &request("text again")).await;
    assert_eq!(named(&again, "github_pull_progress").last().expect("progress").data["commit"], json!(second));
    assert_eq!(std::fs::read_to_string(shop.join("README")).expect("fetched"), "second");
    assert_eq!(std::fs::read_to_string(shop.join("notes.md")).expect("kept"), "mine\n");
    let third = origin.commit("README", "third").await;
    let mut resumed = request("report");
    resumed["resumeSessionId"] = json!(session);
    resumed.as_object_mut().expect("an object").remove("workspace");
    let resumed = execute(&server.client, &resumed).await;
    assert_eq!(named(&resumed, "github_pull_progress").last().expect("progress").data["commit"], json!(third));
    let report = named(&resumed, "assistant_message")[0].data["content"].as_str().expect("a report").to_owned();
    assert!(report.contains(&session) && report.contains(shop.to_str().expect("UTF-8")), "{report}");
    last(&resumed, "completed");

    // A branch that is not there, a token that is wrong, a session that nobody knows.
    let mut no_branch = request("text no");
    no_branch["github"]["branch"] = json!("nowhere");
    let failed = execute(&server.client, &no_branch).await;
    assert_eq!(last(&failed, "error")["error"], "workspace_failed", "{failed:#?}");
    let mut no_access = request("text no");
    no_access["github"]["accessToken"] = json!("wrong");
    let failed = execute(&server.client, &no_access).await;
    assert_eq!(last(&failed, "error")["error"], "workspace_failed", "{failed:#?}");
    let body = json!({ "userRequest": "hi", "codingAssistantProvider": "claude-code", "resumeSessionId": "nobody" });
    let unknown = execute(&server.client, &body).await;
    assert_eq!(unknown.len(), 1);
    assert_eq!(
        (&last(&unknown, "error")["error"], &unknown[0].data["status"]),
        (&json!("session_not_found"), &json!(404))
    );
}

#[tokio::test]
async fn no_token_leaves_a_trace() {
    let origin = Origin::new().await;
    let hold = Arc::new(AtomicBool::new(true));
    let url = format!("{}/shop.git", origin.serve(Arc::clone(&hold)).await);
    let receiver = http::serve(|_| std::future::ready(status("200 OK"))).await;
    let (data, workspaces) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let log = tempfile::NamedTempFile::new().expect("a file");
    let server = server(data.path(), workspaces.path())
        .env("LEGWORK_LOG__FILTER", "trace")
        .env("DB_BASE_URL", receiver)
        .log_to(log.path())
        .start()
        .await;
    let body = json!({
        "userRequest": "report\nstderr the end", "codingAssistantProvider": "claude-code", "workspace": "shop",
        "codingAssistantAccessToken": PROVIDER,
        "github": { "repoUrl": url, "accessToken": TOKEN },
        "database": { "sessionId": "s", "accessToken": RECEIVER },
    });
    let watching = async {
        // Git asks with the token already, and its answer is held up: now is the time to look for it.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while processes_with(b"git-remote-http").is_empty() {
            assert!(tokio::time::Instant::now() < deadline, "git does not ask");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        for token in [TOKEN, PROVIDER, RECEIVER] {
            assert_eq!(processes_with(token.as_bytes()), [] as [String; 0]);
        }
        hold.store(false, Ordering::Relaxed);
    };
    let (events, ()) = tokio::join!(execute(&server.client, &body), watching);
    last(&events, "completed");
    let report = named(&events, "assistant_message")[0].data["content"].as_str().expect("a report").to_owned();
    assert!(report.contains("ANTHROPIC_API_KEY") && report.contains("***"), "the agent has its key: {report}");
    let id = events[0].data["executionId"].as_str().expect("an id").to_owned();
    assert_eq!(server.client.post(&format!("/v1/executions/{id}/retry")).await, 409, "nobody has its key any more");

    let shown = format!("{events:?}{}", server.client.get_text(&format!("/v1/executions/{id}/output")).await);
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
    nothing_left(data.path()).await;
    for token in [TOKEN, PROVIDER, RECEIVER] {
        assert!(!shown.contains(token), "in what is shown");
        assert!(!std::fs::read_to_string(log.path()).expect("a log").contains(token), "in the log");
        for folder in [data.path(), workspaces.path()] {
            assert_eq!(files_with(folder, token.as_bytes()), [] as [PathBuf; 0]);
        }
    }
}

#[tokio::test]
async fn jobs_in_one_workspace_wait_for_each_other() {
    let origin = Origin::new().await;
    let url = format!("{}/shop.git", origin.serve(Arc::default()).await);
    let (data, workspaces) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let server = server(data.path(), workspaces.path()).start().await;
    let request = json!({
        "userRequest": "write README scribbled\nsleep 300ms\nreport", "codingAssistantProvider": "claude-code",
        "workspace": "shop", "github": { "repoUrl": url, "accessToken": TOKEN },
    });
    let answers = futures::future::join_all((0..4).map(|_| execute(&server.client, &request))).await;
    for events in answers {
        let id = last(&events, "completed")["executionId"].as_str().expect("an id").to_owned();
        let patch = server.client.get_text(&format!("/v1/executions/{id}/patch")).await;
        assert!(patch.contains("+scribbled"), "each finds the repository as it is, and keeps what it did: {patch}");
    }
}

#[tokio::test]
async fn what_a_killed_server_held_is_gone_and_said_so() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = Setup::scripted(data.path()).env("LEGWORK_LANES__DEFAULT__CONCURRENCY", "1");
    let server = setup.start().await;
    let login = r#"{"claudeAiOauth":{"accessToken":"sk-ant-oat01-that-nobody-may-keep"}}"#;
    let request = json!({
        "userRequest": "text begun\nhang", "codingAssistantProvider": "claude-code",
        "codingAssistantAccessToken": login,
    });
    let job = async || server.client.request("POST", "/execute").json(&request).send().await.expect("an answer");
    let _running = job().await;
    let running = server.client.newest().await;
    server.client.until_event(&running, "text").await;
    assert_eq!(files_with(data.path(), b"that-nobody-may-keep").len(), 1, "the file of the login");
    server.kill().await;

    let server = setup.start().await;
    assert_eq!(files_with(data.path(), b"that-nobody-may-keep"), [] as [PathBuf; 0]);
    assert_eq!(server.client.finished(&running).await["outcome"]["reason"], "lost");

    // Told to leave, it ends what waits for it alone, and says so to whoever listens.
    let busy = server.client.submit(&json!({ "prompt": "text begun\nsleep 2s" })).await;
    server.client.until_event(&busy, "text").await;
    let waiting = server.client.request("POST", "/execute").json(&request).send().await.expect("an answer");
    server.signal(rustix::process::Signal::TERM);
    let told = super::events(&waiting.text().await.expect("the stream is whole"));
    assert_eq!(last(&told, "error")["error"], "lost", "{told:#?}");
    assert_eq!(server.ended().await, Some(0));
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Processes that show `text` in their arguments or environment, this one aside.
pub(super) fn processes_with(text: &[u8]) -> Vec<String> {
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
        let dir = entry.ok()?.path();
        let is_process = dir.file_name()?.to_str()?.bytes().all(|byte| byte.is_ascii_digit());
        let shows = |file: &str| std::fs::read(dir.join(file)).is_ok_and(|bytes| contains(&bytes, text));
        (is_process && !dir.ends_with(&own) && (shows("cmdline") || shows("environ")))
            .then(|| dir.display().to_string())
    });
    processes.collect()
}

/// Files below `folder` that hold `text`.
pub(super) fn files_with(folder: &Path, text: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path).is_ok_and(|bytes| contains(&bytes, text)) {
            found.push(path);
        }
    }
    found
}
