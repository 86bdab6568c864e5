//! One empty database for each test, on each engine, and short words for what the tests do with it.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt;
use legwork_model::{Cost, EventBody, ExecutionId, ExecutionState, Ids, Outcome, Task, Timestamp, Verdict};
use legwork_server::app::hex;
use legwork_server::store::append::{Append, Fenced, Lease};
use legwork_server::store::claim::{Claim, Claimed};
use legwork_server::store::enqueue::{Enqueue, Enqueued, Idempotency, NewExecution};
use legwork_server::store::executions::Filter;
use legwork_server::store::finish::Finish;
use legwork_server::store::kept::Kept;
use legwork_server::store::lose::{Lose, Lost};
use legwork_server::store::{Durability, ExecutionRecord, NewEvent, RecordedEvent, Store, StoreError, Write};
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

/// When everything happens that says no other time.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_772_366_400_000);
/// How long leases hold.
pub(crate) const LEASE_MILLIS: i64 = 30_000;
pub(crate) const NODE: &str = "node_one";

/// Makes a test of each function for each engine.
macro_rules! on_every_engine {
    ($($test:ident),+ $(,)?) => {
        on_every_engine!(@ sqlite Sqlite: $($test)+);
        on_every_engine!(@ mysql MySql: $($test)+);
        on_every_engine!(@ postgres Postgres: $($test)+);
    };
    (@ $module:ident $engine:ident: $($test:ident)+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    $crate::database::Engine::$engine.check(super::$test).await;
                }
            )+
        }
    };
}
pub(crate) use on_every_engine;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    MySql,
    Postgres,
}

impl Engine {
    /// Runs `test` on an empty database, checks every log that it left, and removes the database.
    pub(crate) async fn check(self, test: impl AsyncFnOnce(&TestDb)) {
        let Some(place) = self.place().await else { return };
        let db = TestDb { engine: self, store: place.open().await, url: place.url(), ids: Ids::from_system() };
        let checked = async {
            test(&db).await;
            db.check_logs().await;
        };
        let outcome = AssertUnwindSafe(checked).catch_unwind().await;
        drop(db);
        place.remove().await;
        outcome.unwrap_or_else(|panic| resume_unwind(panic));
    }

    async fn place(self) -> Option<Place> {
        let variable = match self {
            Self::Sqlite => return Some(Place::Folder(tempfile::tempdir().expect("a folder"))),
            Self::MySql => "LEGWORK_TEST_MYSQL_URL",
            Self::Postgres => "LEGWORK_TEST_POSTGRES_URL",
        };
        let Some(server) = variable_of_process(variable) else {
            assert_ne!(variable_of_process("CI").as_deref(), Some("true"), "{variable} must be set under CI=true");
            eprintln!("SKIPPED on {self:?}: {variable} is not set; scripts/databases.sh sets it");
            return None;
        };
        let name = format!("legwork_{}", hex(&Ids::from_system().secret()[..8]));
        execute(&server, &format!("CREATE DATABASE {name}")).await;
        Some(Place::Server { server, name })
    }
}

#[expect(clippy::disallowed_methods, reason = "the environment says where the test databases are")]
pub(crate) fn variable_of_process(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

enum Place {
    Folder(TempDir),
    Server { server: String, name: String },
}

impl Place {
    async fn open(&self) -> Store {
        let opened = match self {
            Self::Folder(folder) => Store::open_sqlite(&folder.path().join("legwork.db")).await,
            Self::Server { .. } => Store::connect(&self.url()).await,
        };
        opened.expect("an empty database")
    }

    fn url(&self) -> String {
        match self {
            Self::Folder(folder) => format!("sqlite://{}", folder.path().join("legwork.db").display()),
            Self::Server { server, name } => {
                let mut url = url::Url::parse(server).expect("the server's URL");
                url.set_path(name);
                url.into()
            }
        }
    }

    async fn remove(self) {
        if let Self::Server { server, name } = self {
            let force = if server.starts_with("postgres") { " WITH (FORCE)" } else { "" };
            execute(&server, &format!("DROP DATABASE {name}{force}")).await;
        }
    }
}

async fn execute(server: &str, statement: &str) {
    let connection = Database::connect(server).await.expect("the test server");
    connection.execute_unprepared(statement).await.expect(statement);
    connection.close().await.expect("closes");
}

/// An empty database of a test.
pub(crate) struct TestDb {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) url: String,
    pub(crate) ids: Ids,
}

impl TestDb {
    /// A job that says no more than it must.
    pub(crate) fn job(&self) -> NewExecution {
        job(self.ids.execution(NOW))
    }

    /// Does behind the store's back what no version of it would.
    pub(crate) async fn tamper(&self, statement: &str) {
        execute(&self.url, statement).await;
    }

    pub(crate) async fn write<W: Write>(&self, change: W) -> W::Output {
        self.store.write(change).await.expect("the database takes the change")
    }

    /// Puts a job on record.
    pub(crate) async fn put(&self, job: NewExecution) -> ExecutionId {
        let id = job.id;
        assert_eq!(self.enqueue(job, None, u64::MAX).await.expect("enqueues"), Answer::Waiting);
        id
    }

    /// Puts a job on record that waits for its turn.
    pub(crate) async fn enqueue(
        &self,
        execution: NewExecution,
        idempotency: Option<Idempotency>,
        max_queued: u64,
    ) -> Result<Answer, StoreError> {
        // The databases count in signed numbers.
        let max_queued = max_queued.min(i64::MAX.unsigned_abs());
        let enqueued = self
            .store
            .enqueue(Enqueue {
                execution,
                idempotency,
                max_queued,
                claim: None,
                pin: None,
                quota: None,
                durability: Durability::Now,
            })
            .await?;
        Ok(Answer::of(&enqueued))
    }

