//! Calls that somebody is asked about: each is decided once.

use legwork_model::{ExecutionId, Risk};
use legwork_server::store::approvals::{Approval, ApprovalState, Ask, Decide, Expire};
use serde_json::json;

use crate::database::{NOW, TestDb, on_every_engine};

on_every_engine!(
    a_question_is_decided_once_and_found_afterwards,
    nobody_decides_what_has_expired,
    the_newest_question_by_a_name_is_found,
);

fn question(id: &str, execution_id: ExecutionId) -> Approval {
    Approval {
        id: id.into(),
        execution_id,
        request: "request-1".into(),
        tool: "Bash".into(),
        input: json!({ "command": "ls" }),
        risk: Risk::Execute,
        digest: "0123".into(),
        state: ApprovalState::Pending,
        created_at: NOW,
        expires_at: NOW.plus_millis(60_000),
        decided_at: None,
        decided_by: None,
    }
}

fn decision(approval: &Approval, allowed: bool) -> Decide {
    let (approval, by) = (approval.clone(), Some("key_kim".into()));
    Decide { approval, allowed, reason: String::new(), by, now: NOW.plus_millis(1_000) }
}

async fn asked(db: &TestDb, question: &Approval) -> Option<(String, ApprovalState)> {
    let found = db.store.approval_of(question.execution_id, &question.request).await.expect("an answer");
    found.map(|found| (found.id, found.state))
}

async fn a_question_is_decided_once_and_found_afterwards(db: &TestDb) {
    let question = question("apr_1", db.running().await.id);
    assert_eq!(asked(db, &question).await, None);
    db.write(Ask(question.clone())).await;
    assert!(db.write(decision(&question, true)).await);
    assert!(!db.write(decision(&question, false)).await, "it is decided");
    assert!(
        !db.write(Expire { id: question.id.clone(), now: NOW.plus_millis(70_000) }).await,
        "it was decided in time"
    );
    // Whoever takes the run up finds it by the agent's name for it, so that the decision on its way reaches the agent.
    assert_eq!(asked(db, &question).await, Some(("apr_1".into(), ApprovalState::Allowed)));
    let orders = db.store.orders_after(question.execution_id, 0).await.expect("an answer");
    assert_eq!(orders.len(), 1, "{orders:?}");
}

async fn nobody_decides_what_has_expired(db: &TestDb) {
    let question = question("apr_1", db.running().await.id);
    db.write(Ask(question.clone())).await;
    assert!(!db.write(Decide { now: NOW.plus_millis(60_000), ..decision(&question, true) }).await, "it is too late");
    assert!(db.write(Expire { id: question.id.clone(), now: NOW.plus_millis(60_000) }).await);
    assert_eq!(asked(db, &question).await, Some(("apr_1".into(), ApprovalState::Expired)));
    assert_eq!(db.store.orders_after(question.execution_id, 0).await.expect("an answer").len(), 0);
}

async fn the_newest_question_by_a_name_is_found(db: &TestDb) {
    let first = question("apr_1", db.running().await.id);
    let second = Approval { id: "apr_2".into(), created_at: NOW.plus_millis(5), ..first.clone() };
    for question in [&first, &second] {
        db.write(Ask(question.clone())).await;
    }
    assert_eq!(asked(db, &first).await, Some(("apr_2".into(), ApprovalState::Pending)));
    let other = Approval { request: "request-2".into(), ..first };
    assert_eq!(asked(db, &other).await, None);
}
