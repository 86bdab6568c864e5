//! What becomes of a run whose worker was lost.

use legwork_model::{EventBody, ExecutionState, FailureReason, Timestamp, Verdict};
use legwork_server::store::append::Lease;
use legwork_server::store::cancel::{Cancel, Cancelled};
use legwork_server::store::claim::Claim;
use legwork_server::store::enqueue::{ClaimAtOnce, Enqueue, NewExecution};
use legwork_server::store::lease::Renew;
use legwork_server::store::lose::{Lose, Lost};
use legwork_server::store::{Durability, NewEvent};

use crate::database::{LEASE_MILLIS, NOW, TestDb, append, assert_applied, lease, lose, on_every_engine, text};

on_every_engine!(
    a_run_that_had_not_begun_waits_again,
    a_run_that_had_begun_is_lost,
    output_that_is_not_in_the_log_counts_as_begun,
    a_run_that_may_be_repeated_is,
    the_second_worker_that_dies_ends_it,
    a_planned_shutdown_does_not_count,
    a_request_to_cancel_wins,
    a_late_append_makes_the_rescuer_look_again,
    a_pinned_job_waits_for_its_node_alone_and_ends_with_it,
);

async fn again(db: &TestDb) -> Lease {
    lease(db.claim(1).await.first().expect("it waits"))
}

async fn failure(db: &TestDb, lease: Lease) -> (FailureReason, String) {
    let outcome = db.record(lease.id).await.outcome.expect("it has ended");
    match outcome.verdict {
        Verdict::Failed(failure) => (failure.reason, failure.message),
        other => panic!("{other:?}"),
    }
}

async fn a_run_that_had_not_begun_waits_again(db: &TestDb) {
    let first = db.running().await;
    let workspace = NewEvent::new(NOW, &EventBody::Workspace { path: "/w".into(), commit: None });
    assert_applied(db.write(append(first, 2, vec![workspace])).await);
    assert_eq!(db.lose(first).await, Lost::Requeued);
    let record = db.record(first.id).await;
    assert_eq!((record.state, record.losses, record.lease_owner), (ExecutionState::Queued, 1, None));
    let later = NOW.plus_millis(5_000);
    let claim = legwork_server::store::claim::Claim { now: later, ..crate::database::claim("default", 1) };
    let second = db.write(claim).await.pop().expect("it waits");
    assert_eq!((second.record.attempt, second.record.fence), (2, first.fence + 1));
    assert_eq!(second.record.started_at, Some(NOW), "it started when it was first taken");
    assert_eq!(db.kinds(first.id).await, ["queued", "claimed", "workspace", "requeued", "claimed"]);
}

async fn a_run_that_had_begun_is_lost(db: &TestDb) {
    let lease = db.running().await;
    assert_applied(db.write(append(lease, 2, vec![text("I have pushed it.")])).await);
    assert_eq!(db.lose(lease).await, Lost::Failed(FailureReason::Lost));
    let (reason, message) = failure(db, lease).await;
    assert_eq!(reason, FailureReason::Lost);
    insta::allow_duplicates! {
        insta::assert_snapshot!(message, @"The worker died. The agent had begun, so the job was not started again by itself; retry it if that is safe.");
    }
    assert_eq!(db.kinds(lease.id).await, ["queued", "claimed", "text", "finished"]);
}

async fn output_that_is_not_in_the_log_counts_as_begun(db: &TestDb) {
    let lease = db.running().await;
    assert_eq!(db.write(Lose { began: true, ..lose(lease) }).await, Lost::Failed(FailureReason::Lost));
}

async fn a_run_that_may_be_repeated_is(db: &TestDb) {
    let mut job = db.job();
    job.retry_when_lost = true;
    let lease = db.running_job(job).await;
    assert_applied(db.write(append(lease, 2, vec![text("half way")])).await);
    assert_eq!(db.write(Lose { began: true, ..lose(lease) }).await, Lost::Requeued);
    assert_eq!(db.record(lease.id).await.state, ExecutionState::Queued);
}

async fn the_second_worker_that_dies_ends_it(db: &TestDb) {
    let mut job = db.job();
    job.retry_when_lost = true;
    let first = db.running_job(job).await;
    assert_eq!(db.lose(first).await, Lost::Requeued);
    let second = again(db).await;
    assert_eq!(db.lose(second).await, Lost::Failed(FailureReason::WorkerCrashed));
    let (reason, message) = failure(db, first).await;
    assert_eq!(reason, FailureReason::WorkerCrashed);
    insta::allow_duplicates! {
        insta::assert_snapshot!(message, @"2 workers in a row died while they ran this job. The worker died.");
    }
}

