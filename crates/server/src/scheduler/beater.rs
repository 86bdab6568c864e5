//! Keeps this node's leases alive and learns which it lost.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::scheduler_loop::{Command, SchedulerHandle};
use crate::app::App;
use crate::store::StoreError;
use crate::store::lease::{Held, Renew};

/// Renews leases with every beat, for ever. In between, a shared database is asked once a second whether somebody wants
/// a run of this node cancelled.
pub async fn beat(app: App, scheduler: SchedulerHandle) {
    let seconds = app.config.queue.beat_seconds;
    let (looks_of_a_beat, pause) = if app.store.is_shared() { (seconds.max(1), 1) } else { (1, seconds) };
    let mut looks = tokio::time::interval(Duration::from_secs(pause));
    // The scheduler acts on what two looks agree on, so they must not follow on each other's heels.
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for look in 0_u64.. {
        looks.tick().await;
        match look_at(&app, look % looks_of_a_beat == 0).await {
            Ok(held) => scheduler.tell(Command::Held(held)),
            Err(error) => tracing::warn!(%error, "failed to renew leases; trying again"),
        }
    }
}

/// What this node holds, its leases renewed before where that is due.
async fn look_at(app: &App, due: bool) -> Result<Vec<Held>, StoreError> {
    if due {
        let until = app.clock.now().plus_millis(app.lease_millis());
        app.store.write(Renew { node: app.node.clone(), until }).await?;
    }
    app.store.held_by(&app.node).await
}
