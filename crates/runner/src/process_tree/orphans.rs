//! Ends and reaps what no run owns any more.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::proc_fs::{Process, with_descendants};
use super::registry::{LiveRun, Registry};
use crate::pause::Pauses;

/// How long to go on killing before leaving the rest to the next round.
const PATIENCE: Duration = Duration::from_secs(2);

impl Registry {
    /// Kills every orphan that belongs to no live run, with its descendants, and takes those that have ended out of
    /// the process table.
    pub(crate) async fn end_orphans(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut pauses = Pauses::new();
        loop {
            let doomed = self.doomed();
            if doomed.is_empty() || Instant::now() > deadline {
                return;
            }
            doomed.iter().for_each(|process| process.signal(Signal::KILL));
            pauses.next(deadline).await;
        }
    }

    /// Ends orphans for ever, every so often: what a run left in the blink between two looks, and what outlived
    /// runs that were still going on when it was left.
    pub(crate) async fn reap_forever(&self, every: Duration) {
        let mut rounds = tokio::time::interval(every);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            self.end_orphans().await;
        }
    }

    /// Takes orphans that have ended out of the process table.
    pub(super) fn reap_orphans(&self, all: &[Process]) {
        let zombies: Vec<_> = all.iter().filter(|process| process.zombie && self.is_orphan(process)).collect();
        if !zombies.is_empty() {
            // One that was being started when it was seen is registered by now, and its run will wait for it.
            self.settled();
            zombies.into_iter().filter(|process| self.is_orphan(process)).for_each(Process::reap);
        }
    }

    fn doomed(&self) -> Vec<Process> {
        // Where nothing can be seen, the next round may see more.
        let all = Process::all().unwrap_or_default();
        if !all.iter().any(|process| self.is_orphan(process)) {
            return Vec::new();
        }
        let live = self.settled();
        let orphans = all.iter().filter(|process| self.is_orphan(process));
        let (zombies, alive): (Vec<_>, Vec<_>) = orphans.copied().partition(|process| process.zombie);
        zombies.iter().for_each(Process::reap);
        let mut doomed: Vec<_> = alive.into_iter().filter(|process| !is_owned(process, &live)).collect();
        with_descendants(&mut doomed, &all, |process| !process.zombie);
        doomed
    }
}

/// Whether a live run may own the orphan: the one its cookie names or, without a cookie, any that is older.
fn is_owned(orphan: &Process, live: &[LiveRun]) -> bool {
    match orphan.cookie() {
        Some(cookie) => live.iter().any(|run| run.cookie == cookie),
        None => live.iter().any(|run| run.started <= orphan.started),
    }
}
