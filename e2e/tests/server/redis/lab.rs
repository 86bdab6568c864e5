//! A Redis of one test's own, and a caller that listens to it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use futures::StreamExt;
use redis::aio::MultiplexedConnection;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::lab::PATIENCE;

/// A Redis on a port of its own that forgets nothing.
pub(crate) struct Redis {
    program: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl Redis {
    /// Starts one; `None` (said aloud) where there is none to start.
    pub(crate) async fn start() -> Option<Self> {
        let Ok(program) = std::env::var("LEGWORK_TEST_REDIS") else {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "LEGWORK_TEST_REDIS must be set under CI");
            eprintln!("SKIPPED: LEGWORK_TEST_REDIS is not set; `make test` installs redis-server and sets it");
            return None;
        };
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
        let folder = tempfile::tempdir().expect("a directory");
        let mut redis = Self { program: program.into(), folder, port, process: None };
        redis.start_again().await;
        Some(redis)
    }

    pub(crate) async fn start_again(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", "", "--dir"]);
        command.arg(self.folder.path()).args(["--appendonly", "yes", "--appendfsync", "always"]);
        self.process = Some(command.stdout(Stdio::null()).kill_on_drop(true).spawn().expect("Redis starts"));
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.try_connect().await.is_none() {
            assert!(tokio::time::Instant::now() < deadline, "Redis does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// As a crash would end it.
    pub(crate) async fn kill(&mut self) {
        self.process.take().expect("it runs").kill().await.expect("it can be killed");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Calls `redis-cli`; gives what it prints.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(self.program.with_file_name("redis-cli"));
        let output = command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]).args(arguments).output().await;
        let output = output.expect("redis-cli runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    pub(crate) async fn connect(&self) -> MultiplexedConnection {
        self.try_connect().await.expect("Redis answers")
    }

    async fn try_connect(&self) -> Option<MultiplexedConnection> {
        let mut connection = redis::Client::open(self.url()).ok()?.get_multiplexed_async_connection().await.ok()?;
        redis::cmd("PING").query_async::<()>(&mut connection).await.ok()?;
        Some(connection)
    }

    pub(crate) async fn publish(&self, request: &str) {
        let command = redis::Cmd::publish("claude:cli:requests", request);
        command.query_async::<()>(&mut self.connect().await).await.expect("published");
    }

    pub(crate) async fn add(&self, request: &str) {
        let command = redis::Cmd::xadd("claude:cli:requests:stream", "*", &[("payload", request)]);
        command.query_async::<()>(&mut self.connect().await).await.expect("added");
    }

    /// How many servers hear what is published.
    pub(crate) async fn until_heard_by(&self, servers: usize) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let heard = format!("claude:cli:requests\n{servers}");
        while self.cli(&["pubsub", "numsub", "claude:cli:requests"]).await != heard {
            assert!(tokio::time::Instant::now() < deadline, "not {servers} servers subscribe");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn listen(&self) -> Listener {
        let client = redis::Client::open(self.url()).expect("a URL");
        let mut subscription = client.get_async_pubsub().await.expect("Redis answers");
        subscription.subscribe("claude:cli:responses").await.expect("subscribed");
        Listener(subscription)
    }
}

/// A caller that waits for answers.
pub(crate) struct Listener(redis::aio::PubSub);

impl Listener {
    pub(crate) async fn answer(&mut self) -> Value {
        let message = tokio::time::timeout(PATIENCE, self.0.on_message().next()).await;
        let message = message.expect("an answer in time").expect("the connection stays");
        serde_json::from_slice(message.get_payload_bytes()).expect("JSON")
    }

    /// What is still to come within a moment in which it would come.
    pub(crate) async fn further(&mut self) -> Option<Value> {
        let message = tokio::time::timeout(Duration::from_millis(700), self.0.on_message().next()).await.ok()??;
        Some(serde_json::from_slice(message.get_payload_bytes()).expect("JSON"))
    }
}
