//! What becomes of a run when the person at the terminal has enough of it.

use std::time::Duration;

use legwork_model::ExecutionId;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::commands::client::{Client, ClientError};
use crate::commands::terminal::{Screen, Style};
use crate::commands::{Failure, UNAVAILABLE};

/// How long a cancelled run may take to end: an agent gets five seconds, and its patch has to be worked out.
const PATIENCE: Duration = Duration::from_secs(30);

/// Signals that ask this process to end: Ctrl-C, `kill`, a closed terminal.
pub(super) struct Interrupts {
    signals: [Signal; 3],
    count: u32,
}

impl Interrupts {
    /// From now on they do not end the process by themselves.
    pub(super) fn heed() -> Result<Self, Failure> {
        let on = |kind| {
            let failed =
                |error| Failure { message: format!("failed to listen for signals: {error}"), code: UNAVAILABLE };
            signal(kind).map_err(failed)
        };
        let signals = [on(SignalKind::interrupt())?, on(SignalKind::terminate())?, on(SignalKind::hangup())?];
        Ok(Self { signals, count: 0 })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        self.count += 1;
    }

    /// How many there were.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }
}

/// At the first interrupt cancels the run, whose end is then awaited elsewhere. Returns at the second one, or when the
/// end takes too long.
pub(super) async fn cancel_then_leave(
    interrupts: &mut Interrupts,
    client: &Client,
    submitted: watch::Receiver<Option<ExecutionId>>,
    screen: &Screen,
) {
    interrupts.next().await;
    screen.notice(Style::Warning, "cancelling the run (Ctrl-C again to leave without waiting)");
    screen.status("cancelling".into());
    tokio::select! {
        () = cancel(client, submitted, screen) => {}
        () = interrupts.next() => {}
        () = tokio::time::sleep(PATIENCE) => {
            screen.notice(Style::Bad, format!("the run has not ended within {} s; leaving", PATIENCE.as_secs()));
        }
    }
}

/// Cancels the run as soon as it is known. Never returns: the end is awaited elsewhere.
async fn cancel(client: &Client, mut submitted: watch::Receiver<Option<ExecutionId>>, screen: &Screen) {
    let known = submitted.wait_for(Option::is_some).await.ok().and_then(|id| *id);
    if let Some(id) = known {
        match client.cancel(id).await {
            // It ended by itself meanwhile.
            Ok(_) | Err(ClientError::Refused { status: 409, .. }) => {}
            Err(error) => screen.notice(Style::Bad, format!("failed to cancel the run: {error}")),
        }
    }
    std::future::pending::<()>().await;
}
