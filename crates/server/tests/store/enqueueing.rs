//! Putting jobs on record: once per idempotency key, as many as may wait, one at a time in a session.

use futures::future::join_all;
use legwork_model::{ExecutionState, Timestamp};
use legwork_server::store::cancel::Cancel;
use legwork_server::store::enqueue::{ClaimAtOnce, Enqueue, Enqueued, Idempotency, NewExecution};
use legwork_server::store::prune::{PruneIdempotencyKeys, PruneQuotas};
use legwork_server::store::quota::{Quota, QuotaLeft};
use legwork_server::store::{Durability, StoreError};

use crate::database::{
    Answer, Engine, LEASE_MILLIS, NODE, NOW, TestDb, append, assert_applied, finish, lease, on_every_engine, text,
};

on_every_engine!(
    of_fifty_requests_with_one_key_one_is_new,
    a_key_is_good_for_one_request_of_one_caller,
    a_forgotten_key_can_be_used_again,
    a_full_queue_takes_no_more,
    a_quota_takes_exactly_as_many_as_it_may,
    what_the_database_never_takes_is_no_matter_of_trying_again,
    fifty_at_once_do_not_overfill_the_queue,
    a_session_takes_one_job_at_a_time,
    a_node_with_a_free_slot_gets_the_job_at_once,
    whoever_waits_in_the_lane_comes_first,
    of_fifty_at_once_each_is_claimed_or_waits,
);

/// How many connections a pool has: on a shared server so many submissions can each see the last free place.
const AT_ONCE: u64 = 16;

fn key(key: &str) -> Option<Idempotency> {
    Some(Idempotency { scope: "local".into(), key: key.into(), fingerprint: "f".repeat(64), fresh: false })
}

async fn queued(db: &TestDb) -> u64 {
    db.store.count(ExecutionState::Queued).await.expect("a count")
}

async fn of_fifty_requests_with_one_key_one_is_new(db: &TestDb) {
    let jobs: Vec<_> = (0..50).map(|_| db.job()).collect();
    let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
    let answers = join_all(jobs.into_iter().map(|job| db.enqueue(job, key("k"), 1_000))).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("an answer")).collect();
    let winners: Vec<_> = (0..50).filter(|index| answers[*index] == Answer::Waiting).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    let replayed = Answer::Replayed(ids[winners[0]]);
    assert_eq!(answers.iter().filter(|answer| **answer == replayed).count(), 49, "{answers:?}");
    assert_eq!(queued(db).await, 1);
}

async fn a_key_is_good_for_one_request_of_one_caller(db: &TestDb) {
    let first = db.job();
    let id = first.id;
    assert_eq!(db.enqueue(first, key("k"), 9).await.expect("an answer"), Answer::Waiting);
    let other_request = key("k").map(|key| Idempotency { fingerprint: "0".repeat(64), ..key });
    let other_caller = key("k").map(|key| Idempotency { scope: "key_other".into(), ..key });
    let taken_for_new = key("k").map(|key| Idempotency { fresh: true, ..key });
    for (key, expected) in [
        (taken_for_new, Answer::Replayed(id)),
        (other_request, Answer::KeyReused),
        (key("k"), Answer::Replayed(id)),
        (other_caller, Answer::Waiting),
        (key("K"), Answer::Waiting),
    ] {
        assert_eq!(db.enqueue(db.job(), key.clone(), 9).await.expect("an answer"), expected, "{key:?}");
    }
    // A replay is an answer, not a job: also when the queue is full and when the job has ended.
    assert_eq!(db.enqueue(db.job(), key("k"), 1).await.expect("an answer"), Answer::Replayed(id));
    db.write(Cancel { id, message: "done".into(), now: NOW }).await;
    assert_eq!(db.enqueue(db.job(), key("k"), 9).await.expect("an answer"), Answer::Replayed(id));
    assert_eq!(queued(db).await, 2);
}

async fn a_forgotten_key_can_be_used_again(db: &TestDb) {
    for name in ["one", "two"] {
        db.enqueue(db.job(), key(name), 9).await.expect("an answer");
    }
    let mut young = db.job();
    young.at = NOW.plus_millis(1);
    db.enqueue(young, key("young"), 9).await.expect("an answer");
    assert_eq!(db.write(PruneIdempotencyKeys { before: NOW }).await, 0);
    assert_eq!(db.write(PruneIdempotencyKeys { before: NOW.plus_millis(1) }).await, 2);
    assert_eq!(db.enqueue(db.job(), key("one"), 9).await.expect("an answer"), Answer::Waiting);
    let young = db.enqueue(db.job(), key("young"), 9).await.expect("an answer");
    assert!(matches!(young, Answer::Replayed(_)), "{young:?}");
}

