//! Budgets: what is set aside, what is spent, and that nothing of it gets lost, whoever dies when.

use std::time::Duration;

use futures::future::join_all;
use legwork_model::{Cost, ExecutionId, ModelApi, ModelCall, Period, Timestamp, Usage, Zone};
use legwork_server::store::Durability;
use legwork_server::store::budgets::{
    Budget, BudgetScope, BudgetState, EACH, NewBudget, PruneCounters, Refuse, RemoveBudget,
};
use legwork_server::store::cancel::Cancel;
use legwork_server::store::charge::Charge;
use legwork_server::store::enqueue::{Enqueue, Enqueued, Idempotency, NewExecution};
use legwork_server::store::lose::{Lose, Lost};
use sea_orm::{ConnectionTrait, Database, DbBackend, QueryResult, Statement};

use crate::database::{
    Answer, Engine, NOW, TestDb, append, assert_applied, finish, lease, lose, on_every_engine, text,
};

on_every_engine!(
    of_a_hundred_starts_ten_fit,
    starts_that_are_dropped_leave_nothing_behind,
    what_is_set_aside_is_spent_first,
    a_call_counts_once,
    every_end_gives_back_what_is_left,
    a_job_that_waits_again_keeps_what_is_left,
    a_replay_sets_nothing_aside,
    a_refusal_is_on_record,
    a_budget_by_name_goes_before_the_one_for_each,
    a_budget_begins_with_what_there_was,
    a_day_begins_anew_and_takes_along_what_is_set_aside,
    what_is_told_late_hides_nothing_of_the_day,
    a_run_without_anything_left_goes_on_below_the_limit_only,
    somebody_is_told_once,
    counters_that_begin_at_once_miss_nothing,
);

const DAY: i64 = 86_400_000;

pub(crate) fn dollars(text: &str) -> Cost {
    text.parse().expect("an amount")
}

/// A budget as the tests want it; `limit` in dollars.
pub(crate) fn budget(db: &TestDb, scope: BudgetScope, name: &str, limit: &str) -> NewBudget {
    NewBudget {
        id: format!("bud_{}", db.ids.execution(NOW)),
        scope,
        name: name.into(),
        period: Period::Day,
        limit: dollars(limit),
        alert_at_percent: None,
        pause_on_exceed: false,
        zone: Zone::utc(),
        by: None,
        now: NOW,
    }
}

async fn put(db: &TestDb, scope: BudgetScope, name: &str, limit: &str) -> Budget {
    db.store.put_budget(budget(db, scope, name, limit)).await.expect("a budget")
}

/// A job of the project `site` for which so much is set aside.
fn job(db: &TestDb, reserve: &str) -> NewExecution {
    NewExecution { reserve: dollars(reserve), project: Some("site".into()), ..db.job() }
}

pub(crate) fn charge(execution: ExecutionId, id: &str, cost: &str, at: Timestamp) -> Charge {
    let call = ModelCall {
        id: id.into(),
        api: ModelApi::Anthropic,
        credential: "main".into(),
        status: 200,
        cost_usd: dollars(cost),
        estimated: false,
        imputed: false,
        first_byte_ms: 5,
        duration_ms: 50,
    };
    let usage = Usage { input_tokens: 7, output_tokens: 3, cache_read_tokens: 2, cache_write_tokens: 1 };
    Charge { execution, model: "claude-x".into(), usage, call, at }
}

/// What is spent and set aside of the one counter that `budget` has at `at`.
async fn counter_at(db: &TestDb, budget: &Budget, at: Timestamp) -> (Cost, Cost) {
    let states = db.store.budgets(Some(&budget.id), at).await.expect("an answer");
    let [BudgetState { counters, .. }] = states.as_slice() else { panic!("{states:?}") };
    let [counter] = counters.as_slice() else { panic!("{counters:?}") };
    (counter.spent, counter.reserved)
}

async fn assert_counter(db: &TestDb, budget: &Budget, spent: &str, reserved: &str) {
    assert_eq!(counter_at(db, budget, NOW).await, (dollars(spent), dollars(reserved)));
    audit(db).await;
}

/// A job that waits for its turn.
pub(crate) fn enqueue(execution: NewExecution) -> Enqueue {
    Enqueue {
        execution,
        idempotency: None,
        max_queued: 1_000,
        claim: None,
        pin: None,
        quota: None,
        durability: Durability::Now,
    }
}