    /// Takes up to `limit` jobs of the lane `default`.
    pub(crate) async fn claim(&self, limit: u64) -> Vec<Claimed> {
        self.write(claim("default", limit)).await
    }

    /// A job that runs, with `queued` and `claimed` in its log.
    pub(crate) async fn running(&self) -> Lease {
        self.running_job(self.job()).await
    }

    /// `job`, running.
    pub(crate) async fn running_job(&self, job: NewExecution) -> Lease {
        let id = self.put(job).await;
        let claimed = self.claim(1).await.pop().expect("a job was queued");
        assert_eq!(claimed.record.id, id, "another job was queued, too");
        lease(&claimed)
    }

    pub(crate) async fn record(&self, id: ExecutionId) -> ExecutionRecord {
        self.store.execution(id).await.expect("an answer").expect("an execution")
    }

    pub(crate) async fn events(&self, id: ExecutionId) -> Vec<RecordedEvent> {
        self.store.events_after(id, 0, 1_000_000).await.expect("events")
    }

    /// The kinds of its events, in order.
    pub(crate) async fn kinds(&self, id: ExecutionId) -> Vec<String> {
        self.events(id).await.into_iter().map(|event| event.kind).collect()
    }

    /// Says that the worker of `lease` died.
    pub(crate) async fn lose(&self, lease: Lease) -> Lost {
        self.write(lose(lease)).await
    }

    /// What must be true of every execution whatever was done to it: its events are numbered from 1 without gaps, its
    /// row knows the last number, and it has one `finished` event, at the end, exactly when it has ended.
    pub(crate) async fn check_logs(&self) {
        for record in self.store.executions(&Filter::default(), 1_000_000).await.expect("executions") {
            let events = self.events(record.id).await;
            let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
            assert_eq!(numbers, (1..=record.last_seq).collect::<Vec<_>>(), "{record:?}");
            let ends: Vec<u64> = events.iter().filter(|event| event.is_last()).map(|event| event.seq).collect();
            let expected: &[u64] = if record.state.is_finished() { &[record.last_seq] } else { &[] };
            assert_eq!(ends, expected, "{record:?}");
            assert_eq!(record.lease_owner.is_some(), record.state == ExecutionState::Running, "{record:?}");
            assert_eq!(
                record.outcome.map(|outcome| outcome.verdict.state()),
                record.state.is_finished().then_some(record.state)
            );
        }
    }
}

/// What became of a job, to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Waiting,
    Claimed(ExecutionId),
    Replayed(ExecutionId),
    KeyReused,
    QueueFull,
    SessionBusy,
    QuotaReached(Timestamp),
    BudgetExceeded,
}

impl Answer {
    pub(crate) fn of(enqueued: &Enqueued) -> Self {
        match enqueued {
            Enqueued::Waiting => Self::Waiting,
            Enqueued::Claimed(claimed) => Self::Claimed(claimed.record.id),
            Enqueued::Replayed(id) => Self::Replayed(*id),
            Enqueued::KeyReused => Self::KeyReused,
            Enqueued::QueueFull => Self::QueueFull,
            Enqueued::SessionBusy => Self::SessionBusy,
            Enqueued::QuotaReached(at) => Self::QuotaReached(*at),
            Enqueued::BudgetExceeded(_) => Self::BudgetExceeded,
        }
    }
}

pub(crate) fn job(id: ExecutionId) -> NewExecution {
    let task = Task { agent: "claude-code".into(), prompt: "Say hello.".into(), ..Task::default() };
    NewExecution {
        id,
        task,
        lane: "default".into(),
        priority: 0,
        metadata: Default::default(),
        created_by: None,
        retry_of: None,
        retry_when_lost: false,
        pinned: false,
        home: id,
        session_root: id,
        project: None,
        user: None,
        reserve: Cost::default(),
        at: NOW,
    }
}

pub(crate) fn claim(lane: &str, limit: u64) -> Claim {
    Claim {
        lane: lane.into(),
        limit,
        node: NODE.into(),
        now: NOW,
        lease_until: NOW.plus_millis(LEASE_MILLIS),
        held: Vec::new(),
    }
}

pub(crate) fn lease(claimed: &Claimed) -> Lease {
    Lease { id: claimed.record.id, fence: claimed.record.fence }
}

pub(crate) fn text(text: &str) -> NewEvent {
    NewEvent::new(NOW, &EventBody::Text { text: text.into(), parent_tool_call_id: None })
}

pub(crate) fn append(lease: Lease, after: u64, events: Vec<NewEvent>) -> Append {
    Append { lease, after, events, session_id: None }
}

/// Ends a run that did well, after event number `after`.
pub(crate) fn finish(lease: Lease, after: u64) -> Finish {
    let outcome = Outcome::without_run(Verdict::Succeeded);
    let last = NewEvent::new(NOW, &EventBody::Finished { outcome: outcome.clone() });
    Finish { lease, after, events: vec![last], outcome, kept: Kept::default(), orders: 0, now: NOW }
}

pub(crate) fn lose(lease: Lease) -> Lose {
    Lose { lease, began: false, why: "The worker died.".into(), crashed: true, now: NOW }
}

#[track_caller]
pub(crate) fn assert_applied(fenced: Fenced) {
    assert_eq!(fenced, Fenced::Applied);
}
