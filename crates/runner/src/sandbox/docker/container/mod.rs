//! One container, from its creation to its removal.

mod ask;
mod connection;
mod create;
mod ending;
mod process;
mod watch;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::time::Instant;

pub(super) use connection::{input, started};
pub(super) use create::create;
pub(super) use ending::Sought;
pub(super) use process::Contained;
pub(super) use watch::{End, exit_of, watched};

use super::belongings::Belongings;
use super::engine::Known;
use super::error::status;
use super::plan::User;
use crate::pause::Pauses;
use crate::sandbox::control_group::Refusals;

/// How long to go on removing what can't be removed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A container that is removed with this, if not before.
#[derive(Debug)]
pub(super) struct Room(pub(super) Arc<Inside>);

/// What is known about a container.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) known: Known,
    pub(super) id: String,
    pub(super) user: User,
    belongings: Mutex<Belongings>,
    /// Its first process, to be ended where the engine is not there to do so.
    first: OnceLock<OwnedFd>,
    /// Where it can be seen from here how many processes it was refused.
    refusals: OnceLock<Refusals>,
    removed: AtomicBool,
}

impl Room {
    pub(super) fn new(known: Known, id: String, user: User, belongings: Belongings) -> Self {
        known.held.add(&id);
        Self(Arc::new(Inside {
            known,
            id,
            user,
            belongings: Mutex::new(belongings),
            first: OnceLock::new(),
            refusals: OnceLock::new(),
            removed: AtomicBool::new(false),
        }))
    }
}

impl Room {
    /// It is not removed with this: it is the next server's.
    pub(super) fn leave(&self) {
        self.0.removed.store(true, Ordering::Relaxed);
        self.0.known.held.remove(&self.0.id);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.0.removed.load(Ordering::Relaxed) {
            return;
        }
        // Without a runtime the server is about to end; the next one finds the container by its labels.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let inside = Arc::clone(&self.0);
            runtime.spawn(async move { inside.remove().await });
        }
    }
}

impl Inside {
    /// The id of its first process on this machine; none where the engine is on another, or the container has ended.
    pub(super) async fn pid(&self) -> Result<Option<u32>, Error> {
        let found = self.known.inspect(&self.id).await?;
        let pid =
            found.state.and_then(|state| state.pid).and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
        let process = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(process) = process.and_then(|process| pidfd_open(process, PidfdFlags::empty()).ok()) {
            let _ = self.first.set(process);
        }
        if let (None, Some(refusals)) = (self.refusals.get(), pid.and_then(Refusals::of)) {
            let _ = self.refusals.set(refusals);
        }
        Ok(pid)
    }

    /// A handle of its first process, where it is known and on this machine.
    pub(super) fn first(&self) -> Option<io::Result<OwnedFd>> {
        self.first.get().map(OwnedFd::try_clone)
    }

    /// How many processes it was refused, as far as that can be known.
    fn refused(&self) -> u64 {
        self.refusals.get().map_or(0, Refusals::count)
    }

    /// Another job begins in it.
    pub(super) fn forget_refusals(&self) {
        if let Some(refusals) = self.refusals.get() {
            refusals.forget();
        }
    }

    /// Removes it with all its processes, and puts back what it was given.
    pub(super) async fn remove(self: &Arc<Self>) {
        if self.removed.swap(true, Ordering::Relaxed) {
            return;
        }
        let deadline = Instant::now() + PATIENCE;
        let mut pauses = Pauses::new();
        while let Err(error) = self.try_to_remove().await {
            // An engine that is gone ends nothing; the first process takes all others along.
            self.kill_first();
            if Instant::now() >= deadline {
                tracing::error!(container = self.id, %error, "a container could not be removed");
                break;
            }
            pauses.next(deadline).await;
        }
        self.known.held.remove(&self.id);
        let inside = Arc::clone(self);
        let _ = tokio::task::spawn_blocking(move || inside.put_back()).await;
    }

    async fn try_to_remove(&self) -> Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.known.docker.remove_container(&self.id, Some(options)).await {
            Err(error) if status(&error) == Some(404) => Ok(()),
            removed => removed,
        }
    }

    fn kill_first(&self) {
        if let Some(process) = self.first.get() {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }

    fn put_back(&self) {
        self.belongings.lock().unwrap_or_else(PoisonError::into_inner).put_back();
    }
}
