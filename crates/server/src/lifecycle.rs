//! Start, drain, end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use legwork_runner::StopReason;
use legwork_runner::supervisor::Supervisor;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::scheduler::{Command, SchedulerHandle};

/// How long stopped agents and their records may take at the very end.
const LAST_GRACE: Duration = Duration::from_secs(15);

/// Where the process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Takes jobs.
    Serving,
    /// Takes no more jobs; those that run may finish.
    Draining,
    /// Ends whatever still runs.
    Ending,
    /// Nothing runs any more: open streams are closed.
    Ended,
}

/// The stage of this process, for all to see.
#[derive(Debug, Clone)]
pub struct Phase {
    stage: watch::Sender<Stage>,
    /// Whether a person at a terminal wants the end.
    interrupted: Arc<AtomicBool>,
}

impl Default for Phase {
    fn default() -> Self {
        Self { stage: watch::Sender::new(Stage::Serving), interrupted: Arc::default() }
    }
}

impl Phase {
    /// The present stage.
    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Goes on to `stage`; never back.
    pub fn advance(&self, stage: Stage) {
        self.stage.send_if_modified(|present| {
            let later = stage > *present;
            *present = stage.max(*present);
            later
        });
    }

    fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Waits until `stage` is reached.
    pub async fn reached(&self, stage: Stage) {
        // The sender is `self`, so the channel can't close while this waits.
        let _ = self.stage.subscribe().wait_for(|present| *present >= stage).await;
    }
}

/// Goes on with every signal to end that the process gets: the first drains, the second ends what runs, the third leaves
/// at once.
pub async fn heed_signals(phase: Phase) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("failed to listen for signals; the process can only be killed");
        return;
    };
    for stage in [Stage::Draining, Stage::Ending] {
        tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => phase.interrupt() }
        phase.advance(stage);
    }
    tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
    tracing::warn!("third signal: leaving at once");
    std::process::exit(130);
}

/// Waits for the drain to begin, lets what runs finish for a while, then ends it, or leaves it to its supervisor for the
/// next server, unless a person at a terminal wants the end. Returns when nothing runs here any more.
pub async fn drain(
    phase: &Phase,
    scheduler: &SchedulerHandle,
    supervisor: Option<&Arc<Supervisor>>,
    patience: Duration,
) {
    phase.reached(Stage::Draining).await;
    scheduler.tell(Command::Drain);
    let running = scheduler.running();
    if running > 0 {
        tracing::info!(
            running,
            seconds = patience.as_secs(),
            "no new jobs; waiting for running ones (signal again to end them now)"
        );
    }
    tokio::select! {
        () = scheduler.idle() => {}
        () = tokio::time::sleep(patience) => {}
        () = phase.reached(Stage::Ending) => {}
    }
    phase.advance(Stage::Ending);
    let reason = match supervisor.filter(|_| !phase.was_interrupted()) {
        Some(supervisor) => {
            supervisor.leave();
            StopReason::Leave
        }
        None => StopReason::Shutdown,
    };
    scheduler.tell(Command::StopAll(reason));
    if tokio::time::timeout(LAST_GRACE, scheduler.idle()).await.is_err() {
        tracing::error!(
            running = scheduler.running(),
            "agents did not end in time; the next start cleans up after them"
        );
    }
    phase.advance(Stage::Ended);
}
