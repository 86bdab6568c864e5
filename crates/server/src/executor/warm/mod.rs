//! Agents that are started ahead of their jobs. Starting one takes most of what a short job takes; one that waits begins to
//! work at once.
//!
//! What waits was started for one [`Profile`], in fresh private directories of its own, and does one job in its life. How
//! many wait is learnt from the jobs that come; they are started and ended by the [keeper](keep).

mod demand;
mod keeper;
mod profile;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use legwork_model::{Sandbox, SandboxKind, Task};
use legwork_runner::{RunDirs, Waiting};
use tokio::sync::Notify;

use demand::Demand;

use super::confinement::Confined;
pub use keeper::keep;
pub(super) use profile::{Pays, Profile};

use crate::config::WarmSettings;

/// What waits on this node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WarmPool {
    shelves: Arc<Mutex<HashMap<Profile, Shelf>>>,
    /// What is ready so soon that none of it has to wait.
    quick: Arc<Mutex<Vec<Quick>>>,
    wake: Arc<Notify>,
    settings: WarmSettings,
    /// How long a container that is kept for further jobs waits for one.
    sleep_after: Duration,
}

/// A program that waits, and its directories.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) waiting: Waiting,
    pub(super) dirs: RunDirs,
    /// How it is confined; its job is so, too.
    pub(super) confined: Confined,
    since: Instant,
}

impl Kept {
    /// Whether it waits in a container that is kept, which ends it when it is put away.
    fn ends_with_container(&self) -> bool {
        let confinement = &self.confined.confinement;
        confinement.kind == SandboxKind::Docker && confinement.container.keep.is_some()
    }
}

/// An agent whose programs are ready at once in such a sandbox, as far as is known until then.
#[derive(Debug)]
struct Quick {
    agent: String,
    sandbox: Sandbox,
    until: Instant,
}

/// What waits for the jobs of one profile.
#[derive(Debug, Default)]
struct Shelf {
    kept: Vec<Kept>,
    demand: Demand,
    /// Nothing is started for this profile until then: it was in vain.
    useless_until: Option<Instant>,
}

impl WarmPool {
    /// A pool in which nothing waits yet. What waits in a container ends with that, which is `sleep_after` its last job.
    pub fn new(settings: WarmSettings, sleep_after: Duration) -> Self {
        Self { shelves: Arc::default(), quick: Arc::default(), wake: Arc::default(), settings, sleep_after }
    }

    /// Whether anything is kept at all.
    fn is_used(&self) -> bool {
        self.settings.most > 0
    }

    /// Whether programs of an agent may wait for such jobs.
    pub(super) fn is_worth_it(&self, agent: &str, task: &Task) -> bool {
        let now = Instant::now();
        let is_it = |quick: &Quick| quick.agent == agent && quick.sandbox == task.sandbox && now < quick.until;
        self.is_used() && !locked(&self.quick).iter().any(is_it)
    }

    /// Learns that programs of this profile are ready at once, and so are those of others like it.
    fn is_quick(&self, profile: &Profile) {
        let until = Instant::now() + self.max_age();
        let (agent, sandbox) = (profile.agent().to_owned(), profile.task().sandbox.clone());
        let mut all = locked(&self.quick);
        all.retain(|quick| Instant::now() < quick.until);
        all.push(Quick { agent, sandbox, until });
    }

    /// A program for a job of this profile, if one waits. Either way, more such jobs are expected.
    pub(super) fn take(&self, profile: &Profile) -> Option<Kept> {
        let now = Instant::now();
        let taken = {
            let mut shelves = self.lock();
            let shelf = shelves.entry(profile.clone()).or_default();
            shelf.demand.came(now);
            shelf.kept.retain(|kept| kept.waiting.is_alive());
            // The youngest knows most of how things are now.
            shelf.kept.pop()
        };
        self.count();
        let outcome = if taken.is_some() { "hit" } else { "miss" };
        metrics::counter!("legwork_warm_starts_total", "outcome" => outcome).increment(1);
        self.wake.notify_one();
        taken
    }

    /// Says how many wait.
    fn count(&self) {
        let count: usize = self.lock().values().map(|shelf| shelf.kept.len()).sum();
        #[expect(clippy::cast_precision_loss, reason = "there are never that many")]
        metrics::gauge!("legwork_warm_processes").set(count as f64);
    }

    fn max_age(&self) -> Duration {
        Duration::from_secs(self.settings.max_age_seconds)
    }

    /// How long it is remembered that jobs of a profile came.
    fn memory_of(&self, profile: &Profile) -> Duration {
        let age = self.max_age();
        if profile.kept_by().is_some() { age.min(self.sleep_after) } else { age }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Profile, Shelf>> {
        locked(&self.shelves)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while a lock is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
