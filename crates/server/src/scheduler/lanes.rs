//! The slots of each lane: as many executions of a lane run at once on this node as it has slots.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::LaneSettings;

/// The slots of one node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lanes {
    lanes: Arc<BTreeMap<String, Arc<Semaphore>>>,
    /// The one slot of a node that does one job in its life.
    only: Option<Arc<Semaphore>>,
}

/// The right to run one execution of a lane; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    _lane: OwnedSemaphorePermit,
    only: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// The execution runs: a node that does one job has done so.
    pub(super) fn used(&mut self) {
        if let Some(only) = self.only.take() {
            only.forget();
        }
    }
}

impl Lanes {
    /// All slots, none of them taken. One job in all where the node is `ephemeral`.
    pub fn new(settings: &BTreeMap<String, LaneSettings>, ephemeral: bool) -> Self {
        let slots =
            |lane: &LaneSettings| Arc::new(Semaphore::new(usize::try_from(lane.concurrency).unwrap_or(usize::MAX)));
        let lanes = settings.iter().map(|(name, lane)| (name.clone(), slots(lane))).collect();
        Self { lanes: Arc::new(lanes), only: ephemeral.then(|| Arc::new(Semaphore::new(1))) }
    }

    /// A slot of the lane, if one is free.
    pub fn take(&self, lane: &str) -> Option<Slot> {
        let only = match &self.only {
            Some(only) => Some(Arc::clone(only).try_acquire_owned().ok()?),
            None => None,
        };
        Some(Slot { _lane: Arc::clone(self.lanes.get(lane)?).try_acquire_owned().ok()?, only })
    }

    /// The next slot of the lane that comes free; `None` where there is no such lane.
    pub(super) async fn wait(&self, lane: &str) -> Option<Slot> {
        let lane = Arc::clone(self.lanes.get(lane)?).acquire_owned().await.ok()?;
        Some(Slot { _lane: lane, only: None })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.lanes.keys()
    }
}
