//! Where the container of one name is, and whose turn it is to work there.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use super::Holder;

/// The place of one name, where there may be a container.
#[derive(Debug, Default)]
pub(super) struct Place {
    holder: Arc<Mutex<Option<Holder>>>,
    /// How many wait for their turn.
    waiting: watch::Sender<usize>,
    /// How many jobs are done there.
    jobs: AtomicU64,
}

/// The right to work in the container of a place, and to replace it.
#[derive(Debug)]
pub(super) struct Turn {
    holder: OwnedMutexGuard<Option<Holder>>,
    pub(super) place: Arc<Place>,
}

/// Somebody who waits for a turn.
struct Waiter<'a>(&'a Place);

impl Place {
    /// Waits for the end of all earlier turns.
    pub(super) async fn turn(self: &Arc<Self>) -> Turn {
        let _waiter = Waiter::new(self);
        Turn { holder: Arc::clone(&self.holder).lock_owned().await, place: Arc::clone(self) }
    }

    /// A turn, where nobody has one.
    pub(super) fn turn_now(self: &Arc<Self>) -> Option<Turn> {
        let holder = Arc::clone(&self.holder).try_lock_owned().ok()?;
        Some(Turn { holder, place: Arc::clone(self) })
    }

    /// Whether nobody has a turn or waits for one.
    pub(super) fn is_free(&self) -> bool {
        *self.waiting.borrow() == 0 && self.holder.try_lock().is_ok()
    }

    /// How many jobs are done there.
    pub(super) fn jobs(&self) -> u64 {
        self.jobs.load(Ordering::Relaxed)
    }

    /// One more is. Gives how many that makes.
    pub(super) fn job_done(&self) -> u64 {
        self.jobs.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether there is no container, and nobody works on that.
    pub(super) fn is_empty(&self) -> bool {
        self.holder.try_lock().is_ok_and(|holder| holder.is_none())
    }

    /// Waits until somebody waits for a turn.
    pub(super) async fn is_wanted(&self) {
        // The sender is this place's own, so it does not end.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await;
    }
}

impl<'a> Waiter<'a> {
    fn new(place: &'a Place) -> Self {
        place.waiting.send_modify(|waiting| *waiting += 1);
        Self(place)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

impl Deref for Turn {
    type Target = Option<Holder>;

    fn deref(&self) -> &Self::Target {
        &self.holder
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.holder
    }
}