async fn a_full_queue_takes_no_more(db: &TestDb) {
    for _ in 0..3 {
        assert_eq!(db.enqueue(db.job(), None, 3).await.expect("an answer"), Answer::Waiting);
    }
    let refused = db.job();
    let id = refused.id;
    assert_eq!(db.enqueue(refused, key("k"), 3).await.expect("an answer"), Answer::QueueFull);
    assert!(db.store.execution(id).await.expect("an answer").is_none());
    assert_eq!(db.enqueue(db.job(), None, 0).await.expect("an answer"), Answer::QueueFull);
    assert_eq!(db.claim(1).await.len(), 1, "what runs does not wait");
    assert_eq!(db.enqueue(db.job(), key("k"), 3).await.expect("an answer"), Answer::Waiting);
}

async fn fifty_at_once_do_not_overfill_the_queue(db: &TestDb) {
    let answers = join_all((0..50).map(|_| db.enqueue(db.job(), None, 10))).await;
    let new = answers.into_iter().filter(|answer| matches!(answer, Ok(Answer::Waiting))).count() as u64;
    assert_eq!(queued(db).await, new);
    let most = if db.engine == Engine::Sqlite { 10 } else { 10 + AT_ONCE - 1 };
    assert!((10..=most).contains(&new), "{new}");
}

async fn a_session_takes_one_job_at_a_time(db: &TestDb) {
    let first = db.running().await;
    assert_applied(db.write(finish(first, 2)).await);
    let follow_up = || {
        let mut job = db.job();
        job.home = first.id;
        job
    };
    let second = db.running_job(follow_up()).await;
    assert_eq!(db.enqueue(follow_up(), None, 9).await.expect("an answer"), Answer::SessionBusy);
    assert_applied(db.write(finish(second, 2)).await);
    assert_eq!(db.enqueue(follow_up(), None, 9).await.expect("an answer"), Answer::Waiting);
    assert_eq!(db.enqueue(follow_up(), None, 9).await.expect("an answer"), Answer::SessionBusy);
}

/// Puts a job on record for a node that has a free slot.
async fn enqueue_here(db: &TestDb, execution: NewExecution, max_queued: u64) -> Enqueued {
    let claim = Some(ClaimAtOnce { node: NODE.into(), lease_until: NOW.plus_millis(LEASE_MILLIS) });
    let enqueue = Enqueue {
        execution,
        idempotency: key("k"),
        max_queued,
        claim,
        pin: None,
        quota: None,
        durability: Durability::Now,
    };
    db.store.enqueue(enqueue).await.expect("an answer")
}

async fn a_node_with_a_free_slot_gets_the_job_at_once(db: &TestDb) {
    let job = db.job();
    let id = job.id;
    let Enqueued::Claimed(claimed) = enqueue_here(db, job, 1).await else { panic!("nobody else waits") };
    assert_eq!((claimed.record.id, claimed.record.attempt, claimed.record.fence), (id, 1, 1));
    assert_eq!((claimed.event.seq, claimed.event.kind.as_str()), (2, "claimed"));
    let on_record = db.record(id).await;
    assert_eq!(format!("{:?}", claimed.record), format!("{on_record:?}"));
    assert_eq!(db.store.expired_leases(NOW.plus_millis(LEASE_MILLIS + 1)).await.expect("leases"), [lease(&claimed)]);
    assert!(db.claim(9).await.is_empty(), "it is taken");
    assert_eq!(Answer::of(&enqueue_here(db, db.job(), 1).await), Answer::Replayed(id));

    assert_applied(db.write(append(lease(&claimed), 2, vec![text("hi")])).await);
    assert_applied(db.write(finish(lease(&claimed), 3)).await);
    assert_eq!(db.kinds(id).await, ["queued", "claimed", "text", "finished"]);
}

