//! Ends what an earlier server process on this machine left behind.

use std::io;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::proc_fs::{Process, with_descendants};
use super::registry::Registry;
use crate::cookie::Cookie;
use crate::pause::Pauses;

/// How long to wait for killed processes to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process of a run whose server is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The process.
    pub pid: i32,
    /// The run it belonged to; absent for a descendant that had lost its cookie.
    pub cookie: Option<Cookie>,
    /// The beginning of its command line.
    pub command: String,
}

impl Registry {
    /// Kills every process that carries a cookie of `node` but of no live run, and its descendants. Says what it found.
    pub(crate) async fn sweep(&self, node: &str) -> io::Result<Vec<Leftover>> {
        let deadline = Instant::now() + PATIENCE;
        let mut pauses = Pauses::new();
        let mut found: Vec<Leftover> = Vec::new();
        loop {
            let left = self.left_by(node)?;
            if left.is_empty() || Instant::now() > deadline {
                return Ok(found);
            }
            for process in &left {
                if !found.iter().any(|leftover| leftover.pid == process.pid) {
                    found.push(Leftover { pid: process.pid, cookie: process.cookie(), command: process.command() });
                }
                process.signal(Signal::KILL);
            }
            pauses.next(deadline).await;
        }
    }

    /// Kills every process that carries this cookie, and its descendants.
    pub(crate) async fn end_marked(&self, cookie: &Cookie) {
        let deadline = Instant::now() + PATIENCE;
        let mut pauses = Pauses::new();
        loop {
            let all = Process::all().unwrap_or_default();
            let marked = |process: &&Process| !process.zombie && process.cookie().is_some_and(|found| found == *cookie);
            let mut left: Vec<_> = all.iter().filter(marked).copied().collect();
            if left.is_empty() || Instant::now() > deadline {
                return;
            }
            with_descendants(&mut left, &all, |process| !process.zombie);
            left.iter().for_each(|process| process.signal(Signal::KILL));
            pauses.next(deadline).await;
        }
    }

    fn left_by(&self, node: &str) -> io::Result<Vec<Process>> {
        let all = Process::all()?;
        let live = self.settled();
        let spared = self.own_line(&all);
        let may_end =
            |process: &Process| !process.zombie && !process.is_kernel_thread() && !spared.contains(&process.pid);
        let is_left = |cookie: &Cookie| cookie.node() == node && !live.iter().any(|run| run.cookie == *cookie);
        let marked = |process: &&Process| may_end(process) && process.cookie().is_some_and(|cookie| is_left(&cookie));
        let mut left: Vec<_> = all.iter().filter(marked).copied().collect();
        // The runs of another node below one of ours are that node's own business.
        with_descendants(&mut left, &all, |process| {
            may_end(process) && process.cookie().is_none_or(|cookie| is_left(&cookie))
        });
        self.reap_orphans(&all);
        Ok(left)
    }

    /// This process and its ancestors: an agent may have started this very server.
    fn own_line(&self, all: &[Process]) -> Vec<i32> {
        let mut line = vec![self.own_pid];
        while let Some(process) = line.last().and_then(|pid| all.iter().find(|process| process.pid == *pid)) {
            if process.parent <= 0 || line.contains(&process.parent) {
                break;
            }
            line.push(process.parent);
        }
        line
    }
}