async fn of_a_hundred_starts_ten_fit(db: &TestDb) {
    let install = put(db, BudgetScope::Install, EACH, "5.00").await;
    let each = put(db, BudgetScope::Project, EACH, "100").await;
    let answers = join_all((0..100).map(|_| db.store.enqueue(enqueue(job(db, "0.50"))))).await;
    let answers: Vec<_> = answers.iter().map(|answer| Answer::of(answer.as_ref().expect("an answer"))).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == Answer::Waiting).count(), 10, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| **answer == Answer::BudgetExceeded).count(), 90);
    assert_eq!(db.store.budget_refusals(None, 1_000).await.expect("an answer").len(), 90);
    assert_counter(db, &install, "0", "5.00").await;
    assert_counter(db, &each, "0", "5.00").await;
}

/// Whoever goes away in the middle leaves the whole or nothing.
async fn starts_that_are_dropped_leave_nothing_behind(db: &TestDb) {
    let install = put(db, BudgetScope::Install, EACH, "5.00").await;
    let starts: Vec<_> = (0..60)
        .map(|index| {
            let (store, new) = (db.store.clone(), enqueue(job(db, "0.50")));
            tokio::spawn(tokio::time::timeout(Duration::from_micros(index * 400), async move {
                store.enqueue(new).await.expect("an answer");
            }))
        })
        .collect();
    for start in starts {
        let _ = start.await.expect("no panic");
    }
    // A transaction that was left is ended by its server when it notices; the next start waits for it.
    db.enqueue(job(db, "0.50"), None, 1_000).await.expect("an answer");
    let waiting = db.claim(1_000).await.len();
    assert!(waiting <= 10, "{waiting}");
    let set_aside = Cost::from_micros(i64::try_from(waiting).expect("few") * 500_000);
    assert_eq!(counter_at(db, &install, NOW).await, (Cost::default(), set_aside));
    audit(db).await;
}

async fn what_is_set_aside_is_spent_first(db: &TestDb) {
    let project = put(db, BudgetScope::Project, "site", "2.00").await;
    let run = db.running_job(job(db, "1.00")).await;
    assert_counter(db, &project, "0", "1.00").await;
    db.store.charge(charge(run.id, "one", "0.30", NOW)).await.expect("counts");
    assert_counter(db, &project, "0.30", "0.70").await;
    // More than is left: only that is taken, and the rest goes on top.
    db.store.charge(charge(run.id, "two", "0.90", NOW)).await.expect("counts");
    assert_counter(db, &project, "1.20", "0").await;
    assert_applied(db.write(finish(run, 2)).await);
    assert_counter(db, &project, "1.20", "0").await;
    // Told late, it counts all the same.
    db.store.charge(charge(run.id, "late", "0.10", NOW)).await.expect("counts");
    assert_counter(db, &project, "1.30", "0").await;
    let stranger = db.ids.execution(NOW);
    assert!(db.store.charge(charge(stranger, "stray", "1", NOW)).await.is_err());
}

async fn a_call_counts_once(db: &TestDb) {
    let install = put(db, BudgetScope::Install, EACH, "9").await;
    let run = db.running_job(job(db, "1.00")).await;
    let told = join_all((0..20).map(|_| db.store.charge(charge(run.id, "one", "0.25", NOW)))).await;
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    assert_counter(db, &install, "0.25", "0.75").await;
    assert_applied(db.write(finish(run, 2)).await);
}

async fn every_end_gives_back_what_is_left(db: &TestDb) {
    let install = put(db, BudgetScope::Install, EACH, "9").await;
    let run = db.running_job(job(db, "1.00")).await;
    db.store.charge(charge(run.id, "one", "0.25", NOW)).await.expect("counts");
    assert_applied(db.write(finish(run, 2)).await);
    assert_counter(db, &install, "0.25", "0").await;

    let waits = db.put(job(db, "1.00")).await;
    assert_counter(db, &install, "0.25", "1.00").await;
    db.write(Cancel { id: waits, message: "x".into(), now: NOW }).await;
    assert_counter(db, &install, "0.25", "0").await;

    let lost = db.running_job(job(db, "1.00")).await;
    assert_applied(db.write(append(lost, 2, vec![text("x")])).await);
    assert!(matches!(db.lose(lost).await, Lost::Failed(_)));
    assert_counter(db, &install, "0.25", "0").await;

    let asked = db.running_job(job(db, "1.00")).await;
    db.write(Cancel { id: asked.id, message: "x".into(), now: NOW }).await;
    assert_counter(db, &install, "0.25", "1.00").await;
    assert_eq!(db.lose(asked).await, Lost::Cancelled);
    assert_counter(db, &install, "0.25", "0").await;

    let unreadable = db.put(job(db, "1.00")).await;
    db.tamper(&format!("UPDATE executions SET task = '{{' WHERE id = '{unreadable}'")).await;
    assert!(db.claim(1).await.is_empty());
    let task = serde_json::to_string(&db.job().task).expect("JSON");
    db.tamper(&format!("UPDATE executions SET task = '{task}' WHERE id = '{unreadable}'")).await;
    assert_counter(db, &install, "0.25", "0").await;
}

