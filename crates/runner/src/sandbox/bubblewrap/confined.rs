//! The processes of a run in a sandbox.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use legwork_model::{Exit, Failure};
use rustix::process::Signal;
use tokio::time::timeout;

use super::super::{Process, Uplink};
use crate::process_tree::ended;
use crate::supervisor::{Hold, Keep, Note};

/// What is added to the number of a signal where it is told as an exit code.
const BY_SIGNAL: i32 = 128;

/// How long what is inside may take to end with `bwrap`. What does not is left to whoever ends processes one by one.
const PATIENCE: Duration = Duration::from_secs(5);

/// A run in a sandbox. Its main process is `bwrap`, which only waits for the agent; with it everything inside ends, and has
/// ended once the first process inside has.
#[derive(Debug)]
pub(super) struct Confined {
    process: Box<dyn Process>,
    first: OwnedFd,
    exit: Option<Exit>,
    /// Serves the sockets inside as long as this is there.
    _uplink: Option<Arc<dyn Uplink>>,
    terminated: AtomicBool,
}

impl Confined {
    /// `first` is a handle of the first process inside.
    pub(super) fn new(process: Box<dyn Process>, first: OwnedFd, uplink: Option<Arc<dyn Uplink>>) -> Self {
        Self { process, first, exit: None, _uplink: uplink, terminated: AtomicBool::new(false) }
    }
}

impl Process for Confined {
    fn wait(&mut self) -> BoxFuture<'_, io::Result<Exit>> {
        let wait = async move {
            // This may be given up and begun again, also between the two ends.
            let exit = match self.exit {
                Some(exit) => exit,
                None => *self.exit.insert(self.process.wait().await?),
            };
            _ = timeout(PATIENCE, ended(self.first.as_fd())).await;
            Ok(if self.terminated.load(Ordering::Relaxed) { as_signalled(exit) } else { exit })
        };
        wait.boxed()
    }

    fn may_have_left_others(&self) -> bool {
        self.process.may_have_left_others()
    }

    fn terminate(&self, grace: Duration) -> BoxFuture<'static, ()> {
        self.terminated.store(true, Ordering::Relaxed);
        self.process.terminate(grace)
    }

    fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    fn limit_reached(&self) -> Option<Failure> {
        self.process.limit_reached()
    }

    fn keep(&self, keep: Keep) {
        self.process.keep(keep);
    }

    fn is_kept(&self) -> bool {
        self.process.is_kept()
    }

    fn note(&self, note: Note) {
        self.process.note(note);
    }

    fn replace(&self, ended: Hold) {
        self.process.replace(ended);
    }

    fn into_hold(self: Box<Self>) -> Option<Hold> {
        self.process.into_hold()
    }
}

/// `bwrap` tells the signal that ended the agent as an exit code. A program may leave with such a code by itself, so it is
/// taken for a signal only where that signal was sent.
fn as_signalled(exit: Exit) -> Exit {
    let sent = [Signal::TERM, Signal::KILL].map(Signal::as_raw);
    match exit.code.map(|code| code - BY_SIGNAL).filter(|signal| sent.contains(signal)) {
        Some(signal) => Exit { code: None, signal: Some(signal) },
        None => exit,
    }
}
