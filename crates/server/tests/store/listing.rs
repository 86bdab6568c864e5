//! Finding executions again.

use legwork_model::{ExecutionId, ExecutionState};
use legwork_server::store::cancel::Cancel;
use legwork_server::store::executions::Filter;

use crate::database::{NOW, TestDb, append, assert_applied, on_every_engine};

on_every_engine!(
    each_filter_alone_and_together,
    pages_go_through_all_from_the_newest,
    what_no_database_knows_is_not_found
);

async fn ids(db: &TestDb, filter: &Filter, limit: u64) -> Vec<ExecutionId> {
    let records = db.store.executions(filter, limit).await.expect("executions");
    records.into_iter().map(|record| record.id).collect()
}

async fn each_filter_alone_and_together(db: &TestDb) {
    let mut jobs = Vec::new();
    for (agent, lane, at) in
        [("claude-code", "default", 0), ("codex", "default", 10), ("claude-code", "slow", 20), ("codex", "slow", 30)]
    {
        let mut job = db.job();
        job.task.agent = agent.into();
        job.lane = lane.into();
        job.at = NOW.plus_millis(at);
        jobs.push(db.put(job).await);
    }
    db.write(Cancel { id: jobs[1], message: "x".into(), now: NOW }).await;
    let running = db.claim(1).await.pop().expect("the first");
    let lease = crate::database::lease(&running);
    let told = legwork_server::store::append::Append { session_id: Some("s".into()), ..append(lease, 2, Vec::new()) };
    assert_applied(db.write(told).await);

    let any = Filter::default;
    let text = |text: &str| Some(text.to_owned());
    let since = Some(NOW.plus_millis(10));
    let until = Some(NOW.plus_millis(30));
    let table: [(Filter, &[usize]); 13] = [
        (any(), &[3, 2, 1, 0]),
        (Filter { state: Some(ExecutionState::Queued), ..any() }, &[3, 2]),
        (Filter { state: Some(ExecutionState::Cancelled), ..any() }, &[1]),
        (Filter { state: Some(ExecutionState::Succeeded), ..any() }, &[]),
        (Filter { agent: text("codex"), ..any() }, &[3, 1]),
        (Filter { agent: text("Codex"), ..any() }, &[]),
        (Filter { lane: text("slow"), ..any() }, &[3, 2]),
        (Filter { session_id: text("s"), ..any() }, &[0]),
        (Filter { since, ..any() }, &[3, 2, 1]),
        (Filter { until, ..any() }, &[2, 1, 0]),
        (Filter { since, until, ..any() }, &[2, 1]),
        (Filter { before: Some(jobs[2]), ..any() }, &[1, 0]),
        (Filter { agent: text("codex"), lane: text("slow"), since, before: Some(jobs[3]), ..any() }, &[]),
    ];
    for (filter, expected) in table {
        let expected: Vec<_> = expected.iter().map(|index| jobs[*index]).collect();
        assert_eq!(ids(db, &filter, 50).await, expected, "{filter:?}");
    }
}

async fn pages_go_through_all_from_the_newest(db: &TestDb) {
    let mut all = Vec::new();
    for _ in 0..25 {
        all.push(db.put(db.job()).await);
    }
    all.reverse();
    let mut read = Vec::new();
    let mut filter = Filter::default();
    loop {
        let page = ids(db, &filter, 10).await;
        let Some(last) = page.last() else { break };
        filter.before = Some(*last);
        // What comes in meanwhile is newer than every page.
        db.put(db.job()).await;
        read.extend(page);
    }
    assert_eq!(read, all);
}

async fn what_no_database_knows_is_not_found(db: &TestDb) {
    assert!(db.store.execution(db.job().id).await.expect("an answer").is_none());
    assert!(db.events(db.job().id).await.is_empty());
    for strange in ["'; DROP TABLE executions; --", "%", "_", "\\", "\u{10ffff}", &"x".repeat(10_000)] {
        let filter = Filter { agent: Some(strange.into()), session_id: Some(strange.into()), ..Filter::default() };
        assert_eq!(ids(db, &filter, 1).await, [], "{strange:?}");
        assert!(db.store.session("claude-code", strange).await.expect("an answer").is_none(), "{strange:?}");
    }
}
