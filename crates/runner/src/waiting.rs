//! A program that was started ahead of its job.

use std::path::PathBuf;
use std::time::Duration;

use legwork_agents::{Dialogue, Opening};
use legwork_model::{EventBody, FailureReason, Limits, Verdict};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::attempt::{Attempt, Lines, Wires};
use crate::output::Recorder;
use crate::passage::{Left, Takeover};
use crate::process_tree::descendants;
use crate::runner::{Ended, Runner};
use crate::sandbox::Inherited;
use crate::supervisor::Keep;

/// A program that waits for its job. Dropping it ends it.
#[derive(Debug)]
pub struct Waiting {
    takeover: oneshot::Sender<Takeover>,
    passage: AbortOnDropHandle<Left>,
    pid: Option<u32>,
}

/// The job of a program that waits.
#[derive(Debug)]
pub struct Job {
    /// What the program learns.
    pub opening: Opening,
    /// When it is stopped, from now on.
    pub limits: Limits,
    /// How long it stays for a further message after a turn.
    pub idle: Option<Duration>,
    /// Where its standard output goes.
    pub stdout_path: PathBuf,
    /// How it outlives this process, if it does.
    pub keep: Option<Keep>,
}

impl Waiting {
    /// Whether it has not ended by itself.
    pub fn is_alive(&self) -> bool {
        !self.passage.is_finished()
    }

    /// Ends it, with everything that it started.
    pub async fn end(self) {
        drop(self.takeover);
        // It ends in any case.
        let _ = self.passage.await;
    }

    /// Bytes of memory that its processes have to themselves or share, as far as the system tells. Its main process may be
    /// one that only waits for the others.
    pub fn memory(&self) -> u64 {
        let Some(pid) = self.pid.and_then(|pid| i32::try_from(pid).ok()) else { return 0 };
        let others = descendants(pid).unwrap_or_default();
        others.into_iter().chain([pid]).map(memory_of).sum()
    }
}

fn memory_of(pid: i32) -> u64 {
    let rolled = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let share = rolled.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok());
    share.map_or(0, |kilobytes: u64| kilobytes * 1024)
}

impl Runner {
    /// Starts a program ahead of its job, and waits until it is ready. `attempt.limits.first_event_seconds` bounds that.
    ///
    /// # Errors
    /// Why it could not be started, or did not become ready.
    pub async fn start_waiting(&self, attempt: Attempt, dialogue: Box<dyn Dialogue>) -> Result<Waiting, Verdict> {
        let (_keep, stop) = watch::channel(None);
        // Nobody hears what it says before its job.
        let (events, _) = mpsc::channel::<EventBody>(1);
        let wires = Wires { dialogue, lines: Lines { stop, orders: None, events } };
        let passage = self.start(attempt, Inherited::default(), wires).await?;
        let pid = passage.pid();
        let (takeover, taken) = oneshot::channel();
        let (ready, mut is_ready) = watch::channel(false);
        let passage = AbortOnDropHandle::new(tokio::spawn(passage.wait(taken, ready)));
        let became_ready = is_ready.wait_for(|ready| *ready).await.is_ok();
        if became_ready {
            return Ok(Waiting { takeover, passage, pid });
        }
        let why = "The program that was started ahead of its job ended before it was ready.";
        let verdict = passage.await.map(|left| left.outcome.verdict);
        Err(match verdict {
            Ok(Verdict::Failed(failure)) => Verdict::Failed(failure),
            _ => Verdict::failed(FailureReason::ExitNonzero, why),
        })
    }

    /// Gives a program that waits its job; ends like [`run`](Runner::run). Where the program has ended meanwhile, the lines
    /// come back: nothing was done.
    ///
    /// # Errors
    /// The lines, where the program has ended by itself.
    pub async fn run_waiting(&self, waiting: Waiting, job: Job, lines: Lines) -> Result<Ended, Lines> {
        let Job { opening, limits, idle, stdout_path, keep } = job;
        // Nothing is kept so far, so no file has to be opened.
        let Ok(output) = Recorder::new(stdout_path, limits.max_output_bytes, None) else { return Err(lines) };
        let takeover = Takeover { opening, limits, idle, output, lines, keep };
        if let Err(takeover) = waiting.takeover.send(takeover) {
            return Err(takeover.lines);
        }
        match waiting.passage.await {
            Ok(left) => Ok(self.ended(left).await),
            Err(_) => {
                let message = "The run's task ended before its program.";
                Ok(Ended::without_run(Verdict::failed(FailureReason::Internal, message)))
            }
        }
    }
}
