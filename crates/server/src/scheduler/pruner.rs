//! Removes what has served its time: run directories and idempotency keys.

use std::time::Duration;

use legwork_model::{ExecutionId, Timestamp};

use crate::app::App;
use crate::store::StoreError;
use crate::store::budgets::{PruneCounters, PruneRefusals};
use crate::store::prune::{PruneIdempotencyKeys, PruneQuotas};
use crate::store::sessions::PruneSessions;

const HOUR: i64 = 3_600_000;
/// No quota looks further back.
const QUOTA_HOURS: u64 = 24;
/// Longer than any period of a budget that ends.
const COUNTER_HOURS: u64 = 40 * 24;
const REFUSAL_HOURS: u64 = 90 * 24;

/// Prunes once an hour, for ever.
pub async fn prune(app: App) {
    let mut rounds = tokio::time::interval(Duration::from_secs(3_600));
    loop {
        rounds.tick().await;
        if let Err(error) = prune_once(&app).await {
            tracing::warn!(%error, "failed to remove old runs; trying again in an hour");
        }
    }
}

async fn prune_once(app: &App) -> Result<(), StoreError> {
    let hours = |hours: u64| i64::try_from(hours).unwrap_or(i64::MAX / HOUR).saturating_mul(HOUR);
    let now = app.clock.now();
    let before = now.plus_millis(-hours(app.config.queue.idempotency_hours));
    app.store.write(PruneIdempotencyKeys { before }).await?;
    app.store.write(PruneQuotas { before: now.plus_millis(-hours(QUOTA_HOURS)) }).await?;

    app.store.write(PruneCounters { before: now.plus_millis(-hours(COUNTER_HOURS)) }).await?;
    app.store.write(PruneRefusals { before: now.plus_millis(-hours(REFUSAL_HOURS)) }).await?;

    for id in app.executor.vault.runs() {
        // Another node may have ended what waited here.
        if app.store.execution(id).await?.is_some_and(|execution| execution.state.is_finished()) {
            app.executor.vault.forget(id);
        }
    }
    let before = now.plus_millis(-hours(app.config.workspaces.keep_hours));
    app.store.write(PruneSessions { before }).await?;
    for id in app.executor.kept_runs().await {
        if is_old(app, id, before).await? {
            app.executor.remove_run(id).await?;
        }
    }
    Ok(())
}

/// Whether nobody used the run directory since `before`. A session that was continued keeps it alive; a directory that
/// the database does not know is left alone.
async fn is_old(app: &App, home: ExecutionId, before: Timestamp) -> Result<bool, StoreError> {
    let owner = app.store.execution(home).await?;
    let users = app.store.users_of_home(home).await?;
    let known = owner.is_some() || !users.is_empty();
    Ok(known && users.iter().chain(&owner).all(|user| user.finished_at.is_some_and(|at| at < before)))
}
