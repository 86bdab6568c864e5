//! Whatever is started, spent, ended, lost and told twice, while budgets come and go and midnight passes: counters are what
//! the ledger and the reservations say, and no start finds room where there is none.

use legwork_model::{Cost, ExecutionId, Ids, Timestamp};
use legwork_server::store::Store;
use legwork_server::store::append::Lease;
use legwork_server::store::budgets::{BudgetScope, EACH, NewBudget, PruneCounters, RemoveBudget};
use legwork_server::store::cancel::Cancel;
use legwork_server::store::enqueue::{Enqueued, NewExecution};
use legwork_server::store::lose::Lose;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::budgets::{audit, budget, charge, enqueue};
use crate::database::{Engine, NOW, TestDb, claim, finish, lease, lose};

const HOUR: i64 = 3_600_000;

/// One step. An [`Index`] picks among the executions, leases or budgets that there are by then.
#[derive(Debug, Clone)]
enum Step {
    Put { scope: usize, by_name: bool, cents: i64 },
    Remove { budget: Index },
    Start { project: bool, user: bool, session: Option<Index>, cents: i64 },
    Claim,
    Charge { execution: Index, call: u8, cents: i64, hours_ago: i64 },
    Finish { lease: Index },
    Lose { lease: Index, began: bool },
    Cancel { execution: Index },
    Pass { hours: i64 },
    Prune,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..5usize, any::<bool>(), 0..300i64).prop_map(|(scope, by_name, cents)| Step::Put { scope, by_name, cents }),
        1 => any::<Index>().prop_map(|budget| Step::Remove { budget }),
        6 => (any::<bool>(), any::<bool>(), any::<Option<Index>>(), 0..100i64)
            .prop_map(|(project, user, session, cents)| Step::Start { project, user, session, cents }),
        3 => Just(Step::Claim),
        6 => (any::<Index>(), any::<u8>(), 0..60i64, 0..3i64)
            .prop_map(|(execution, call, cents, hours_ago)| Step::Charge { execution, call, cents, hours_ago }),
        3 => any::<Index>().prop_map(|lease| Step::Finish { lease }),
        2 => any::<(Index, bool)>().prop_map(|(lease, began)| Step::Lose { lease, began }),
        1 => any::<Index>().prop_map(|execution| Step::Cancel { execution }),
        2 => (1..30i64).prop_map(|hours| Step::Pass { hours }),
        1 => Just(Step::Prune),
    ]
}

struct Walk {
    db: TestDb,
    now: Timestamp,
    executions: Vec<ExecutionId>,
    leases: Vec<Lease>,
    budgets: Vec<String>,
}