async fn a_job_that_waits_again_keeps_what_is_left(db: &TestDb) {
    let install = put(db, BudgetScope::Install, EACH, "1.00").await;
    let mut retried = job(db, "1.00");
    retried.retry_when_lost = true;
    let run = db.running_job(retried).await;
    db.store.charge(charge(run.id, "one", "0.25", NOW)).await.expect("counts");
    assert_eq!(db.write(Lose { crashed: false, ..lose(run) }).await, Lost::Requeued);
    assert_counter(db, &install, "0.25", "0.75").await;
    assert_eq!(db.enqueue(job(db, "0.01"), None, 9).await.expect("an answer"), Answer::BudgetExceeded);
    let again = lease(&db.claim(1).await.pop().expect("it waits again"));
    let after = db.record(again.id).await.last_seq;
    assert_applied(db.write(finish(again, after)).await);
    assert_counter(db, &install, "0.25", "0").await;
}

async fn a_replay_sets_nothing_aside(db: &TestDb) {
    let install = put(db, BudgetScope::Install, EACH, "0.50").await;
    let with_key = |fresh| {
        let key = Idempotency { scope: "local".into(), key: "k".into(), fingerprint: "f".repeat(64), fresh };
        Enqueue { idempotency: Some(key), ..enqueue(job(db, "0.50")) }
    };
    // There is room for one, and all of them are that one.
    let answers = join_all((0..30).map(|index| db.store.enqueue(with_key(index % 2 == 0)))).await;
    let answers: Vec<_> = answers.iter().map(|answer| Answer::of(answer.as_ref().expect("an answer"))).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == Answer::Waiting).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Waiting | Answer::Replayed(_))), "{answers:?}");
    assert!(db.store.budget_refusals(None, 9).await.expect("an answer").is_empty());
    assert_counter(db, &install, "0", "0.50").await;
}

async fn a_refusal_is_on_record(db: &TestDb) {
    let project = put(db, BudgetScope::Project, EACH, "1.00").await;
    let run = db.running_job(job(db, "0.60")).await;
    let refused = job(db, "0.60");
    let id = refused.id;
    let Ok(Enqueued::BudgetExceeded(exceeded)) = db.store.enqueue(enqueue(refused)).await else { panic!("refused") };
    assert_eq!((exceeded.budget.id.as_str(), exceeded.subject.as_str()), (project.id.as_str(), "site"));
    assert_eq!(
        (exceeded.spent, exceeded.reserved, exceeded.requested),
        (dollars("0"), dollars("0.60"), dollars("0.60"))
    );
    assert_eq!(exceeded.resets_at.map(|at| at.to_string()).as_deref(), Some("2026-03-02T00:00:00.000Z"));
    assert!(db.store.execution(id).await.expect("an answer").is_none());
    // Another project has a counter of its own, and a job without one none.
    let other = NewExecution { project: Some("app".into()), ..job(db, "0.60") };
    assert_eq!(db.enqueue(other, None, 9).await.expect("an answer"), Answer::Waiting);
    let of_none = NewExecution { project: None, ..job(db, "5") };
    assert_eq!(db.enqueue(of_none, None, 9).await.expect("an answer"), Answer::Waiting);
    let stopped = Refuse { id: db.ids.execution(NOW), execution: run.id, exceeded: *exceeded, at: NOW };
    db.write(stopped).await;
    let refusals = db.store.budget_refusals(None, 9).await.expect("an answer");
    let [later, first] = refusals.as_slice() else { panic!("{refusals:?}") };
    assert_eq!((later.execution, first.execution), (Some(run.id), None));
    assert_eq!((first.project.as_deref(), first.subject.as_str(), first.limit), (Some("site"), "site", dollars("1")));
    let older = db.store.budget_refusals(Some(&later.id), 9).await.expect("an answer");
    assert_eq!(older, std::slice::from_ref(first));
    audit(db).await;
}

