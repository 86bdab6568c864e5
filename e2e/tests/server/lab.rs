//! A server process, and a client that remembers what it was told.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A program of this workspace, beside the test's own.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let found = test.ancestors().skip(1).take(3).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built; run `cargo build --workspace --bins` first"))
}

/// What a server is started with.
pub(crate) struct Setup {
    pub(crate) data_dir: PathBuf,
    pub(crate) agent: PathBuf,
    pub(crate) rehearse: bool,
    pub(crate) ephemeral: bool,
    pub(crate) log: Option<PathBuf>,
    pub(crate) env: Vec<(&'static str, String)>,
}

impl Setup {
    /// A server over the scripted agent.
    pub(crate) fn scripted(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.into(),
            agent: program("scripted-agent"),
            rehearse: false,
            ephemeral: false,
            log: None,
            // Else an agent that waits, or goes on without a server, looks like one that was left behind.
            // And most scenarios are about something else than where their agents live.
            env: [
                ("LEGWORK_WARM__MOST", "0"),
                ("LEGWORK_RUNS__DETACH", "false"),
                ("LEGWORK_SANDBOX__KIND", "process"),
                ("LEGWORK_AGENTS__CLAUDE_CODE__API_KEY", "key-of-the-agent-in-scenarios"),
            ]
            .map(|(name, value)| (name, value.to_owned()))
            .into(),
        }
    }

    /// A worker that does one job.
    pub(crate) fn ephemeral(self) -> Self {
        Self { ephemeral: true, ..self }
    }

    /// Its log goes to a file.
    pub(crate) fn log_to(self, file: &Path) -> Self {
        Self { log: Some(file.into()), ..self }
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Starts it and waits until it gives up; gives what it complained of.
    pub(crate) async fn refuses_to_start(&self) -> String {
        let output = tokio::time::timeout(PATIENCE, self.command().stderr(Stdio::piped()).output()).await;
        let output = output.expect("it gives up in time").expect("it starts");
        assert!(!output.status.success(), "it should not serve: {output:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(program("legwork"));
        if let Some(log) = &self.log {
            command.stderr(std::fs::File::create(log).expect("a file"));
        }
        command
            .args(if self.ephemeral { &["worker", "--ephemeral"][..] } else { &["serve"] })
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&self.data_dir)
            .args(self.rehearse.then_some("--rehearse"))
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM", &self.agent)
            .env("LEGWORK_LOG__FILTER", "warn")
            .envs(self.env.iter().map(|(name, value)| (*name, value.as_str())))
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts it and waits until it serves.
    pub(crate) async fn start(&self) -> Server {
        let mut child = self.command().spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("the server starts in time");
        let line = line.expect("it can be read").expect("the server says where it listens");
        let url = line.strip_prefix("legwork listening on ").expect("it says where").to_owned();
        // Kept open: a server must not die of a closed standard output, but that is not what is tested here.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Server { child, client: Client::new(url) }
    }
}

/// A server process.
pub(crate) struct Server {
    child: Child,
    pub(crate) client: Client,
}

impl Server {
    /// As a crash would end it.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    pub(crate) fn url(&self) -> &str {
        &self.client.url
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
        rustix::process::kill_process(pid.expect("it still runs"), signal).expect("it can be signalled");
    }

    /// Waits for it to end by itself; gives its exit code.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the server ends in time");
        status.expect("it can be waited for").code()
    }
}

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Client {
    url: String,
    http: reqwest::Client,
}

impl Client {
    fn new(url: String) -> Self {
        // No TLS is spoken, but the client wants a provider all the same; another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { url, http: reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().expect("a client") }
    }

