//! Tells the runs of this node that there are orders for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use legwork_model::ExecutionId;
use tokio::sync::Notify;

/// One bell for each run. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Bells(Arc<Mutex<HashMap<ExecutionId, Arc<Notify>>>>);

impl Bells {
    /// Says that there are orders for a run; nothing happens where it is not here.
    pub fn ring(&self, id: ExecutionId) {
        if let Some(bell) = self.lock().get(&id) {
            bell.notify_one();
        }
    }

    /// The bell of a run, until that is dropped.
    pub fn hang(&self, id: ExecutionId) -> Bell {
        let bell = Arc::clone(self.lock().entry(id).or_default());
        Bell { bell, id, bells: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Arc<Notify>>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bell of one run.
#[derive(Debug)]
pub struct Bell {
    bell: Arc<Notify>,
    id: ExecutionId,
    bells: Bells,
}

impl Bell {
    /// Whether it has rung since somebody waited for it last.
    pub(super) fn has_rung(&self) -> bool {
        self.bell.notified().now_or_never().is_some()
    }

    /// Waits until it rings.
    pub(super) async fn rings(&self) {
        self.bell.notified().await;
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.bells.lock().remove(&self.id);
    }
}
