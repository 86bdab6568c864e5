//! Takes over executions whose worker was lost.

use std::time::Duration;

use super::scheduler_loop::{Command, SchedulerHandle};
use crate::app::App;
use crate::store::StoreError;

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
/// decides what becomes of its executions.
///
/// # Errors
/// Where the database gives no answer.
pub async fn recover(app: &App) -> Result<(), StoreError> {
    let swept = app.executor.sweep().await;
    app.executor.remove_credentials().await;
    app.executor.remove_abandoned().await;
    let held = app.store.held_by(&app.node).await?;
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
    Ok(())
}