    /// A client of the same server that shows an API key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        let headers = [(AUTHORIZATION, format!("Bearer {key}").parse().expect("a header's value"))].into_iter();
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().default_headers(headers.collect());
        Self { url: self.url.clone(), http: http.build().expect("a client") }
    }

    /// Submits a job; `None` where the server did not accept it (it may be about to die).
    pub(crate) async fn try_submit(&self, body: &Value) -> Option<String> {
        let response = self.http.post(self.at("/v1/executions")).json(body).send().await.ok()?;
        if response.status() != StatusCode::ACCEPTED {
            return None;
        }
        let accepted: Value = response.json().await.ok()?;
        accepted["id"].as_str().map(str::to_owned)
    }

    pub(crate) async fn submit(&self, body: &Value) -> String {
        let response = self.request("POST", "/v1/executions").json(body).send().await.expect("an answer");
        let answer: Value = response.json().await.expect("JSON");
        answer["id"].as_str().unwrap_or_else(|| panic!("the job is refused: {answer:#}")).to_owned()
    }

    /// Submits a job and gives it back finished.
    pub(crate) async fn run(&self, body: &Value) -> Value {
        let request = self.http.post(self.at("/v1/executions")).header("prefer", "wait=50").json(body);
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    pub(crate) async fn get_text(&self, path: &str) -> String {
        self.http.get(self.at(path)).send().await.expect("an answer").text().await.expect("text")
    }

    pub(crate) async fn status(&self, path: &str) -> Option<StatusCode> {
        self.http.get(self.at(path)).send().await.ok().map(|response| response.status())
    }

    pub(crate) async fn post(&self, path: &str) -> StatusCode {
        self.http.post(self.at(path)).send().await.expect("an answer").status()
    }

    /// How the server answers to that body.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> StatusCode {
        self.http.post(self.at(path)).json(body).send().await.expect("an answer").status()
    }

    /// The execution once it has ended.
    pub(crate) async fn finished(&self, id: &str) -> Value {
        let request = self.http.get(self.at(&format!("/v1/executions/{id}"))).header("prefer", "wait=50");
        let execution: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        assert!(execution["outcome"].is_object(), "{id} does not end: {execution}");
        execution
    }

    /// All events of an execution that has ended.
    pub(crate) async fn events(&self, id: &str) -> Vec<Value> {
        let text = self
            .http
            .get(self.at(&format!("/v1/executions/{id}/events")))
            .header("accept", "application/x-ndjson")
            .send()
            .await
            .expect("an answer")
            .text()
            .await
            .expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("each line is an event")).collect()
    }

    /// Waits until the execution has an event of that kind.
    pub(crate) async fn until_event(&self, id: &str, kind: &str) {
        let path = self.at(&format!("/v1/executions/{id}/events"));
        let mut response =
            self.http.get(path).header("accept", "application/x-ndjson").send().await.expect("an answer");
        let mut seen = Vec::new();
        while let Some(chunk) = response.chunk().await.expect("the stream goes on") {
            seen.extend_from_slice(&chunk);
            if String::from_utf8_lossy(&seen).contains(&format!(r#""kind":"{kind}""#)) {
                return;
            }
        }
        panic!("{id} ended without an event {kind}: {}", String::from_utf8_lossy(&seen));
    }

    /// All executions, the newest first.
    pub(crate) async fn executions(&self) -> Vec<Value> {
        let page: Value = serde_json::from_str(&self.get_text("/v1/executions?limit=200").await).expect("JSON");
        page["executions"].as_array().expect("a list").clone()
    }

    /// The id of the newest execution, once there is one.
    pub(crate) async fn newest(&self) -> String {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(newest) = self.executions().await.first() {
                return newest["id"].as_str().expect("an id").to_owned();
            }
            assert!(tokio::time::Instant::now() < deadline, "there is no execution");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A request of any kind.
    pub(crate) fn request(&self, method: &'static str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().expect("a method"), self.at(path))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

/// What must hold for every accepted job, whatever happened to the servers.
pub(crate) async fn check_history(client: &Client, id: &str) -> Value {
    let execution = client.finished(id).await;
    let events = client.events(id).await;
    let numbers: Vec<_> = events.iter().map(|event| event["seq"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>(), "{id}: gaps in {events:#?}");
    let ends = events.iter().filter(|event| event["kind"] == "finished").count();
    assert_eq!(ends, 1, "{id}: one end in {events:#?}");
    assert_eq!(events.last().map(|event| &event["kind"]), Some(&json!("finished")), "{id}: the end is last");
    assert_eq!(execution["lastSeq"], json!(events.len()), "{id}");
    execution
}

/// Processes on this machine that carry the mark of a run of the node in `data_dir`.
pub(crate) fn processes_of(data_dir: &Path) -> Vec<String> {
    let node = std::fs::read_to_string(data_dir.join("node")).expect("the node has a name");
    let mark = format!("LEGWORK_RUN={}/", node.trim());
    let processes = std::fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
        let dir = entry.ok()?.path();
        let environment = std::fs::read(dir.join("environ")).ok()?;
        let marked = environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes()));
        marked.then(|| format!("{}: {}", dir.display(), std::fs::read_to_string(dir.join("comm")).unwrap_or_default()))
    });
    processes.collect()
}

/// Waits until no process of the node is left.
pub(crate) async fn nothing_left(data_dir: &Path) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let left = processes_of(data_dir);
        if left.is_empty() {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "left behind: {left:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
