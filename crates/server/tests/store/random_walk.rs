//! Whatever two workers and their callers do, also with leases that were taken from them long ago, what is on record
//! stays whole.

use legwork_model::{ExecutionId, ExecutionState, Ids};
use legwork_server::store::append::{Fenced, Lease};
use legwork_server::store::cancel::Cancel;
use legwork_server::store::claim::Claim;
use legwork_server::store::lose::{Lose, Lost};
use legwork_server::store::{ExecutionRecord, Store};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::database::{Engine, NOW, TestDb, append, claim, finish, lease, lose, text};

/// One step. An [`Index`] picks among the executions or leases that there are by then.
#[derive(Debug, Clone)]
enum Step {
    Put { retry_when_lost: bool },
    Claim { second_worker: bool },
    Append { lease: Index, events: usize },
    Finish { lease: Index },
    Lose { lease: Index, began: bool, crashed: bool },
    Cancel { execution: Index },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => any::<bool>().prop_map(|retry_when_lost| Step::Put { retry_when_lost }),
        3 => any::<bool>().prop_map(|second_worker| Step::Claim { second_worker }),
        4 => (any::<Index>(), 0..4usize).prop_map(|(lease, events)| Step::Append { lease, events }),
        2 => any::<Index>().prop_map(|lease| Step::Finish { lease }),
        3 => any::<(Index, bool, bool)>().prop_map(|(lease, began, crashed)| Step::Lose { lease, began, crashed }),
        1 => any::<Index>().prop_map(|execution| Step::Cancel { execution }),
    ]
}

/// The database and what the workers remember.
struct Walk {
    db: TestDb,
    executions: Vec<ExecutionId>,
    /// Every lease that was ever given.
    leases: Vec<Lease>,
}

impl Walk {
    async fn take(&mut self, step: Step) {
        match step {
            Step::Put { retry_when_lost } => {
                let mut job = self.db.job();
                job.retry_when_lost = retry_when_lost;
                self.executions.push(self.db.put(job).await);
            }
            Step::Claim { second_worker } => {
                let node = if second_worker { "node_two" } else { "node_one" }.into();
                let claimed = self.db.write(Claim { node, ..claim("default", 2) }).await;
                self.leases.extend(claimed.iter().map(lease));
            }
            Step::Append { lease, events } => {
                let Some((lease, record)) = self.pick(lease).await else { return };
                let events = (0..events).map(|_| text("x")).collect();
                let appended = self.db.write(append(lease, record.last_seq, events)).await;
                assert_eq!(appended == Fenced::Applied, holds(lease, &record));
            }
            Step::Finish { lease } => {
                let Some((lease, record)) = self.pick(lease).await else { return };
                let finished = self.db.write(finish(lease, record.last_seq)).await;
                assert_eq!(finished == Fenced::Applied, holds(lease, &record));
            }
            Step::Lose { lease, began, crashed } => {
                let Some((lease, record)) = self.pick(lease).await else { return };
                let lost = self.db.write(Lose { began, crashed, ..lose(lease) }).await;
                assert_eq!(lost != Lost::NotOurs, holds(lease, &record));
            }
            Step::Cancel { execution } => {
                let Some(id) = pick(&self.executions, execution) else { return };
                self.db.write(Cancel { id, message: "x".into(), now: NOW }).await;
            }
        }
    }

    async fn pick(&self, index: Index) -> Option<(Lease, ExecutionRecord)> {
        let lease = pick(&self.leases, index)?;
        Some((lease, self.db.record(lease.id).await))
    }

    async fn fences(&self) -> Vec<i64> {
        let mut fences = Vec::new();
        for id in &self.executions {
            fences.push(self.db.record(*id).await.fence);
        }
        fences
    }
}

fn pick<T: Copy>(all: &[T], index: Index) -> Option<T> {
    (!all.is_empty()).then(|| all[index.index(all.len())])
}

fn holds(lease: Lease, record: &ExecutionRecord) -> bool {
    record.state == ExecutionState::Running && record.fence == lease.fence
}

async fn walk(steps: Vec<Step>) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open_sqlite(&folder.path().join("legwork.db")).await.expect("opens");
    let db = TestDb { engine: Engine::Sqlite, store, url: String::new(), ids: Ids::from_seed([5; 32]) };
    let mut walk = Walk { db, executions: Vec::new(), leases: Vec::new() };
    let mut before = Vec::new();
    for step in steps {
        walk.take(step).await;
        let after = walk.fences().await;
        assert!(before.iter().zip(&after).all(|(before, after)| before <= after), "{before:?} -> {after:?}");
        before = after;
    }
    walk.db.check_logs().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_workers_and_callers_do_the_record_stays_whole(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(walk(steps));
    }
}