async fn a_budget_by_name_goes_before_the_one_for_each(db: &TestDb) {
    let each = put(db, BudgetScope::Project, EACH, "0.50").await;
    let first = db.put(job(db, "0.50")).await;
    assert_eq!(db.enqueue(job(db, "0.50"), None, 9).await.expect("an answer"), Answer::BudgetExceeded);
    let named = put(db, BudgetScope::Project, "site", "2.00").await;
    assert_counter(db, &named, "0", "0.50").await;
    db.put(job(db, "0.50")).await;
    assert_counter(db, &named, "0", "1.00").await;
    let states = db.store.budgets(Some(&each.id), NOW).await.expect("an answer");
    assert_eq!(states[0].counters, []);
    // Without it the other counts again, with all that there is.
    assert!(db.write(RemoveBudget { id: named.id.clone() }).await);
    assert!(!db.write(RemoveBudget { id: named.id }).await);
    assert_eq!(db.enqueue(job(db, "0.10"), None, 9).await.expect("an answer"), Answer::BudgetExceeded);
    assert_counter(db, &each, "0", "1.00").await;
    db.write(Cancel { id: first, message: "x".into(), now: NOW }).await;
    assert_counter(db, &each, "0", "0.50").await;
}

async fn a_budget_begins_with_what_there_was(db: &TestDb) {
    // Before there is any budget nothing is set aside, and everything is in the ledger.
    let run = db.running_job(job(db, "1.00")).await;
    db.store.charge(charge(run.id, "yesterday", "4.00", NOW.plus_millis(-DAY))).await.expect("counts");
    db.store.charge(charge(run.id, "today", "0.40", NOW)).await.expect("counts");
    let install = put(db, BudgetScope::Install, EACH, "2.00").await;
    assert_counter(db, &install, "0.40", "0").await;
    db.put(job(db, "1.00")).await;
    let each = put(db, BudgetScope::Session, EACH, "2.00").await;
    let states = db.store.budgets(Some(&each.id), NOW).await.expect("an answer");
    assert_eq!(states[0].counters.len(), 2, "{states:?}");
    let month = NewBudget { period: Period::Month, ..budget(db, BudgetScope::Project, "site", "9") };
    // The first of March in UTC, and still February in Honolulu.
    let hawaii = NewBudget { zone: "Pacific/Honolulu".parse().expect("a zone"), ..month.clone() };
    let month = db.store.put_budget(month).await.expect("a budget");
    assert_counter(db, &month, "0.40", "1.00").await;
    let changed = db.store.put_budget(NewBudget { now: NOW.plus_millis(-DAY / 2), ..hawaii }).await.expect("a budget");
    assert_eq!(changed.id, month.id);
    assert_eq!(counter_at(db, &month, NOW.plus_millis(-DAY / 2)).await, (dollars("4.40"), dollars("1.00")));
    assert_applied(db.write(finish(run, 2)).await);
    audit(db).await;
}

async fn a_day_begins_anew_and_takes_along_what_is_set_aside(db: &TestDb) {
    let install = put(db, BudgetScope::Install, EACH, "1.00").await;
    let total = NewBudget { period: Period::Total, ..budget(db, BudgetScope::Install, EACH, "9") };
    let total = db.store.put_budget(total).await.expect("a budget");
    let run = db.running_job(job(db, "0.80")).await;
    db.store.charge(charge(run.id, "before", "0.30", NOW)).await.expect("counts");
    let tomorrow = NOW.plus_millis(DAY);
    assert_eq!(counter_at(db, &install, tomorrow).await, (dollars("0"), dollars("0.50")));
    // What is set aside is so on the new day, too.
    let next = |reserve| NewExecution { at: tomorrow, ..job(db, reserve) };
    assert_eq!(db.enqueue(next("0.60"), None, 9).await.expect("an answer"), Answer::BudgetExceeded);
    assert_eq!(db.enqueue(next("0.50"), None, 9).await.expect("an answer"), Answer::Waiting);
    db.store.charge(charge(run.id, "after", "0.20", tomorrow)).await.expect("counts");
    // A call of the day before that is told late counts on that day.
    db.store.charge(charge(run.id, "late", "0.10", NOW)).await.expect("counts");
    assert_eq!(counter_at(db, &install, tomorrow).await, (dollars("0.20"), dollars("0.70")));
    assert_applied(db.write(finish(run, 2)).await);
    assert_eq!(counter_at(db, &install, tomorrow).await, (dollars("0.20"), dollars("0.50")));
    assert_eq!(counter_at(db, &total, tomorrow).await, (dollars("0.60"), dollars("0.50")));
    audit(db).await;
}