async fn a_planned_shutdown_does_not_count(db: &TestDb) {
    let mut lease = db.running().await;
    for _ in 0..4 {
        assert_eq!(db.write(Lose { crashed: false, ..lose(lease) }).await, Lost::Requeued);
        lease = again(db).await;
    }
    assert_eq!(db.record(lease.id).await.losses, 0);
}

async fn a_request_to_cancel_wins(db: &TestDb) {
    let lease = db.running().await;
    let cancel = Cancel { id: lease.id, message: "Cancelled by kim.".into(), now: NOW };
    assert_eq!(db.write(cancel).await, Cancelled::Requested);
    assert_eq!(db.lose(lease).await, Lost::Cancelled);
    let record = db.record(lease.id).await;
    assert_eq!(record.state, ExecutionState::Cancelled);
    let verdict = record.outcome.expect("it has ended").verdict;
    assert_eq!(verdict, Verdict::Cancelled { message: "Cancelled by kim.".into() });
}

async fn a_late_append_makes_the_rescuer_look_again(db: &TestDb) {
    // The rescuer and the worker it gave up write at the same moment: whoever is first, the log stays whole.
    for round in 0..20 {
        let lease = db.running().await;
        let at = Timestamp::from_millis(round);
        let lose = Lose { now: at, ..lose(lease) };
        let (_appended, mut lost) = tokio::join!(db.write(append(lease, 2, vec![text("late")])), db.write(lose));
        if lost == Lost::NotOurs {
            lost = db.lose(lease).await;
        }
        let begun = db.kinds(lease.id).await.contains(&"text".to_owned());
        let expected = if begun { Lost::Failed(FailureReason::Lost) } else { Lost::Requeued };
        assert_eq!(lost, expected);
        if lost == Lost::Requeued {
            db.write(Cancel { id: lease.id, message: "done".into(), now: NOW }).await;
        }
    }
}

async fn a_pinned_job_waits_for_its_node_alone_and_ends_with_it(db: &TestDb) {
    let pin = || Some(ClaimAtOnce { node: "node_two".into(), lease_until: NOW.plus_millis(LEASE_MILLIS) });
    let put = async |id_of: &mut Vec<_>| {
        let execution = NewExecution { pinned: true, retry_when_lost: true, ..db.job() };
        id_of.push(execution.id);
        let enqueue = Enqueue {
            execution,
            idempotency: None,
            max_queued: 10,
            claim: None,
            pin: pin(),
            quota: None,
            durability: Durability::Now,
        };
        db.store.enqueue(enqueue).await.expect("an answer");
    };
    let mut ids = Vec::new();
    put(&mut ids).await;
    put(&mut ids).await;
    assert!(db.claim(10).await.is_empty(), "another node has not what it takes");
    let theirs = Claim { node: "node_two".into(), ..crate::database::claim("default", 1) };
    let claimed = db.write(theirs).await.pop().expect("its own node takes it");
    assert_eq!((claimed.record.id, claimed.record.pinned), (ids[0], true));

    // Neither the one that ran nor the one that waits can go on without its node, also before the agent began.
    assert_eq!(db.lose(lease(&claimed)).await, Lost::Failed(FailureReason::Lost));
    db.write(Renew { node: "node_two".into(), until: NOW.plus_millis(60_000) }).await;
    assert_eq!(db.store.expired_leases(NOW.plus_millis(59_000)).await.expect("an answer"), []);
    let expired = db.store.expired_leases(NOW.plus_millis(61_000)).await.expect("an answer");
    assert_eq!(expired, db.store.pinned_to("node_two").await.expect("an answer"));
    assert_eq!(expired, [Lease { id: ids[1], fence: 0 }]);
    assert_eq!(db.lose(expired[0]).await, Lost::Failed(FailureReason::Lost));
    assert_eq!(db.kinds(ids[1]).await, ["queued", "finished"]);
    let (reason, message) = failure(db, expired[0]).await;
    assert_eq!(reason, FailureReason::Lost);
    assert!(
        message.ends_with("It had the job's own credentials, which are nowhere else; submit it again."),
        "{message}"
    );
}
