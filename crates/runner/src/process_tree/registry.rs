//! The runs that live in this process, and the children that belong to none of them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rustix::process::{getpgrp, getpid, set_child_subreaper};

use super::proc_fs::{LastPid, Process, Ticks};
use crate::cookie::Cookie;

/// Knows the main process of every live run.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(super) own_pid: i32,
    /// Children in this process's own group were started by somebody else in it: those of runs lead groups of theirs.
    own_group: i32,
    runs: Mutex<HashMap<i32, LiveRun>>,
    /// Children that are no runs and end by themselves.
    spared: Mutex<HashSet<i32>>,
    /// Held for reading from before a process is started until it is registered.
    starting: RwLock<()>,
    last_pid: LastPid,
}

#[derive(Debug, Clone)]
pub(super) struct LiveRun {
    pub(super) cookie: Cookie,
    pub(super) started: Ticks,
}

/// A process that was just started and registered.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) pid: i32,
    pub(super) started: Ticks,
}

impl Registry {
    /// Makes this process the one that orphans are handed to.
    pub(crate) fn new() -> io::Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        Ok(Self {
            own_pid: getpid().as_raw_pid(),
            own_group: getpgrp().as_raw_pid(),
            runs: Mutex::default(),
            spared: Mutex::default(),
            starting: RwLock::default(),
            last_pid: LastPid::open()?,
        })
    }

    /// Starts a process by `spawn`, which gives its pid, and registers it as the main process of a run.
    pub(super) fn register<T>(
        &self,
        cookie: &Cookie,
        spawn: impl FnOnce() -> io::Result<(T, i32)>,
    ) -> io::Result<(T, Registered)> {
        let _starting = self.starting.read().unwrap_or_else(PoisonError::into_inner);
        let started = Ticks::now();
        let (process, pid) = spawn()?;
        self.runs().insert(pid, LiveRun { cookie: cookie.clone(), started });
        Ok((process, Registered { pid, started }))
    }

    pub(super) fn unregister(&self, pid: i32) {
        self.runs().remove(&pid);
    }

    /// How many runs are alive.
    pub(crate) fn live_runs(&self) -> usize {
        self.runs().len()
    }

    pub(super) fn last_pid(&self) -> Option<i32> {
        self.last_pid.read()
    }

    pub(super) fn is_registered(&self, pid: i32) -> bool {
        self.runs().contains_key(&pid)
    }

    /// A copy of the live runs that includes every process which was started before the call.
    pub(super) fn settled(&self) -> Vec<LiveRun> {
        drop(self.starting.write().unwrap_or_else(PoisonError::into_inner));
        self.runs().values().cloned().collect()
    }

    /// Whether a process lost its parent and was handed to this one. A process that is being started right now looks
    /// the same until it is registered.
    pub(super) fn is_orphan(&self, process: &Process) -> bool {
        process.parent == self.own_pid
            && process.group != self.own_group
            && !self.is_registered(process.pid)
            && !self.spared().contains(&process.pid)
    }

    /// Leaves a child alone that is no run and ends by itself.
    pub(crate) fn spare(&self, pid: i32) {
        self.spared().insert(pid);
    }

    fn spared(&self) -> MutexGuard<'_, HashSet<i32>> {
        // As below.
        self.spared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<i32, LiveRun>> {
        // Single insertions and removals leave nothing half-done behind a panic.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run that lives in another process of ours; no sweep takes it for a leftover while this exists.
#[derive(Debug)]
pub(crate) struct Live {
    registry: Arc<Registry>,
    pid: i32,
}

impl Live {
    pub(crate) fn new(registry: &Arc<Registry>, pid: u32, cookie: &Cookie) -> Self {
        let pid = i32::try_from(pid).unwrap_or_default();
        registry.runs().insert(pid, LiveRun { cookie: cookie.clone(), started: Ticks::now() });
        Self { registry: Arc::clone(registry), pid }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.registry.unregister(self.pid);
    }
}

/// How a process ended, in the words of the model.
pub(crate) fn exit_of(status: ExitStatus) -> legwork_model::Exit {
    use std::os::unix::process::ExitStatusExt;
    legwork_model::Exit { code: status.code(), signal: status.signal() }
}
