//! Jobs that end with their client.

use legwork_model::ExecutionId;

use super::Doors;
use crate::admission;

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
            let message = "Cancelled: its client went away.".to_owned();
            if let Err(error) = admission::cancel(&doors.app, &doors.scheduler, id, message).await {
                tracing::warn!(execution = %id, %error, "failed to cancel a job whose client went away");
            }
        });
    }
}