async fn what_is_told_late_hides_nothing_of_the_day(db: &TestDb) {
    let tomorrow = NOW.plus_millis(DAY);
    let run = db.running_job(job(db, "0")).await;
    db.store.charge(charge(run.id, "today's", "0.57", tomorrow)).await.expect("counts");
    let daily = NewBudget { now: tomorrow, ..budget(db, BudgetScope::Install, EACH, "1.00") };
    let daily = db.store.put_budget(daily).await.expect("a budget");
    // Whatever took the counter away, this one begins with a line of the day before.
    db.write(PruneCounters { before: tomorrow.plus_millis(1) }).await;
    db.store.charge(charge(run.id, "yesterday's", "0.33", NOW)).await.expect("counts");
    db.store.charge(charge(run.id, "more of today", "0.10", tomorrow)).await.expect("counts");
    assert_eq!(counter_at(db, &daily, tomorrow).await.0, dollars("0.67"));
}

async fn a_run_without_anything_left_goes_on_below_the_limit_only(db: &TestDb) {
    let install = put(db, BudgetScope::Install, EACH, "1.00").await;
    let run = db.running_job(job(db, "0.40")).await;
    let charged = |id: &'static str, cost: &'static str| db.store.charge(charge(run.id, id, cost, NOW));
    assert_eq!(charged("one", "0.40").await.expect("counts").exceeded, None, "there is room below the limit");
    let other = db.put(job(db, "0.60")).await;
    let exceeded = db.store.exceeded(run.id, NOW).await.expect("an answer").expect("all is spent or set aside");
    assert_eq!(
        (exceeded.budget.id.as_str(), exceeded.spent, exceeded.reserved),
        (install.id.as_str(), dollars("0.40"), dollars("0.60"))
    );
    assert_eq!(db.store.exceeded(other, NOW).await.expect("an answer"), None, "it has what was set aside for it");
    assert!(charged("two", "0.10").await.expect("counts").exceeded.is_some());
    // Raised, and on another day, it goes on.
    assert_eq!(db.store.exceeded(run.id, NOW.plus_millis(DAY)).await.expect("an answer"), None);
    let raised = NewBudget { now: NOW.plus_millis(DAY), ..budget(db, BudgetScope::Install, EACH, "2") };
    db.store.put_budget(raised).await.expect("a budget");
    assert_eq!(db.store.exceeded(run.id, NOW).await.expect("an answer"), None);
    assert_applied(db.write(finish(run, 2)).await);
    audit(db).await;
}

async fn somebody_is_told_once(db: &TestDb) {
    let new = || NewBudget { alert_at_percent: Some(80), ..budget(db, BudgetScope::Install, EACH, "1.00") };
    let made = db.store.put_budget(new()).await.expect("a budget");
    let run = db.running_job(job(db, "0.10")).await;
    let alerts = async |id: &str, cost: &str, at: Timestamp| {
        let charged = db.store.charge(charge(run.id, id, cost, at)).await.expect("counts");
        charged.alerts.into_iter().map(|alert| (alert.budget.id, alert.spent)).collect::<Vec<_>>()
    };
    assert_eq!(alerts("a", "0.79", NOW).await, []);
    assert_eq!(alerts("b", "0.01", NOW).await, [(made.id.clone(), dollars("0.80"))]);
    assert_eq!(alerts("b", "0.01", NOW).await, []);
    assert_eq!(alerts("c", "0.50", NOW).await, []);
    let states = db.store.budgets(Some(&made.id), NOW).await.expect("an answer");
    assert_eq!(states[0].counters[0].alerted_at, Some(NOW));
    // A higher limit is another one to be told of, and so is another day.
    db.store.put_budget(NewBudget { limit: dollars("2"), ..new() }).await.expect("a budget");
    assert_eq!(alerts("d", "0.40", NOW).await, [(made.id.clone(), dollars("1.70"))]);
    let tomorrow = NOW.plus_millis(DAY);
    assert_eq!(alerts("e", "1.60", tomorrow).await, [(made.id, dollars("1.60"))]);
    assert_applied(db.write(finish(run, 2)).await);
}