async fn whoever_waits_in_the_lane_comes_first(db: &TestDb) {
    let mut elsewhere = db.job();
    elsewhere.lane = "slow".into();
    db.put(elsewhere).await;
    let mut first = db.job();
    first.priority = -100;
    db.put(first).await;
    assert_eq!(Answer::of(&enqueue_here(db, db.job(), 2).await), Answer::QueueFull);
    assert_eq!(Answer::of(&enqueue_here(db, db.job(), 3).await), Answer::Waiting);
    assert_eq!(db.claim(9).await.len(), 2);
    db.write(PruneIdempotencyKeys { before: NOW.plus_millis(1) }).await;
    let next = db.job();
    let id = next.id;
    assert_eq!(
        Answer::of(&enqueue_here(db, next, 0).await),
        Answer::Claimed(id),
        "a full queue is none of its business"
    );
}

async fn of_fifty_at_once_each_is_claimed_or_waits(db: &TestDb) {
    let enqueue = |number: u32| {
        let claim = ClaimAtOnce { node: NODE.into(), lease_until: NOW.plus_millis(LEASE_MILLIS) };
        let claim = number.is_multiple_of(2).then_some(claim);
        db.store.enqueue(Enqueue {
            execution: db.job(),
            idempotency: None,
            max_queued: 1_000,
            claim,
            pin: None,
            quota: None,
            durability: Durability::Now,
        })
    };
    let answers = join_all((0..50).map(enqueue)).await;
    let answers: Vec<_> = answers.iter().map(|answer| Answer::of(answer.as_ref().expect("an answer"))).collect();
    let waiting = answers.iter().filter(|answer| **answer == Answer::Waiting).count();
    let claimed = answers.iter().filter(|answer| matches!(answer, Answer::Claimed(_))).count();
    assert_eq!(waiting + claimed, 50, "{answers:?}");
    assert_eq!(db.store.held_by(NODE).await.expect("leases").len(), claimed);
    assert_eq!(db.claim(100).await.len(), waiting);
}

async fn what_the_database_never_takes_is_no_matter_of_trying_again(db: &TestDb) {
    let job = db.job();
    db.put(job.clone()).await;
    let again = db.enqueue(job, None, u64::MAX).await;
    assert!(matches!(again, Err(StoreError::Rejected(_))), "{again:?}");
    let too_long = NewExecution { lane: "x".repeat(1000), ..db.job() };
    let answer = db.enqueue(too_long, None, u64::MAX).await;
    // SQLite does not mind.
    let rejected = matches!(answer, Err(StoreError::Rejected(_)));
    assert!(rejected || db.engine == Engine::Sqlite, "{answer:?}");
}

async fn a_quota_takes_exactly_as_many_as_it_may(db: &TestDb) {
    let quota = Quota { scope: "door".into(), limit: 100, window_millis: 3_600_000 };
    let submit = async |at: Timestamp| {
        let execution = NewExecution { at, ..db.job() };
        let quota = Some(quota.clone());
        let enqueue = Enqueue {
            execution,
            idempotency: None,
            max_queued: 1_000,
            claim: None,
            pin: None,
            quota,
            durability: Durability::Now,
        };
        Answer::of(&db.store.enqueue(enqueue).await.expect("an answer"))
    };
    let answers = join_all((0..200).map(|_| submit(NOW))).await;
    let taken = answers.iter().filter(|answer| **answer == Answer::Waiting).count();
    let refused = Answer::QuotaReached(NOW.plus_millis(3_600_000));
    assert_eq!((taken, answers.iter().filter(|answer| **answer == refused).count()), (100, 100));
    assert_eq!(db.store.count(ExecutionState::Queued).await.expect("a count"), 100, "what is refused is not recorded");

    // It rolls: each place comes free an hour after it was taken, and not before.
    let later = NOW.plus_millis(3_599_999);
    assert_eq!(submit(later).await, refused);
    let left = db.store.quota_left(&quota, NOW.plus_millis(3_600_000)).await.expect("an answer");
    assert_eq!(left, QuotaLeft { remaining: 100, next_at: None });
    assert_eq!(submit(NOW.plus_millis(3_600_000)).await, Answer::Waiting);
    let left = db.store.quota_left(&quota, NOW.plus_millis(3_600_000)).await.expect("an answer");
    assert_eq!(left, QuotaLeft { remaining: 99, next_at: Some(NOW.plus_millis(7_200_000)) });

    db.write(PruneQuotas { before: NOW.plus_millis(3_600_001) }).await;
    let left = db.store.quota_left(&quota, NOW.plus_millis(3_600_000)).await.expect("an answer");
    assert_eq!(left, QuotaLeft { remaining: 100, next_at: None });
}
