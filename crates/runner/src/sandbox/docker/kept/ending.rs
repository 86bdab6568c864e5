//! The end of a job: nothing of it is left in its container, or no container is left.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use legwork_model::FailureReason;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::job::Shared;
use super::{Turn, directories, leave, put_away};

/// How long what was killed may take to be gone, and what it left to be removed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a killed process is told of as.
const KILLED: i64 = 137;

/// As the user of the job, who can't end the shell that holds the container. To send a signal to all at once leaves no
/// moment in which one could start another.
const TELL_ALL: &str = "kill -s TERM -- -1 2>/dev/null";
const KILL_ALL: &str = "kill -s KILL -- -1 2>/dev/null";
const UNTIL_GONE: &str = "others() { for one in /proc/[0-9]*; do \
    [ -O \"$one\" ] && [ \"$one\" != \"/proc/$$\" ] && return 0; done; return 1; }; while others; do sleep 0.02; done";
/// `-xdev` stays out of what is mounted there.
const CLEAR: &str = "command -v find >/dev/null || exit 1; \
    find /tmp /run /dev/shm -xdev -mindepth 1 -delete >/dev/null 2>&1; exit 0";

impl Shared {
    /// Ends the processes of the job, and leaves the container to the next one if it is as it was. Whether memory ran out
    /// the engine only tells of a container that has ended, so one whose agent was killed by somebody else is ended.
    pub(super) async fn end(self: Arc<Self>, grace: Duration) {
        let Some(mut turn) = self.take_turn() else { return };
        let was_killed = matches!(self.code().await, Ok(Some(KILLED)));
        let emptied = if was_killed { self.inside.stopped().await } else { self.emptied(grace).await };
        let code = self.code().await.map_err(|error| error.to_string());
        let failure = self.inside.failure_of(code.transpose(), &self.sought).await;
        let emptied = emptied && self.taken_out(&turn).await;
        let stays = emptied && !was_killed && failure.as_ref().is_none_or(|failure| is_as_it_was(failure.reason));
        if let Some(failure) = failure {
            let _ = self.failure.set(failure);
        }
        if !stays {
            put_away(&mut turn).await;
        }
        let shared = Arc::clone(&self);
        let put_back = move || shared.belongings.lock().unwrap_or_else(PoisonError::into_inner).put_back();
        let _ = spawn_blocking(put_back).await;
        let had_job = !self.gave_way.load(Ordering::Relaxed);
        if let (false, Some(uplink)) = (had_job, &self.uplink) {
            uplink.stop();
        }
        leave(turn, had_job, self.sleep_after);
    }

    /// Whether the directories of the job are out of its container.
    async fn taken_out(&self, turn: &Turn) -> bool {
        let Some(mount_point) = turn.as_ref().and_then(|holder| holder.mount_point.clone()) else { return true };
        let Ok(Some(pid)) = self.inside.pid().await else { return false };
        let taken_out = directories::take_out(pid, mount_point).await;
        if let Err(error) = &taken_out {
            tracing::warn!(%error, "the directories of a job can't be taken out of its container, which is removed");
        }
        taken_out.is_ok()
    }

    async fn emptied(&self, grace: Duration) -> bool {
        let kindly = format!("{TELL_ALL}; {UNTIL_GONE}; {KILL_ALL}; {CLEAR}");
        if timeout(grace, self.inside.asked(&kindly)).await == Ok(true) {
            return true;
        }
        let firmly = format!("{KILL_ALL}; {CLEAR}");
        timeout(PATIENCE, self.inside.asked(&firmly)).await == Ok(true)
    }
}

/// A program that is missing is not there for the next job either, and processes that were refused left nothing behind.
const fn is_as_it_was(reason: FailureReason) -> bool {
    matches!(reason, FailureReason::SpawnFailed | FailureReason::PidsLimit)
}
