//! One job in a kept container.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bollard::errors::Error;
use futures::FutureExt;
use futures::future::BoxFuture;
use legwork_model::{Exit, Failure};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Place, Turn};
use crate::pause::Pauses;
use crate::sandbox::docker::belongings::Belongings;
use crate::sandbox::docker::container::{Inside, Sought, exit_of};
use crate::sandbox::docker::error::status;
use crate::sandbox::{Process, Uplink};
use crate::supervisor::{Hold, Keep, Note};

/// How long the engine may take to notice that a program has ended.
const NOTICE: Duration = Duration::from_secs(5);

/// A job. Given up, it takes its container along: nobody knows what still runs there.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) end: End,
}

/// What ends with the program.
#[derive(Debug)]
pub(super) enum End {
    /// Its output, which comes here.
    Output(JoinHandle<io::Result<()>>),
    /// The place that it has with the supervisor, as it may outlive this process.
    Held(Box<dyn Process>),
}

/// What a job has to do with its container.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) inside: Arc<Inside>,
    pub(super) turn: Mutex<Option<Turn>>,
    pub(super) place: Arc<Place>,
    pub(super) uplink: Option<Arc<dyn Uplink>>,
    pub(super) belongings: Mutex<Belongings>,
    pub(super) exec: String,
    pub(super) sought: Sought,
    pub(super) sleep_after: Duration,
    pub(super) failure: OnceLock<Failure>,
    /// Whether it was told that it is in somebody's way; then it ended without a job.
    pub(super) gave_way: AtomicBool,
}

impl Shared {
    /// The exit code; `None` while the program runs.
    pub(super) async fn code(&self) -> Result<Option<i64>, Error> {
        let found = self.inside.known.docker.inspect_exec(&self.exec).await?;
        Ok(found.exit_code.filter(|_| found.running != Some(true)))
    }

    /// How the program ended, which the engine learns in a moment. Some minutes later it has forgotten.
    async fn exit(&self) -> io::Result<Exit> {
        let deadline = Instant::now() + NOTICE;
        let mut pauses = Pauses::new();
        while Instant::now() < deadline {
            match self.code().await {
                Ok(Some(code)) => return Ok(exit_of(code)),
                Ok(None) => pauses.next(deadline).await,
                Err(error) if status(&error) == Some(404) => return Ok(Exit::default()),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Err(io::Error::other("the engine does not know how the program ended"))
    }

    /// The right to work in the container, which is given up with it.
    pub(super) fn take_turn(&self) -> Option<Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The container is not removed with this: it is the next server's.
    fn leave(&self) {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(holder) = turn.as_ref().and_then(|turn| turn.as_ref()) {
            holder.room.leave();
        }
    }
}

impl Job {
    fn held(&self) -> Option<&dyn Process> {
        match &self.end {
            End::Held(process) => Some(process.as_ref()),
            End::Output(_) => None,
        }
    }
}

impl Process for Job {
    /// The engine tells of the end of an output, not of that of a program; the one follows the other closely.
    fn wait(&mut self) -> BoxFuture<'_, io::Result<Exit>> {
        let wait = async {
            match &mut self.end {
                End::Output(output) if output.is_finished() => {}
                End::Output(output) => drop(output.await),
                End::Held(process) => drop(process.wait().await?),
            }
            self.shared.exit().await
        };
        wait.boxed()
    }

    fn may_have_left_others(&self) -> bool {
        true
    }

    fn terminate(&self, grace: Duration) -> BoxFuture<'static, ()> {
        Arc::clone(&self.shared).end(grace).boxed()
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn limit_reached(&self) -> Option<Failure> {
        self.shared.failure.get().cloned()
    }

    fn is_in_the_way(&self) -> BoxFuture<'static, ()> {
        let shared = Arc::clone(&self.shared);
        let wait = async move {
            shared.place.is_wanted().await;
            shared.gave_way.store(true, Ordering::Relaxed);
        };
        wait.boxed()
    }

    fn keep(&self, keep: Keep) {
        if let Some(held) = self.held() {
            held.keep(keep);
        }
    }

    fn is_kept(&self) -> bool {
        self.held().is_some_and(Process::is_kept)
    }

    fn note(&self, note: Note) {
        if let Some(held) = self.held() {
            held.note(note);
        }
    }

    /// What was not ended by now goes on without this server process, in its container.
    fn into_hold(self: Box<Self>) -> Option<Hold> {
        let Self { shared, end, .. } = *self;
        let End::Held(process) = end else { return None };
        if process.is_kept() {
            shared.leave();
        }
        process.into_hold()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(mut turn) = self.take_turn() {
            *turn = None;
        }
    }
}
