//! Taking jobs from a lane: each once, in order.

use std::collections::BTreeSet;

use futures::future::join_all;
use legwork_model::{EventBody, ExecutionId, ExecutionState, FailureReason, Verdict};
use legwork_server::store::claim::Claim;

use crate::database::{NODE, NOW, TestDb, append, assert_applied, claim, finish, lease, on_every_engine, text};

on_every_engine!(
    a_job_goes_from_the_queue_to_its_end,
    eight_claimers_take_each_of_200_jobs_once,
    the_highest_priority_comes_first_and_then_the_oldest,
    lanes_are_separate,
    a_job_that_can_not_be_read_holds_up_nobody,
);

async fn a_job_that_can_not_be_read_holds_up_nobody(db: &TestDb) {
    let (broken, sound) = (db.put(db.job()).await, db.put(db.job()).await);
    let task = db.record(broken).await.task;
    db.tamper(&format!("UPDATE executions SET task = '{{}}' WHERE id = '{broken}'")).await;
    let claimed: Vec<_> = db.claim(5).await.iter().map(|claimed| claimed.record.id).collect();
    assert_eq!(claimed, [sound]);

    // Readable again, it can be seen how it ended.
    let task = serde_json::to_string(&task).expect("JSON");
    db.tamper(&format!("UPDATE executions SET task = '{task}' WHERE id = '{broken}'")).await;
    let ended = db.record(broken).await;
    let Some(Verdict::Failed(failure)) = ended.outcome.map(|outcome| outcome.verdict) else { panic!("it failed") };
    assert_eq!(failure.reason, FailureReason::Internal);
    assert!(failure.message.contains("can't be read by this version"), "{}", failure.message);
    assert_eq!(db.kinds(broken).await, ["queued", "claimed", "finished"]);
}

async fn a_job_goes_from_the_queue_to_its_end(db: &TestDb) {
    let id = db.put(db.job()).await;
    assert_eq!(db.record(id).await.state, ExecutionState::Queued);

    let claimed = db.claim(5).await.pop().expect("the job");
    assert_eq!((claimed.record.id, claimed.record.attempt, claimed.record.fence), (id, 1, 1));
    assert_eq!(claimed.record.started_at, Some(NOW));
    assert_eq!(claimed.event.seq, 2);
    let event = claimed.event.decode().expect("an event");
    assert_eq!(event.body, EventBody::Claimed { attempt: 1, node: NODE.into() });

    let lease = lease(&claimed);
    assert_applied(db.write(append(lease, 2, vec![text("one"), text("two")])).await);
    assert_applied(db.write(append(lease, 4, vec![text("three")])).await);
    assert_applied(db.write(finish(lease, 5)).await);

    let record = db.record(id).await;
    assert_eq!((record.state, record.last_seq, record.finished_at), (ExecutionState::Succeeded, 6, Some(NOW)));
    assert_eq!(db.kinds(id).await, ["queued", "claimed", "text", "text", "text", "finished"]);
    let from_the_middle = db.store.events_after(id, 3, 2).await.expect("events");
    assert_eq!(from_the_middle.iter().map(|event| event.seq).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(from_the_middle[0].data.get(), r#"{"text":"two"}"#);
    assert!(db.claim(5).await.is_empty(), "what has ended is not claimed again");
}

async fn eight_claimers_take_each_of_200_jobs_once(db: &TestDb) {
    let mut waiting = BTreeSet::new();
    for _ in 0..200 {
        waiting.insert(db.put(db.job()).await);
    }
    let taken = join_all((0..8).map(|number| claim_until_empty(db, format!("node_{number}")))).await;
    let all: Vec<_> = taken.into_iter().flatten().collect();
    assert_eq!(all.len(), 200);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), waiting);
    for id in waiting {
        assert_eq!(db.kinds(id).await, ["queued", "claimed"]);
    }
}

/// Takes three jobs at a time until none waits. A claim may come home empty because others were faster.
async fn claim_until_empty(db: &TestDb, node: String) -> Vec<ExecutionId> {
    let mut taken = Vec::new();
    while db.store.count(ExecutionState::Queued).await.expect("a count") > 0 {
        let claimed = db.write(Claim { node: node.clone(), ..claim("default", 3) }).await;
        assert!(claimed.iter().all(|claimed| claimed.record.lease_owner.as_ref() == Some(&node)));
        taken.extend(claimed.iter().map(|claimed| claimed.record.id));
    }
    taken
}

async fn the_highest_priority_comes_first_and_then_the_oldest(db: &TestDb) {
    let mut jobs = Vec::new();
    for priority in [0, 5, -100, 5, 0, 100] {
        let mut job = db.job();
        job.priority = priority;
        jobs.push(db.put(job).await);
    }
    let mut order = Vec::new();
    loop {
        let claimed = db.claim(2).await;
        if claimed.is_empty() {
            break;
        }
        order.extend(claimed.iter().map(|claimed| claimed.record.id));
    }
    assert_eq!(order, [5, 1, 3, 0, 4, 2].map(|index: usize| jobs[index]));
}

async fn lanes_are_separate(db: &TestDb) {
    let mut slow = db.job();
    slow.lane = "slow".into();
    let slow = db.put(slow).await;
    let default = db.put(db.job()).await;
    let taken = |claimed: Vec<legwork_server::store::claim::Claimed>| {
        claimed.iter().map(|claimed| claimed.record.id).collect::<Vec<_>>()
    };
    assert_eq!(taken(db.write(claim("fast", 9)).await), []);
    assert_eq!(taken(db.write(claim("slow", 9)).await), [slow]);
    assert_eq!(taken(db.write(claim("default", 9)).await), [default]);
}
