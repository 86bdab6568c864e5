//! Jobs that end with their client.

use std::time::Duration;

use legwork_model::ExecutionId;

use super::Doors;
use crate::admission;
use crate::store::StoreError;
use crate::store::cancel::Cancelled;

/// How often to look for a job that is not on record yet, and how long to wait in between.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// A client that waits for its job. When it goes away before the end, the job is cancelled.
pub(super) struct Client {
    pub(super) id: ExecutionId,
    doors: Option<Doors>,
}

impl Client {
    pub(super) fn new(doors: Doors, id: ExecutionId) -> Self {
        Self { id, doors: Some(doors) }
    }

    /// The job has ended: going away is nothing special any more.
    pub(super) fn answered(&mut self) {
        self.doors = None;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let (Some(doors), id) = (self.doors.take(), self.id) else { return };
        tokio::spawn(async move {
            for _ in 0..TRIES {
                match cancel(&doors, id).await {
                    // It went away while its job was being put on record.
                    Ok(Cancelled::Unknown) => tokio::time::sleep(PAUSE).await,
                    Ok(_) => return,
                    Err(error) => {
                        tracing::warn!(execution = %id, %error, "failed to cancel a job whose client went away");
                        return;
                    }
                }
            }
        });
    }
}

async fn cancel(doors: &Doors, id: ExecutionId) -> Result<Cancelled, StoreError> {
    let message = "Cancelled: its client went away.".to_owned();
    admission::cancel(&doors.app, &doors.scheduler, id, message).await
}
