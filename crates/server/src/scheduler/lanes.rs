//! The slots of each lane: as many executions of a lane run at once on this node as it has slots.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::LaneSettings;

/// The slots of one node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lanes(Arc<BTreeMap<String, Arc<Semaphore>>>);

/// The right to run one execution of a lane; given back when dropped.
pub type Slot = OwnedSemaphorePermit;

impl Lanes {
    /// All slots, none of them taken.
    pub fn new(settings: &BTreeMap<String, LaneSettings>) -> Self {
        let slots =
            |lane: &LaneSettings| Arc::new(Semaphore::new(usize::try_from(lane.concurrency).unwrap_or(usize::MAX)));
        Self(Arc::new(settings.iter().map(|(name, lane)| (name.clone(), slots(lane))).collect()))
    }

    /// A slot of the lane, if one is free.
    pub fn take(&self, lane: &str) -> Option<Slot> {
        Arc::clone(self.0.get(lane)?).try_acquire_owned().ok()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }
}