impl Walk {
    async fn take(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Put { scope, by_name, cents } => self.put(BudgetScope::ALL[scope], by_name, cents).await,
            Step::Remove { budget } => {
                let Some(id) = pick(&self.budgets, budget) else { return };
                self.db.write(RemoveBudget { id }).await;
            }
            Step::Start { project, user, session, cents } => {
                let job = self.db.job();
                let root = session.and_then(|session| pick(&self.executions, session)).unwrap_or(job.id);
                let session_root = if root == job.id { root } else { self.db.record(root).await.session_root };
                let project = project.then(|| "site".into());
                let user = user.then(|| "ada".into());
                let job = NewExecution { project, user, session_root, reserve: dollars(cents), at: now, ..job };
                self.start(job).await;
            }
            Step::Claim => self.leases.extend(self.db.write(claim("default", 2)).await.iter().map(lease)),
            Step::Charge { execution, call, cents, hours_ago } => {
                let Some(id) = pick(&self.executions, execution) else { return };
                let told = charge(id, &format!("{id}-{call}"), "0", now.plus_millis(-hours_ago * HOUR));
                let call = legwork_model::ModelCall { cost_usd: dollars(cents), ..told.call };
                let told = legwork_server::store::charge::Charge { call, ..told };
                self.db.store.charge(told.clone()).await.expect("counts");
                let again = self.db.store.charge(told).await.expect("counts");
                assert_eq!(again.alerts, [], "told twice");
            }
            Step::Finish { lease } => {
                let Some(lease) = pick(&self.leases, lease) else { return };
                let after = self.db.record(lease.id).await.last_seq;
                let _ = self.db.write(finish(lease, after)).await;
            }
            Step::Lose { lease, began } => {
                let Some(lease) = pick(&self.leases, lease) else { return };
                self.db.write(Lose { began, ..lose(lease) }).await;
            }
            Step::Cancel { execution } => {
                let Some(id) = pick(&self.executions, execution) else { return };
                self.db.write(Cancel { id, message: "x".into(), now }).await;
            }
            Step::Pass { hours } => self.now = now.plus_millis(hours * HOUR),
            Step::Prune => self.db.write(PruneCounters { before: now }).await,
        }
    }

    async fn put(&mut self, scope: BudgetScope, by_name: bool, cents: i64) {
        let name = match scope {
            BudgetScope::Project if by_name => "site".to_owned(),
            BudgetScope::User if by_name => "ada".to_owned(),
            BudgetScope::Session if by_name => match self.executions.first() {
                Some(first) => self.db.record(*first).await.session_root.to_string(),
                None => return,
            },
            _ => EACH.to_owned(),
        };
        let new = NewBudget {
            now: self.now,
            limit: dollars(cents),
            alert_at_percent: Some(50),
            ..budget(&self.db, scope, &name, "0")
        };
        self.budgets.push(self.db.store.put_budget(new).await.expect("a budget").id);
    }

    async fn start(&mut self, job: NewExecution) {
        let id = job.id;
        let before = self.within_limits().await;
        match self.db.store.enqueue(enqueue(job)).await.expect("an answer") {
            Enqueued::Waiting => {
                self.executions.push(id);
                let after = self.within_limits().await;
                let passed: Vec<_> = before.iter().filter(|counter| !after.contains(counter)).collect();
                assert_eq!(passed, Vec::<&(String, String)>::new(), "a start passed a limit");
            }
            Enqueued::BudgetExceeded(exceeded) => {
                let wanted = exceeded.spent + exceeded.reserved + exceeded.requested;
                assert!(wanted > exceeded.budget.limit || exceeded.spent + exceeded.reserved >= exceeded.budget.limit);
            }
            other => panic!("{other:?}"),
        }
    }

    /// The counters that have room, or are just full.
    async fn within_limits(&self) -> Vec<(String, String)> {
        let states = self.db.store.budgets(None, self.now).await.expect("budgets");
        let counters =
            states.iter().flat_map(|state| state.counters.iter().map(move |counter| (&state.budget, counter)));
        counters
            .filter(|(budget, counter)| counter.spent + counter.reserved <= budget.limit)
            .map(|(budget, counter)| (budget.id.clone(), counter.subject.clone()))
            .collect()
    }
}

fn dollars(cents: i64) -> Cost {
    Cost::from_micros(cents * 10_000)
}

fn pick<T: Clone>(all: &[T], index: Index) -> Option<T> {
    (!all.is_empty()).then(|| all[index.index(all.len())].clone())
}

async fn walk(steps: Vec<Step>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("legwork.db");
    let store = Store::open_sqlite(&path).await.expect("opens");
    let url = format!("sqlite://{}", path.display());
    let db = TestDb { engine: Engine::Sqlite, store, url, ids: Ids::from_seed([5; 32]) };
    let mut walk = Walk { db, now: NOW, executions: Vec::new(), leases: Vec::new(), budgets: Vec::new() };
    for step in steps {
        walk.take(step).await;
        audit(&walk.db).await;
    }
    for id in walk.executions.clone() {
        walk.db.write(Cancel { id, message: "x".into(), now: walk.now }).await;
    }
    audit(&walk.db).await;
    walk.db.check_logs().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_counters_are_what_the_ledger_says(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(walk(steps));
    }
}
