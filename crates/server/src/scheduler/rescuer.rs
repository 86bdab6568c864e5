//! Takes over executions whose worker was lost.

use std::time::Duration;

use legwork_runner::TakenUp;

use super::scheduler_loop::{Command, SchedulerHandle};
use crate::app::App;
use crate::store::lease::{Held, Renew};
use crate::store::{ExecutionRecord, StoreError};

/// Looks for leases that were not kept, for ever.
pub async fn rescue(app: App, scheduler: SchedulerHandle) {
    let mut looks = tokio::time::interval(Duration::from_secs(app.config.queue.beat_seconds));
    loop {
        looks.tick().await;
        match rescue_once(&app).await {
            Ok(0) => {}
            Ok(_) => scheduler.tell(Command::Look),
            Err(error) => tracing::warn!(%error, "failed to look for lost runs; trying again"),
        }
    }
}

async fn rescue_once(app: &App) -> Result<usize, StoreError> {
    let expired = app.store.expired_leases(app.clock.now()).await?;
    for lease in &expired {
        app.executor.lose(*lease, "The worker was not heard of for longer than its lease.", true).await;
    }
    Ok(expired.len())
}

/// Cleans up after an earlier process of this node, before anything new is claimed: ends what it left running and
/// decides what becomes of its executions. Gives those that went on without their server.
///
/// # Errors
/// Where the database gives no answer.
pub async fn recover(app: &App) -> Result<Vec<(ExecutionRecord, TakenUp)>, StoreError> {
    let (taken, held) = take_up(app).await?;
    let swept = app.executor.sweep().await;
    let taken_up: Vec<_> = taken.iter().map(|(record, _)| record.home).collect();
    app.executor.remove_credentials(&taken_up).await;
    app.executor.remove_abandoned().await;
    if swept > 0 || !held.is_empty() {
        tracing::warn!(
            processes = swept,
            executions = held.len(),
            "an earlier server of this node ended without cleaning up"
        );
    }
    for held in held {
        app.executor.lose(held.lease, "The server ended while it ran this job.", true).await;
    }
    for lease in app.store.pinned_to(&app.node).await? {
        app.executor.lose(lease, "The server ended before it ran this job.", true).await;
    }
    Ok(taken)
}

/// Takes up what went on; gives that, and what did not.
async fn take_up(app: &App) -> Result<(Vec<(ExecutionRecord, TakenUp)>, Vec<Held>), StoreError> {
    let mut survivors = app.executor.survivors().await;
    let (mut taken, mut lost) = (Vec::new(), Vec::new());
    for held in app.store.held_by(&app.node).await? {
        let record = app.store.execution(held.lease.id).await?.filter(|record| record.fence == held.lease.fence);
        let run = match &record {
            Some(record) => survivors.take_up(&app.node, record).await,
            None => None,
        };
        match (record, run) {
            (Some(record), Some(run)) => taken.push((record, run)),
            _ => lost.push(held),
        }
    }
    survivors.end().await;
    let until = app.clock.now().plus_millis(app.lease_millis());
    app.store.write(Renew { node: app.node.clone(), until }).await?;
    Ok((taken, lost))
}
