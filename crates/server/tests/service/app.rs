//! A service of its own for each test, which must leave nothing behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use legwork_model::{ExecutionState, Ids, SandboxKind, TestClock, Timestamp};
use legwork_server::admission::{Permissions, new_key};
use legwork_server::config::{AgentSettings, Config, Environment, Secret};
use legwork_server::lifecycle::Stage;
use legwork_server::mask::Mask;
use legwork_server::service::{Parts, Service};
use legwork_server::store::api_keys::AddApiKey;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, MutexGuard};

use crate::agent::ScriptedAgent;
use crate::http::{Answer, Call, EventStream, within};

/// When every test begins; the clock stands still unless a test moves it.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_772_366_400_000);

/// A runner ends every child of its process that it does not know, so there can be one service at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A running service. To be ended by [`finish`](Self::finish).
pub(crate) struct TestApp {
    pub(crate) agent: ScriptedAgent,
    pub(crate) clock: Arc<TestClock>,
    service: Option<Service>,
    router: Router,
    folder: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::with(|_, _| {}).await
    }

    /// A service whose settings `configure` changes; it also gets the folder of the test.
    pub(crate) async fn with(configure: impl FnOnce(&mut Config, &Path)) -> Self {
        let alone = ALONE.lock().await;
        // As the binary does; the second test of a process finds it done.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a folder");
        let agent = ScriptedAgent::install(folder.path());
        let clock = Arc::new(TestClock::at(NOW));
        let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        let settings = AgentSettings {
            program: Some(agent.program().to_owned()),
            api_key: Some(Secret::new("key-of-the-agent-in-tests")),
            ..AgentSettings::default()
        };
        config.agents.insert("claude-code".into(), settings);
        // Else an agent that waits looks like one that was left behind.
        config.warm.most = 0;
        config.sandbox.kind = SandboxKind::Process;
        configure(&mut config, folder.path());
        let parts = Parts {
            clock: Arc::clone(&clock) as _,
            ids: Arc::new(Ids::from_system()),
            environment: Environment::of_process(),
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            supervisor: None,
            mask: Mask::default(),
            own_key: None,
        };
        let service = Service::start(config, parts).await.expect("starts");
        Self { agent, clock, router: service.router(), service: Some(service), folder, _alone: alone }
    }

    pub(crate) fn service(&self) -> &Service {
        self.service.as_ref().expect("not finished")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder().join("data/legwork.db")
    }

    pub(crate) fn call(&self, method: &'static str, path: &str) -> Call {
        Call::new(self.router.clone(), method, path)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path).json(body).send().await
    }

    /// Submits a prompt; gives the id.
    pub(crate) async fn submit(&self, prompt: &str) -> String {
        let answer = self.post("/v1/executions", &json!({ "prompt": prompt })).await.expect(202);
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Submits a prompt and waits for its end; gives the id.
    pub(crate) async fn run(&self, prompt: &str) -> String {
        let id = self.submit(prompt).await;
        self.ended(&id).await;
        id
    }

    /// The execution when it has ended.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        let get = self.call("GET", &format!("/v1/executions/{id}"));
        let execution = get.header("prefer", "wait=25").send().await.expect(200).json();
        assert!(execution["finishedAt"].is_string(), "{execution}");
        execution
    }

    /// The events of an execution from after number `after`, live.
    pub(crate) async fn follow(&self, id: &str, after: u64) -> EventStream {
        let get = self.call("GET", &format!("/v1/executions/{id}/events"));
        get.header("accept", "text/event-stream").header("last-event-id", after.to_string()).stream().await
    }

    /// Submits a job that runs until it is told to stop, or until the gate is opened; gives its id when it does.
    pub(crate) async fn running(&self, prompt: &str) -> String {
        let id = self.submit(prompt).await;
        self.follow(&id, 0).await.until("text").await;
        id
    }

    pub(crate) async fn cancel(&self, id: &str) -> Answer {
        self.call("POST", &format!("/v1/executions/{id}/cancel")).send().await
    }

    /// Makes an API key.
    pub(crate) async fn key(&self, name: &str, permissions: &str, expires_at: Option<Timestamp>) -> String {
        let permissions: Permissions = permissions.parse().expect("permissions");
        let app = &self.service().app;
        let new = new_key(&app.ids, name, &permissions, NOW, expires_at);
        app.store.write(AddApiKey(new.record)).await.expect("the key");
        new.key
    }

    /// Ends the service; nothing may wait, run or be left by then.
    pub(crate) async fn finish(mut self) {
        let service = self.service.take().expect("not finished");
        within("the end of all runs", service.scheduler.idle()).await;
        for state in [ExecutionState::Queued, ExecutionState::Running] {
            assert_eq!(service.app.store.count(state).await.expect("a count"), 0, "executions are still {state:?}");
        }
        assert_eq!(service.app.executor.runner.live_runs(), 0);
        assert_eq!(children(), Vec::<String>::new());
        service.app.phase.advance(Stage::Draining);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        within("the end of the service", service.serve(listener)).await;
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        assert!(self.service.is_none() || std::thread::panicking(), "a test must finish its service");
    }
}

/// The child processes of this one.
fn children() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc").flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}
