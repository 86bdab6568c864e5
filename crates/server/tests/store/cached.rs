//! Finding the run that an equal job need not repeat.

use legwork_model::{EventBody, ExecutionId, FailureReason, Outcome, Timestamp, Verdict};
use legwork_server::store::NewEvent;
use legwork_server::store::finish::Finish;
use legwork_server::store::kept::{Forget, Kept};

use crate::database::{NOW, TestDb, assert_applied, finish, on_every_engine};

on_every_engine!(the_newest_equal_run_is_found, only_a_whole_success_is_found);

/// What a run leaves that equal jobs find by `fingerprint`.
fn kept(fingerprint: &str) -> Kept {
    Kept { output: Some(b"output".to_vec()), patch: Some(Vec::new()), fingerprint: Some(fingerprint.into()) }
}

/// A run that ended so many seconds before [`NOW`].
async fn ended(db: &TestDb, kept: Kept, verdict: Verdict, seconds: i64) -> ExecutionId {
    let lease = db.running().await;
    let outcome = Outcome { result: Some("done".into()), ..Outcome::without_run(verdict) };
    let events = vec![NewEvent::new(NOW, &EventBody::Finished { outcome: outcome.clone() })];
    let now = NOW.plus_millis(-seconds * 1_000);
    assert_applied(db.write(Finish { outcome, kept, now, events, ..finish(lease, 2) }).await);
    lease.id
}

async fn found(db: &TestDb, fingerprint: &str, since: Timestamp) -> Option<ExecutionId> {
    let found = db.store.cached(fingerprint, since).await.expect("an answer");
    found.map(|(record, kept)| {
        assert_eq!((kept.output.as_deref(), kept.patch.as_deref()), (Some(&b"output"[..]), Some(&b""[..])));
        assert_eq!(record.outcome.and_then(|outcome| outcome.result).as_deref(), Some("done"));
        record.id
    })
}

async fn the_newest_equal_run_is_found(db: &TestDb) {
    let (one, other) = ("a".repeat(64), "b".repeat(64));
    let newest = ended(db, kept(&one), Verdict::Succeeded, 60).await;
    ended(db, kept(&one), Verdict::Succeeded, 600).await;
    let else_ended = ended(db, kept(&other), Verdict::Succeeded, 0).await;
    ended(db, Kept { fingerprint: None, ..kept("") }, Verdict::Succeeded, 0).await;
    let since = |seconds: i64| NOW.plus_millis(-seconds * 1_000);
    assert_eq!(found(db, &one, since(3_600)).await, Some(newest));
    assert_eq!(found(db, &one, since(60)).await, Some(newest), "to the last moment");
    assert_eq!(found(db, &one, since(59)).await, None);
    assert_eq!(found(db, &other, since(59)).await, Some(else_ended));
    for strange in ["", "'; --", "%", &"c".repeat(10_000)] {
        assert_eq!(found(db, strange, since(3_600)).await, None, "{strange}");
    }
}

async fn only_a_whole_success_is_found(db: &TestDb) {
    let fingerprint = "a".repeat(64);
    ended(db, kept(&fingerprint), Verdict::failed(FailureReason::AgentError, "no"), 0).await;
    ended(db, kept(&fingerprint), Verdict::Cancelled { message: "enough".into() }, 0).await;
    ended(db, Kept { output: None, ..kept(&fingerprint) }, Verdict::Succeeded, 0).await;
    ended(db, Kept { patch: None, ..kept(&fingerprint) }, Verdict::Succeeded, 0).await;
    assert_eq!(found(db, &fingerprint, NOW).await, None);
    let forgotten = ended(db, kept(&fingerprint), Verdict::Succeeded, 0).await;
    assert_eq!(found(db, &fingerprint, NOW).await, Some(forgotten));
    db.write(Forget { id: forgotten }).await;
    assert_eq!(found(db, &fingerprint, NOW).await, None);
}