/// Budgets come and go while jobs are started, spend and end.
async fn counters_that_begin_at_once_miss_nothing(db: &TestDb) {
    let runs: Vec<_> = join_all((0..12).map(|_| db.put(job(db, "0.10")))).await;
    let leases: Vec<_> = db.claim(100).await.iter().map(lease).collect();
    assert_eq!(runs.len(), leases.len());
    let (scopes, names) = ([BudgetScope::Install, BudgetScope::Project, BudgetScope::Session], [EACH, EACH, EACH]);
    let budgets = scopes.iter().zip(names).map(|(scope, name)| put(db, *scope, name, "100"));
    let charges = leases.iter().enumerate().map(|(index, run)| async move {
        for call in 0..5 {
            let id = format!("{index}-{call}");
            db.store.charge(charge(run.id, &id, "0.03", NOW)).await.expect("counts");
        }
    });
    let starts = (0..20).map(|_| db.put(job(db, "0.10")));
    let (budgets, ..) = tokio::join!(join_all(budgets), join_all(charges), join_all(starts));
    audit(db).await;
    let ends = leases.iter().map(|run| async { assert_applied(db.write(finish(*run, 2)).await) });
    let removed = db.write(RemoveBudget { id: budgets[1].id.clone() });
    let named = put(db, BudgetScope::Project, "site", "100");
    let (_, removed, _) = tokio::join!(join_all(ends), removed, named);
    assert!(removed);
    assert_eq!(counter_at(db, &budgets[0], NOW).await.0, dollars("1.80"));
    audit(db).await;
}

/// Whatever happened: each counter has what the ledger and the reservations say, and nothing is set aside for what has
/// ended.
pub(crate) async fn audit(db: &TestDb) {
    let calls = rows(db, "SELECT at, cost, project, user_label, api_key, session FROM model_calls").await;
    let open = rows(
        db,
        "SELECT r.outstanding, r.project, r.user_label, r.api_key, r.session, e.state FROM reservations r \
         LEFT JOIN executions e ON e.id = r.execution_id",
    )
    .await;
    for row in &open {
        let state: Option<String> = get(row, "state");
        assert!(matches!(state.as_deref(), Some("queued" | "running")), "set aside for what is {state:?}");
        assert!(get::<i64>(row, "outstanding") >= 0);
    }
    let budgets = rows(db, "SELECT id, scope, name, period FROM budgets").await;
    for budget in &budgets {
        let (id, scope): (String, String) = (get(budget, "id"), get(budget, "scope"));
        let column = match scope.as_str() {
            "install" => None,
            "user" => Some("user_label"),
            "key" => Some("api_key"),
            label => Some(label),
        };
        let counters =
            format!("SELECT subject, period_start, spent, reserved FROM budget_states WHERE budget_id = '{id}'");
        for counter in rows(db, &counters).await {
            let (subject, start): (String, i64) = (get(&counter, "subject"), get(&counter, "period_start"));
            let is_about = |row: &QueryResult| {
                column.is_none_or(|column| get::<Option<String>>(row, column).as_deref() == Some(subject.as_str()))
            };
            let spent = calls.iter().filter(|row| is_about(row) && get::<i64>(row, "at") >= start);
            let spent: i64 = spent.map(|row| get::<i64>(row, "cost")).sum();
            let reserved = open.iter().filter(|row| is_about(row));
            let reserved: i64 = reserved.map(|row| get::<i64>(row, "outstanding")).sum();
            let counted = (get::<i64>(&counter, "spent"), get::<i64>(&counter, "reserved"));
            assert_eq!(counted, (spent, reserved), "{scope} {subject}");
        }
    }
    let gates = rows(db, "SELECT budgets FROM budget_gates").await;
    assert_eq!(gates.len(), 64);
    assert!(gates.iter().all(|gate| get::<i64>(gate, "budgets") == i64::try_from(budgets.len()).expect("few")));
}

fn get<T: sea_orm::TryGetable>(row: &QueryResult, column: &str) -> T {
    row.try_get("", column).unwrap_or_else(|error| panic!("{column}: {error}"))
}

async fn rows(db: &TestDb, select: &str) -> Vec<QueryResult> {
    let backend = match db.engine {
        Engine::Sqlite => DbBackend::Sqlite,
        Engine::MySql => DbBackend::MySql,
        Engine::Postgres => DbBackend::Postgres,
    };
    let connection = Database::connect(&db.url).await.expect("the database");
    let found = connection.query_all_raw(Statement::from_string(backend, select)).await.expect(select);
    connection.close().await.expect("closes");
    found
}
