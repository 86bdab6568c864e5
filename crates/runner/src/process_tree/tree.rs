//! The processes of one run.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::proc_fs::{Process, Ticks, is_child, with_descendants};
use super::registry::{Registered, Registry};
use crate::cookie::Cookie;
use crate::pause::Pauses;

/// A run this short can't have seen the pids begin anew.
const SHORT: Duration = Duration::from_secs(5);

/// Looking at so many pids one by one costs no more than listing all processes.
const FEW: i32 = 64;

/// How long to go on killing before giving up on what can't be killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The processes of one run. Dropping it takes the run off the register; what is left of it is then an orphan.
#[derive(Debug)]
pub(crate) struct Tree {
    registry: Arc<Registry>,
    cookie: Cookie,
    main: i32,
    started: Ticks,
    begun: Instant,
    main_ended: AtomicBool,
    main_only_waits: bool,
}

impl Tree {
    /// Starts the main process of a run by `spawn`, which gives its pid.
    pub(crate) fn start<T>(
        registry: &Arc<Registry>,
        cookie: &Cookie,
        spawn: impl FnOnce() -> io::Result<(T, i32)>,
    ) -> io::Result<(T, Self)> {
        let begun = Instant::now();
        let (process, Registered { pid, started }) = registry.register(cookie, spawn)?;
        let main_ended = AtomicBool::new(false);
        Ok((
            process,
            Self {
                registry: Arc::clone(registry),
                cookie: cookie.clone(),
                main: pid,
                started,
                begun,
                main_ended,
                main_only_waits: false,
            },
        ))
    }

    /// Whether the main process has nothing to do but to wait for the others, and would take them along: then it is not
    /// asked to end.
    pub(crate) fn whose_main_only_waits(mut self, main_only_waits: bool) -> Self {
        self.main_only_waits = main_only_waits;
        self
    }

    /// The main process was waited for: its pid means nothing any more.
    pub(crate) fn main_ended(&self) {
        self.main_ended.store(true, Ordering::Relaxed);
    }

    /// Whether the main process, which has ended, may have left others behind. Costs a few microseconds where it
    /// has not: descendants were started later, so only the pids given out since can be theirs.
    pub(crate) fn may_have_left_others(&self) -> bool {
        let Some(last) = self.registry.last_pid() else { return true };
        let wrapped = last < self.main || self.begun.elapsed() > SHORT;
        wrapped || last - self.main > FEW || (self.main + 1..=last).any(|pid| self.may_be_left(pid))
    }

    fn may_be_left(&self, pid: i32) -> bool {
        if !is_child(pid) || self.registry.is_registered(pid) {
            return false;
        }
        let process = match Process::read(pid) {
            Ok(Some(process)) if self.registry.is_orphan(&process) => process,
            Ok(_) => return false,
            Err(_) => return true,
        };
        match process.cookie() {
            Some(cookie) => cookie == self.cookie,
            // A run that is being started on another thread shares our own memory, and so our environment, until it
            // is replaced by its program.
            None => process.zombie || !process.forked_only,
        }
    }

    /// Ends every process of the run: `SIGTERM`, and `SIGKILL` to what is left after `grace`. Gives up, with a word
    /// in the log, on what can't be killed.
    pub(crate) async fn terminate(&self, grace: Duration) {
        if self.gone_after(Signal::TERM, grace).await || self.gone_after(Signal::KILL, PATIENCE).await {
            return;
        }
        let pids: Vec<_> = self.members().unwrap_or_default().iter().map(|member| member.pid).collect();
        tracing::error!(run = %self.cookie, ?pids, "processes could not be killed");
    }

    /// Sends `signal` once to every process of the run, also to those that are started meanwhile. Says whether none
    /// was left in time.
    async fn gone_after(&self, signal: Signal, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut told = HashSet::new();
        let mut pauses = Pauses::new();
        loop {
            let members = self.members();
            let gone = members.as_ref().is_ok_and(Vec::is_empty);
            if gone || Instant::now() >= deadline {
                return gone;
            }
            let members = members.unwrap_or_default();
            let spared = |pid| self.main_only_waits && signal == Signal::TERM && pid == self.main;
            let told_now = members.iter().filter(|member| !spared(member.pid));
            let news = told_now.filter(|member| told.insert((member.pid, member.started)));
            news.for_each(|member| member.signal(signal));
            pauses.next(deadline).await;
        }
    }

    /// Every process of the run that is alive. Takes children that have ended out of the process table on the way.
    fn members(&self) -> io::Result<Vec<Process>> {
        let all = Process::all()?;
        let mut members: Vec<_> = all.iter().filter(|process| self.is_root(process)).copied().collect();
        with_descendants(&mut members, &all, |_| true);
        self.registry.reap_orphans(&all);
        members.retain(|member| !member.zombie);
        Ok(members)
    }

    /// Whether a process belongs to the run by itself, not by its parent. Nothing older than the run does, which
    /// spares most of the machine's processes the closer look.
    fn is_root(&self, process: &Process) -> bool {
        let main = process.pid == self.main && !self.main_ended.load(Ordering::Relaxed);
        let other = || {
            process.pid != self.registry.own_pid
                && process.started >= self.started
                && !process.is_kernel_thread()
                && !self.registry.is_registered(process.pid)
                && (process.group == self.main || process.cookie().is_some_and(|cookie| cookie == self.cookie))
        };
        main || other()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.registry.unregister(self.main);
    }
}
