//! A worker that was given up changes nothing any more.

use legwork_model::{ExecutionState, Outcome, Verdict};
use legwork_server::store::append::{Append, Fenced, Lease};
use legwork_server::store::lose::Lost;

use crate::database::{TestDb, append, assert_applied, finish, lose, on_every_engine, text};

on_every_engine!(
    an_old_fence_changes_nothing,
    a_finished_execution_takes_nothing_more,
    a_fence_that_was_never_given_is_refused,
    a_session_is_on_record_as_soon_as_it_is_told,
    what_was_committed_without_an_answer_can_be_said_again,
);

async fn an_old_fence_changes_nothing(db: &TestDb) {
    let old = db.running().await;
    assert_eq!(db.lose(old).await, Lost::Requeued);
    for state in [ExecutionState::Queued, ExecutionState::Running] {
        if state == ExecutionState::Running {
            assert_eq!(db.claim(1).await.len(), 1);
        }
        let before = db.record(old.id).await;
        assert_eq!(before.state, state);
        let late = Append { session_id: Some("late".into()), ..append(old, before.last_seq, vec![text("late")]) };
        assert_eq!(db.write(late).await, Fenced::LeaseLost);
        assert_eq!(db.write(finish(old, before.last_seq)).await, Fenced::LeaseLost);
        assert_eq!(db.write(lose(old)).await, Lost::NotOurs);
        let after = db.record(old.id).await;
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
    }
    assert_eq!(db.kinds(old.id).await, ["queued", "claimed", "requeued", "claimed"]);
}

async fn a_finished_execution_takes_nothing_more(db: &TestDb) {
    let lease = db.running().await;
    assert_applied(db.write(finish(lease, 2)).await);
    let failed = Outcome::without_run(Verdict::Cancelled { message: "too late".into() });
    let mut again = finish(lease, 3);
    again.outcome = failed;
    assert_eq!(db.write(again).await, Fenced::LeaseLost);
    assert_eq!(db.write(append(lease, 3, vec![text("late")])).await, Fenced::LeaseLost);
    assert_eq!(db.lose(lease).await, Lost::NotOurs);
    assert_eq!(db.record(lease.id).await.state, ExecutionState::Succeeded);
}

async fn a_fence_that_was_never_given_is_refused(db: &TestDb) {
    let lease = db.running().await;
    for fence in [0, lease.fence + 1, i64::MAX] {
        let made_up = Lease { fence, ..lease };
        assert_eq!(db.write(append(made_up, 2, vec![text("x")])).await, Fenced::LeaseLost, "{fence}");
    }
    let nobodys = Lease { id: db.job().id, fence: 1 };
    assert_eq!(db.write(finish(nobodys, 0)).await, Fenced::LeaseLost);
}

async fn a_session_is_on_record_as_soon_as_it_is_told(db: &TestDb) {
    let first = db.running().await;
    let told = Append { session_id: Some("s-1".into()), ..append(first, 2, vec![text("hi")]) };
    assert_applied(db.write(told).await);
    assert_applied(db.write(finish(first, 3)).await);
    let mut second = db.job();
    second.home = first.id;
    let second = db.running_job(second).await;
    let told = Append { session_id: Some("s-1".into()), ..append(second, 2, Vec::new()) };
    assert_applied(db.write(told).await);
    let newest = db.store.session("claude-code", "s-1").await.expect("an answer").expect("the session");
    assert_eq!((newest.id, newest.home), (second.id, first.id));
    assert!(db.store.session("other", "s-1").await.expect("an answer").is_none());
    assert!(db.store.session("claude-code", "S-1").await.expect("an answer").is_none());
    let users = db.store.users_of_home(first.id).await.expect("an answer");
    assert_eq!(users.iter().map(|user| user.id).collect::<Vec<_>>(), [second.id, first.id]);
}

async fn what_was_committed_without_an_answer_can_be_said_again(db: &TestDb) {
    let lease = db.running().await;
    for _ in 0..2 {
        assert_applied(db.write(append(lease, 2, vec![text("once")])).await);
    }
    for _ in 0..2 {
        assert_applied(db.write(finish(lease, 3)).await);
    }
    assert_eq!(db.kinds(lease.id).await, ["queued", "claimed", "text", "finished"]);
}
