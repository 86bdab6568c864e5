//! Asking for the end of an execution, at any moment of its life.

use legwork_model::{ExecutionId, ExecutionState, Verdict};
use legwork_server::store::cancel::{Cancel, Cancelled};

use crate::database::{NOW, TestDb, assert_applied, finish, on_every_engine};

on_every_engine!(
    what_waits_ends_and_what_runs_is_asked_to,
    a_cancel_and_a_claim_at_once_have_one_winner,
    a_cancel_and_an_end_at_once_have_one_winner,
    of_many_cancels_one_ends_it,
);

fn cancel(id: ExecutionId) -> Cancel {
    Cancel { id, message: "Cancelled by kim.".into(), now: NOW }
}

async fn what_waits_ends_and_what_runs_is_asked_to(db: &TestDb) {
    let waiting = db.put(db.job()).await;
    assert_eq!(db.write(cancel(waiting)).await, Cancelled::Ended);
    assert_eq!(db.kinds(waiting).await, ["queued", "finished"]);
    let outcome = db.record(waiting).await.outcome.expect("it has ended");
    assert_eq!(outcome.verdict, Verdict::Cancelled { message: "Cancelled by kim.".into() });
    assert_eq!(db.write(cancel(waiting)).await, Cancelled::AlreadyFinished(ExecutionState::Cancelled));

    let running = db.running().await;
    for _ in 0..2 {
        assert_eq!(db.write(cancel(running.id)).await, Cancelled::Requested);
    }
    let record = db.record(running.id).await;
    assert_eq!((record.state, record.last_seq), (ExecutionState::Running, 2));
    assert_eq!(record.cancel_requested.as_deref(), Some("Cancelled by kim."));
    assert_applied(db.write(finish(running, 2)).await);
    assert_eq!(db.write(cancel(running.id)).await, Cancelled::AlreadyFinished(ExecutionState::Succeeded));

    assert_eq!(db.write(cancel(db.job().id)).await, Cancelled::Unknown);
}

async fn a_cancel_and_a_claim_at_once_have_one_winner(db: &TestDb) {
    for _ in 0..40 {
        let id = db.put(db.job()).await;
        let (cancelled, claimed) = tokio::join!(db.write(cancel(id)), db.claim(1));
        let (state, expected) = match claimed.len() {
            0 => (ExecutionState::Cancelled, Cancelled::Ended),
            _ => (ExecutionState::Running, Cancelled::Requested),
        };
        assert_eq!(cancelled, expected);
        assert_eq!(db.record(id).await.state, state);
    }
}

async fn a_cancel_and_an_end_at_once_have_one_winner(db: &TestDb) {
    for _ in 0..40 {
        let lease = db.running().await;
        let (cancelled, finished) = tokio::join!(db.write(cancel(lease.id)), db.write(finish(lease, 2)));
        assert_applied(finished);
        let late = Cancelled::AlreadyFinished(ExecutionState::Succeeded);
        assert!(cancelled == Cancelled::Requested || cancelled == late, "{cancelled:?}");
        assert_eq!(db.kinds(lease.id).await, ["queued", "claimed", "finished"]);
    }
}

async fn of_many_cancels_one_ends_it(db: &TestDb) {
    for _ in 0..10 {
        let id = db.put(db.job()).await;
        let answers = futures::future::join_all((0..8).map(|_| db.write(cancel(id)))).await;
        assert_eq!(answers.iter().filter(|answer| **answer == Cancelled::Ended).count(), 1, "{answers:?}");
        let late = Cancelled::AlreadyFinished(ExecutionState::Cancelled);
        assert_eq!(answers.iter().filter(|answer| **answer == late).count(), 7, "{answers:?}");
    }
}
