//! Stopping what was admitted.

use legwork_model::ExecutionId;
use legwork_runner::StopReason;

use crate::app::App;
use crate::events::Signal;
use crate::scheduler::{Command, SchedulerHandle};
use crate::store::StoreError;
use crate::store::cancel::{Cancel, Cancelled};

/// Cancels an execution: one that waits ends at once, one that runs is stopped and ends within seconds. `message` says
/// who wanted it.
///
/// # Errors
/// Where the database does not take it.
pub async fn cancel(
    app: &App,
    scheduler: &SchedulerHandle,
    id: ExecutionId,
    message: String,
) -> Result<Cancelled, StoreError> {
    let cancelled = app.store.write(Cancel { id, message: message.clone(), now: app.clock.now() }).await?;
    match cancelled {
        Cancelled::Ended => {
            app.executor.count_cancelled();
            app.executor.vault.forget(id);
            app.hub.publish(id, || Signal::Changed);
        }
        Cancelled::Requested => scheduler.tell(Command::Stop(id, StopReason::Cancelled { message })),
        Cancelled::AlreadyFinished(_) | Cancelled::Unknown => {}
    }
    Ok(cancelled)
}
